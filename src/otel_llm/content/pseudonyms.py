"""Pseudonyms of people and sessions, made with a key: who has it can find one person's traces, and nobody else can."""

from __future__ import annotations

import hmac
import re

from .. import semconv as s

#: The attributes that hold an id of a person or a session, and whose ids are the same.
KINDS = {s.USER_ID: s.USER_ID, "enduser.id": s.USER_ID, s.SESSION_ID: s.SESSION_ID}
_MADE = re.compile(r"psn_[0-9a-f]{32}")


def pseudonym(key: str, attribute: str, identifier: str) -> str:
    """The pseudonym of ``identifier``, an id that is recorded as ``attribute``: its HMAC with ``key``.

    It is the same in every process that has the key. A pseudonym, such as one that another process sent, stays as it
    is.
    """
    if _MADE.fullmatch(identifier):
        return identifier
    told = f"{KINDS[attribute]}\0{identifier}".encode(errors="replace")
    return f"psn_{hmac.digest(key.encode(), told, 'sha256').hex()[:32]}"
