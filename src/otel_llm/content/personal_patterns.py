"""The forms of personal data. To add one, add a :class:`.Pattern` with examples and counterexamples.

They are looked for in plain texts, never in numbers. Most are numbers in writing: the pattern has the form, and a
checksum or a rule of the issuer decides.
"""

from __future__ import annotations

from . import checksums, national_patterns
from .patterns import END, GROUPS_END, GROUPS_START, HYPHEN, NUMBER_STARTS, SPACE, STARTS, Pattern, Sign, behind_escape

_GAP = rf"[{SPACE}{HYPHEN}.]"
#: Letters of scripts that put spaces between words, and of those that don't.
_SPACED, _UNSPACED = r"\u00c0-\u1fff\u2c00-\u2fff", r"\u3040-\ud7ff\uf900-\ufaff"
#: What the part of an address before the @ consists of. Where words have no spaces between them, Latin letters end one.
_LOCAL = rf"A-Za-z0-9_.!#$%&*+=?^`{{|}}~{_SPACED}\-"
_LETTERS = _SPACED + _UNSPACED
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "e-mail address",
        "email",
        rf"[{_LOCAL}{_UNSPACED}](?<![{_LOCAL}].)(?:(?<=[{_LOCAL}])(?:(?<!g)|(?!it@))[{_LOCAL}]{{0,127}}"
        rf"|(?<=[{_UNSPACED}])(?<![{_UNSPACED}].)[{_UNSPACED}]{{0,62}})"
        rf"@(?:[A-Za-z0-9{_LETTERS}](?:[A-Za-z0-9{_LETTERS}-]{{0,62}}\.)){{1,8}}(?:[A-Za-z]{{2,24}}|[{_LETTERS}]{{2,24}}|xn--[A-Za-z0-9-]{{2,59}})"
        r"(?![A-Za-z0-9]|-\d)",
        (
            "jane.doe+news@mail.example.co.uk",
            "jörg@müller.de",
            "O_o@example.museum",
            "a@xn--bcher-kva.example",
        ),
        ("me@localhost", "npm i react@18.2.0", "@decorator", "a @ b.com", "x@y@"),
        ("@",),
        Sign.TEXT,
    ),
    Pattern(
        "international telephone number",
        "phone",
        rf"\+(?:(?<![A-Za-z0-9+].)|{behind_escape('.')})[1-9](?:[{SPACE}{HYPHEN}./()]{{0,3}}\d){{6,14}}(?!\d)",
        ("+49 30 901820", "+1 (555) 123-4567", "+442079460958", "+33 (0)1 23 45 67 89", "+41/44/668\u201118\u201100"),
        ("+1 + 2", "1+4930901820", "+0123456789", "C++11 and +12345"),
        gates=("+",),
        sign=Sign.DIGITS,
        digits=8,
        accepts=checksums.phone,
    ),
    Pattern(
        "international telephone number with 00",
        "phone",
        rf"0{NUMBER_STARTS}(?<!\d[{SPACE}{HYPHEN}].)0[1-9]\d{{0,2}}[{SPACE}{HYPHEN}/](?:[{SPACE}{HYPHEN}./()]{{0,3}}\d){{6,12}}(?!\d)",
        ("0049 30 901820", "001-555-123-4567"),
        ("0049309018", "0000 1234567", "id 5001 234567"),
        gates=("00",),
        sign=Sign.DIGITS,
        digits=9,
    ),
    Pattern(
        "telephone number of North America",
        "phone",
        rf"[(1-9]{GROUPS_START}(?:(?<=\()[2-9]\d\d\)|(?<=1)(?:[{SPACE}{HYPHEN}.]\(?|\()[2-9]\d\d\)?|(?<=[2-9])\d\d)"
        rf"(?:[{HYPHEN}]\d{{3}}[{HYPHEN}]|\.\d{{3}}\.|(?<=\))[{SPACE}]?\d{{3}}[{HYPHEN}.{SPACE}]"
        rf"|[{SPACE}][2-9]\d\d[{SPACE}{HYPHEN}])\d{{4}}" + GROUPS_END,
        (
            "555-123-4567",
            "(555) 123-4567",
            "(555)123-4567",
            "555.123.4567",
            "1-555-123-4567",
            "1(555) 123-4567",
            "212 555 0123",
        ),
        (
            "555-1234",
            "0.5551234567",
            "555-123-45678",
            "12345-123-4567",
            "2026-11-28T14:03:07.2500001234",
            "192.168.100.200",
            "gpt-4o-2024-08-06",
            "id_555-123-4567_v2",
            "12345(555) 123-4567",
            "200 100 4000",
            "(555) apples",
        ),
        sign=Sign.DIGITS,
        digits=10,
    ),
    Pattern(
        "payment card",
        "card",
        rf"[2-6]{NUMBER_STARTS}(?:\d{{12,18}}|\d{{3}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}(?:{_GAP}\d{{3}})?|\d{{3}}{_GAP}\d{{6}}{_GAP}\d{{5}})"
        + END,
        ("4111111111111111", "5500 0055 5555 5559", "3782-822463-10005", "6011000990139424", "2223003122003222"),
        ("4111111111111112", "0.4111111111111111", "1111111111111117", "20261128140307000", "41111111111111111111"),
        sign=Sign.DIGITS,
        digits=13,
        accepts=checksums.card,
    ),
    Pattern(
        "IBAN",
        "iban",
        rf"[A-Za-z]{STARTS}(?:(?<=[A-Z])[A-Z]|(?<=[a-z])[a-z])\d{{2}}(?:[{SPACE}{HYPHEN}]?[A-Za-z0-9]){{11,36}}",
        ("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "de89370400440532013000", "NO93 8601 1117 947"),
        ("DE89 3704 0044 0532 0130 01", "XY12345678901234567", "AB12 cd34 ef56 gh78"),
        sign=Sign.DIGITS,
        digits=6,
        accepts=checksums.iban,
    ),
    Pattern(
        "social security number of the USA",
        "ssn",
        rf"[0-8]{GROUPS_START}(?<!\d[{HYPHEN}].)(?:(?<!0)|(?!00))(?:(?<!6)|(?!66))\d\d(?:[{HYPHEN}](?!00)\d\d[{HYPHEN}]|[{SPACE}](?!00)\d\d[{SPACE}])(?!0000)\d{{4}}"
        + GROUPS_END,
        ("219-09-9999", "078 05 1120"),
        ("000-12-3456", "666-12-3456", "219-00-9999", "219-09-0000", "987-65-4321", "2024-11-2899", "1-219-09-9999"),
        sign=Sign.DIGITS,
        digits=9,
    ),
    *national_patterns.PATTERNS,
    Pattern(
        "IPv4 address",
        "ip",
        rf"\d(?:(?<![A-Za-z0-9.-].)(?<![A-Za-z0-9]_.)|(?<=\d-.)|{behind_escape('.')})(?:\d?\d?\.)(?:{_OCTET}\.){{2}}{_OCTET}(?!-[A-Za-z])"
        + END,
        ("203.0.113.7", "10.1.2.3"),
        ("127.0.0.1", "0.0.0.0", "1.2.3", "1.2.3.4.5", "999.1.1.1", "v1.2.3.4", "127.000.0.1"),
        gates=(".",),
        sign=Sign.DIGITS,
        digits=4,
        accepts=checksums.ip,
    ),
    Pattern(
        "IPv6 address",
        "ip",
        rf"[0-9A-Fa-f:](?:(?<![A-Za-z0-9:.].)(?<![A-Za-z0-9]_.)|(?<=[^0-9A-Fa-f:]:.)|{behind_escape('.')})(?:(?<=:):|[0-9A-Fa-f]{{0,3}}:)"
        r"(?:[0-9A-Fa-f]{0,4}:){1,6}(?:[0-9A-Fa-f]{1,4}|(?<=:):)?(?![A-Za-z0-9]|_[A-Za-z0-9]|:[0-9A-Fa-f:])",
        ("2001:db8::8a2e:370:7334", "fe80::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
        ("::1", "std::vector", "12:34:56", "00:1a:2b:3c:4d:5e", "face::bad"),
        sign=Sign.COLONS,
        accepts=checksums.ipv6,
    ),
)
