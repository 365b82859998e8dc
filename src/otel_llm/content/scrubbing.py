"""Removes credentials from text."""

from __future__ import annotations

import re

#: Credentials, by how they begin. Providers echo them, prompts may hold them; no setting lets them out.
_SECRETS = tuple(
    # The beginning comes first, which is what makes a search fast; then, that it is one: the start of a word, also
    # behind the escape of a line break in JSON.
    (start, re.compile(rf"{start}(?:(?<=\b{start})|(?<=\\[nrt]{start})){rest}"))
    for start, rest in (
        ("sk-", r"[\w*-]{12,}"),
        ("rk-", r"[\w*-]{12,}"),
        ("pk-", r"[\w*-]{12,}"),
        ("Bearer ", r"[\w.~+/=-]{8,}"),
        ("AKIA", r"[A-Z0-9]{16}\b"),
        ("ASIA", r"[A-Z0-9]{16}\b"),
        ("eyJ", r"[\w-]{10,}\.[\w.-]{10,}"),
        ("API key provided: ", r"[^\s\"',\\]+"),
    )
)


def without_secrets(text: str) -> str:
    """``text``, which may be JSON, without credentials."""
    for start, secret in _SECRETS:
        if start in text:
            text = secret.sub("[secret]", text)
    return text
