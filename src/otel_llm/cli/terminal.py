"""What the commands share: the console, messages, types of options, and escaping of untrusted text."""

from __future__ import annotations

import argparse
import io
import os
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_WIDTH = 120

#: Invisible, but needed to write some scripts and emoji.
_JOINERS = "\u200c\u200d"
#: Unicode categories of characters that are invisible or control the terminal.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def tell(message: str) -> None:
    """Print a message for the user on standard error."""
    print(f"otel-llm: {clean(message)}", file=sys.stderr)


def fail(message: str) -> int:
    """Print why the command failed and return the exit code for it, 2."""
    tell(message)
    return 2


def positive(text: str) -> int:
    """The type of an option: a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return min(number, sys.maxsize)


def clean(text: str, *, lines: bool = False) -> str:
    """Escape the characters of untrusted text that are invisible or control the terminal.

    With `lines`, the ends of lines and tabs stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    if lines:
        text = text.replace("\r\n", "\n")
    return "".join(_visible(char, lines) for char in text)


def _visible(char: str, lines: bool) -> str:
    if lines and char in "\n\t":
        return char
    if unicodedata.category(char) not in _HIDDEN or char in _JOINERS:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def open_console(*, no_color: bool) -> Console:
    """A console on standard output.

    It uses colours only on a terminal, unless `no_color` or NO_COLOR forbids them. Piped output is COLUMNS or 120
    characters wide.
    """
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    plain = no_color or bool(os.environ.get("NO_COLOR"))
    width = None if sys.stdout.isatty() else _columns()
    return Console(
        color_system=None if plain else "auto",
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def emit(console: Console, renderable: RenderableType) -> None:
    """Print `renderable`. Without colours, the spaces at the ends of lines are removed."""
    if console.color_system is not None:
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    for line in captured.get().splitlines():
        console.file.write(line.rstrip() + "\n")
    console.file.flush()


def _columns() -> int:
    try:
        return max(int(os.environ["COLUMNS"]), 20)
    except (KeyError, ValueError):
        return PIPED_WIDTH
