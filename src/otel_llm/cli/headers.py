"""The option --header, for commands that ask Jaeger or Tempo."""

from __future__ import annotations

import argparse
from pathlib import Path


class HeaderError(ValueError):
    """A --header can't be used. The message does not show it, because it may be a secret."""


def add_header(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="HEADER",
        help="send this header, such as 'Authorization: Bearer …'; @FILE reads headers from the lines of a file",
    )


def headers_of(given: list[str]) -> dict[str, str]:
    """The headers that the values of --header make.

    Raises:
        HeaderError: a value is no header, or its file can't be read.
    """
    headers: dict[str, str] = {}
    for text in given:
        lines = [text]
        if text.startswith("@"):
            try:
                lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError) as error:
                raise HeaderError(f"--header {text}: {getattr(error, 'strerror', None) or error}") from None
        for line in filter(str.strip, lines):
            name, separator, value = line.partition(":")
            if not separator or not name.strip():
                raise HeaderError("a --header is a name, a colon and a value")
            headers[name.strip()] = value.strip()
    return headers
