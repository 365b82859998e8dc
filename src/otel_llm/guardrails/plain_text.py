"""Brings a text into a plain form, in which patterns find what is written to be read by a model and not by a filter."""

# ruff: noqa: RUF001  # letters that look like others are the subject here

from __future__ import annotations

import base64
import re
import unicodedata

#: Longer texts are looked at whole, but not for letters that are spaced out, or replaced by digits.
_LONGEST_DISGUISED = 65536
#: Of texts in base64 so many, and so many characters of each, are read.
_MOST, _LONGEST = 8, 4096


def _table() -> dict[int, str | None]:
    """How single characters are written: Latin letters without accents, invisible characters not at all."""
    table: dict[int, str | None] = {}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFKD", chr(code))[0]
        if base.isascii() and base.isalpha():
            table[code] = base.lower()
    others = {
        "ß": "ss",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
        "ё": "е",
    }
    table |= {ord(one): base for one, base in others.items()}
    table |= dict.fromkeys(
        (
            0xAD,
            0x34F,
            0x61C,
            0x180E,
            0xFEFF,
            *range(0x200B, 0x2010),
            *range(0x202A, 0x202F),
        )
    )
    table |= dict.fromkeys((*range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE0020)))
    table |= {0xE0000 + code: chr(code).lower() for code in range(0x20, 0x7F)}  # tags, which hide ASCII
    table |= dict.fromkeys(map(ord, "‘’‚‛′´`"), "'") | dict.fromkeys(map(ord, "“”„‟«»「」『』″"), '"')
    return table | dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")


_LETTERS = _table()
#: Letters of other scripts that look like Latin ones. They are only replaced in words that have Latin letters too.
_LOOK_ALIKE = str.maketrans("аеорсухіјѕһԁԛԝвкмнтгпαοεινρτυκχ", "aeopcyxijshdqwbkmhtrnaoeivptukx")
_MIXED = re.compile(r"(?=\w{0,40}[a-z])\w{0,40}[\u0370-\u052f]\w{0,40}")
#: Letters with one sign between each and the next.
_SPACED = re.compile(r"(?<!\w)\w(?:[ ._*-]\w){2,200}(?!\w)")
_IS_SPACED = re.compile(r"[ ._*-]\w[ ._*-]\w[ ._*-]\w[ ._*-]\w[ ._*-]")
_SIGNS = re.compile(r"[ ._*-]")
_WIDE = re.compile(r"[ \t]{2,8}")
#: Words in which digits and signs stand for letters.
_LEET = re.compile(r"[a-z0-9@$!|]{3,24}")
_IS_LEET = re.compile(r"[013457@$|][a-z]")
#: Words that an attack is not without. Technical texts are full of digits beside letters.
_TELLING = frozenset(
    (
        *("ignore", "ignoring", "disregard", "forget", "bypass", "override", "previous", "prior", "instructions"),
        *(
            "instruction",
            "rules",
            "prompt",
            "system",
            "reveal",
            "jailbreak",
            "unrestricted",
            "uncensored",
            "unfiltered",
        ),
        *("restrictions", "guidelines", "filters", "developer", "mode"),
    )
)
_AS_LETTERS = str.maketrans("013457@$!|", "oieastasil")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,4096}={0,2}(?![A-Za-z0-9+/=_-])")
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")
_ROLE = re.compile(r"\n[\n ]{0,9}(?=(?:system|developer)\b)")
_LINES = re.compile(r" ?\n[\n ]*")


def plain(text: str) -> str:
    """``text`` in lower case, with Latin letters without accents and single spaces, and without invisible characters.

    A line break is a space, and ends a sentence where a role of a chat comes next.
    """
    if text.isascii():
        text = text.lower().replace("`", "'")
    else:
        text = unicodedata.normalize("NFKC", text).lower().translate(_LETTERS)
        text = _MIXED.sub(lambda word: word[0].translate(_LOOK_ALIKE), text)
    text = _ROLE.sub(". ", _BLANKS.sub(" ", text))
    return _LINES.sub(" ", text)


def disguised(text: str, plain_text: str) -> list[str]:
    """Other readings of ``text``, whose plain form is ``plain_text``: what is encoded, spaced out or in digits."""
    readings = [plain(decoded) for decoded in _decoded(text)]
    if len(plain_text) > _LONGEST_DISGUISED:
        return readings
    if _IS_SPACED.search(text):
        wide = _WIDE.sub("\n", text)  # between two words
        joined = _SPACED.sub(lambda found: _SIGNS.sub("", found[0]), wide)
        if joined != wide:
            readings.append(plain(joined))
    if _IS_LEET.search(plain_text):
        words = {word for word in _LEET.findall(plain_text) if not word.isdigit() and not word.isalpha()}
        if any(word.translate(_AS_LETTERS) in _TELLING for word in words):
            readings.append(_LEET.sub(_with_letters, plain_text))
    return readings


def _with_letters(word: re.Match[str]) -> str:
    return word[0] if word[0].isdigit() else word[0].translate(_AS_LETTERS)


def _decoded(text: str) -> list[str]:
    found: list[str] = []
    for place in _ENCODED.finditer(text):
        if len(found) >= _MOST:
            break
        encoded = place[0].rstrip("=").replace("-", "+").replace("_", "/")[:_LONGEST]
        try:
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except ValueError:
            continue
        if decoded.isprintable() or "\n" in decoded:
            found.append(decoded)
    return found
