"""The numbers by which states know people, beside the one of the USA that is best known.

Those that are plain digits have a checksum that few other numbers have.
"""

from __future__ import annotations

from collections.abc import Callable

from . import checksums
from .patterns import END, HYPHEN, NUMBER_STARTS, SPACE, Pattern, Sign


def _id(
    name: str,
    digits: int,
    first: str,
    rest: str,
    accepts: Callable[[str], int] | None,
    examples: tuple[str, ...],
    counterexamples: tuple[str, ...],
) -> Pattern:
    """A number by which a state knows a person."""
    return Pattern(
        name,
        "national_id",
        first + NUMBER_STARTS + rest + END,
        examples,
        counterexamples,
        sign=Sign.DIGITS,
        digits=digits,
        accepts=accepts,
    )


PATTERNS: tuple[Pattern, ...] = (
    _id(
        "individual taxpayer number of the USA",
        9,
        "9",
        rf"\d\d[{HYPHEN}](?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[{HYPHEN}]\d{{4}}",
        None,
        ("912-70-1234",),
        ("912-49-1234", "912-93-1234"),
    ),
    _id(
        "national insurance number of the United Kingdom",
        6,
        "[A-CEGHJ-PR-TW-Z]",
        rf"[A-CEGHJ-NPR-TW-Z](?<!BG)(?<!GB)(?<!KN)(?<!NK)(?<!NT)(?<!TN)(?<!ZZ)[{SPACE}]?\d\d[{SPACE}]?\d\d[{SPACE}]?\d\d[{SPACE}]?[A-D]",
        None,
        ("AB123456C", "JG 10 37 59 A"),
        ("GB123456C", "AB123456E", "QQ123456C", "AO123456C"),
    ),
    _id(
        "social insurance number of Canada",
        9,
        "[1-79]",
        rf"\d\d(?:[{SPACE}]\d{{3}}[{SPACE}]|[{HYPHEN}]\d{{3}}[{HYPHEN}])\d{{3}}",
        checksums.sin,
        ("130 692 544", "130-692-544"),
        ("130 692 545", "046 454 286"),
    ),
    _id(
        "DNI of Spain",
        8,
        r"\d",
        r"\d{7}[- ]?[A-HJ-NP-TV-Z]",
        checksums.dni,
        ("12345678Z", "12345678-Z"),
        ("12345678A",),
    ),
    _id(
        "NIE of Spain",
        7,
        "[XYZ]",
        r"[- ]?\d{7}[- ]?[A-HJ-NP-TV-Z]",
        checksums.dni,
        ("X1234567L", "X-1234567-L"),
        ("X1234567A",),
    ),
    _id(
        "NIR of France",
        6,
        "[1278]",
        r"[ ]?\d\d[ ]?(?:0[1-9]|1[0-2]|[2-4]\d|50)[ ]?(?:\d\d|2[AB])[ ]?\d{3}[ ]?\d{3}[ ]?\d\d",
        checksums.nir,
        ("2 55 08 14 168 025 38", "255081416802538"),
        ("2 55 08 14 168 025 39",),
    ),
    _id(
        "PESEL of Poland",
        11,
        r"\d",
        r"\d\d\d[0-3]\d{6}",
        checksums.pesel,
        ("44051401359",),
        ("44051401358", "44851401350"),
    ),
    _id(
        "CPF of Brazil",
        11,
        r"\d",
        r"(?:\d\d\.\d{3}\.\d{3}-\d\d|\d{10})",
        checksums.cpf,
        ("529.982.247-25", "52998224725"),
        ("529.982.247-26", "111.111.111-11"),
    ),
    _id(
        "AHV of Switzerland",
        13,
        "7",
        r"56\.?\d{4}\.?\d{4}\.?\d\d",
        checksums.ahv,
        ("756.9217.0769.85",),
        ("756.9217.0769.84",),
    ),
    _id(
        "codice fiscale of Italy",
        6,
        "[A-Z]",
        r"[A-Z]{5}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]",
        checksums.codice_fiscale,
        ("RSSMRA85T10A562S",),
        ("RSSMRA85T10A562T",),
    ),
    _id(
        "Aadhaar of India",
        12,
        "[2-9]",
        rf"\d{{3}}[{SPACE}{HYPHEN}]\d{{4}}[{SPACE}{HYPHEN}]\d{{4}}(?![{SPACE}{HYPHEN}]\d)",
        checksums.aadhaar,
        ("2341 2341 2346",),
        ("2341 2341 2347", "2341 2341 2346 5678"),
    ),
)
