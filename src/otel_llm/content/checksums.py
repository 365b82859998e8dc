"""Checksums by which numbers that people have are told from other numbers.

Each function gets a match of its pattern, and returns how many of its characters are such a number: 0 if none are.
"""

from __future__ import annotations

import ipaddress
from datetime import date

#: The length of an IBAN by its country.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL OM SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG DJ", 25: "PT ST LY", 26: "IS TR", 27: "FR GR IT MC MR SM BI",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_CODICE_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
#: The tables of Verhoeff's checksum: multiplication in the dihedral group, and the permutation of each position.
_DIHEDRAL = tuple(
    tuple((a + b) % 5 + 5 * (b > 4) if a < 5 else (a - b) % 5 + 5 * (b < 5) for b in range(10)) for a in range(10)
)
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def digits_of(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def card(text: str) -> int:
    """A card of a known network, by its first digits, with Luhn's checksum."""
    digits = digits_of(text)
    is_network = digits[0] in "3456" or "2221" <= digits[:4] <= "2720"
    return len(text) if is_network and _luhn(digits) else 0


def phone(text: str) -> int:
    """An international number has 8 to 15 digits."""
    return len(text) if 8 <= len(digits_of(text)) <= 15 else 0


def iban(text: str) -> int:
    """The part of ``text`` that is as long as the country's IBANs, if its checksum is right."""
    wanted = _IBAN_LENGTHS.get(text[:2].upper(), 0)
    compact, length = "", 0
    for character in text:
        length += 1
        if character.isalnum():
            compact += character
            if len(compact) == wanted:
                break
    else:
        return 0
    if length < len(text) and text[length].isalnum():
        return 0
    moved = (compact[4:] + compact[:4]).upper()
    return length if int("".join(str(int(one, 36)) for one in moved)) % 97 == 1 else 0


def ip(text: str) -> int:
    """An address that may be someone's: not one of this machine, of none and of all."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return 0
    return 0 if address.is_loopback or address.is_unspecified or text == "255.255.255.255" else len(text)


def ipv6(text: str) -> int:
    """Like :func:`ip`, with a digit: names in programs have two colons too. A colon may follow it in a text."""
    if text.endswith(":") and not text.endswith("::"):
        text = text[:-1]
    return ip(text) if any(map(str.isdigit, text)) else 0


def sin(text: str) -> int:
    """Canada: Luhn's checksum."""
    return len(text) if _luhn(digits_of(text)) else 0


def dni(text: str) -> int:
    """Spain: the last letter is the number's remainder. A foreigner's number begins with a letter for a digit."""
    number = "".join(filter(str.isalnum, text)).upper()
    return len(text) if _DNI_LETTERS[int(number[:-1].translate({88: "0", 89: "1", 90: "2"})) % 23] == number[-1] else 0


def nir(text: str) -> int:
    """France: 97 less the remainder of the number. Corsica's departments have a letter."""
    number = "".join(filter(str.isalnum, text)).upper().replace("2A", "19", 1).replace("2B", "18", 1)
    return len(text) if number.isdigit() and 97 - int(number[:13]) % 97 == int(number[13:]) else 0


def pesel(text: str) -> int:
    """Poland: a date of birth, whose month tells the century, and a weighted sum."""
    month = int(text[2:4])
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20]
    total = sum(int(digit) * weight for digit, weight in zip(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True))
    return len(text) if total % 10 == 0 and _is_date(century + int(text[:2]), month % 20, int(text[4:6])) else 0


def cpf(text: str) -> int:
    """Brazil: two check digits."""
    digits = [int(digit) for digit in digits_of(text)]
    if len(set(digits)) == 1:
        return 0
    for length in (9, 10):
        total = sum(digit * (length + 1 - index) for index, digit in enumerate(digits[:length]))
        if total * 10 % 11 % 10 != digits[length]:
            return 0
    return len(text)


def ahv(text: str) -> int:
    """Switzerland: the checksum of an EAN."""
    digits = [int(digit) for digit in digits_of(text)]
    return len(text) if (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0 else 0


def codice_fiscale(text: str) -> int:
    """Italy: a check letter of the fifteen characters before it."""
    code = text.upper()
    total = sum(_CODICE_ODD[one] for one in code[:15:2]) + sum(
        int(one, 36) - 10 * one.isalpha() for one in code[1:15:2]
    )
    return len(text) if total % 26 == ord(code[15]) - 65 else 0


def aadhaar(text: str) -> int:
    """India: Verhoeff's checksum."""
    check = 0
    for position, digit in enumerate(reversed(digits_of(text))):
        turned = int(digit)
        for _ in range(position % 8):
            turned = _TURN[turned]
        check = _DIHEDRAL[check][turned]
    return len(text) if check == 0 else 0


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
