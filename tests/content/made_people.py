"""Makes personal data of every kind by chance, and texts that look like it but are none."""

# ruff: noqa: E501

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

Make = Callable[[Random], str]

ALNUM = string.ascii_letters + string.digits
WORDS = ["river", "mountain", "ledger", "invoice", "pepper", "window", "garden", "winter", "signal", "copper", "velvet"]
_COUNTRIES = {"DE": "18n", "GB": "4a14n", "NL": "4a10n", "NO": "11n", "FR": "10n11c2n", "CH": "5n12c", "ES": "20n"}


def of(random: Random, characters: str, least: int, most: int | None = None) -> str:
    return "".join(random.choices(characters, k=random.randint(least, most or least)))


def digits(random: Random, count: int) -> str:
    return of(random, string.digits, count)


def luhn(number: str) -> str:
    """`number` with its check digit."""
    total = sum(sum(divmod(2 * int(one), 10)) if place % 2 == 0 else int(one) for place, one in enumerate(number[::-1]))
    return number + str(-total % 10)


def other_last(number: str) -> str:
    """`number` with another last digit: the checksum is wrong."""
    return number[:-1] + str((int(number[-1]) + 3) % 10)


def grouped(number: str, size: int, by: str) -> str:
    return by.join(number[at : at + size] for at in range(0, len(number), size))


def email(random: Random) -> str:
    local = random.choice(WORDS) + random.choice(("", ".", "_", "+", "-")) + of(random, ALNUM, 1, 8)
    return f"{local}@{random.choice(WORDS)}{of(random, string.digits, 0, 2)}.{random.choice(('com', 'co.uk', 'example.org', 'io'))}"


def no_email(random: Random) -> str:
    word, other = random.choice(WORDS), random.choice(WORDS)
    version = f"{word}@{random.randint(0, 20)}.{random.randint(0, 20)}.{random.randint(0, 20)}"
    return random.choice(
        (version, f"@{word}.{other}", f"{word}@{other}", f"{word} @ {other}.com", f"a@{word}/b.{other}")
    )


def phone(random: Random) -> str:
    area, exchange, line = f"{random.randint(2, 9)}{digits(random, 2)}", digits(random, 3), digits(random, 4)
    american = random.choice(
        (
            f"{area}-{exchange}-{line}",
            f"({area}) {exchange}-{line}",
            f"{area}.{exchange}.{line}",
            f"1-{area}-{exchange}-{line}",
        )
    )
    country, rest = random.choice(("49", "44", "33", "1", "353", "91")), digits(random, random.randint(8, 10))
    return random.choice(
        (
            american,
            f"+{country}{rest}",
            f"+{country} {grouped(rest, 3, ' ')}",
            f"+{country} ({rest[:2]}) {rest[2:5]}-{rest[5:]}",
        )
    )


def no_phone(random: Random) -> str:
    date = f"20{digits(random, 2)}-{random.randint(10, 12)}-{random.randint(10, 28)}"
    order = f"{digits(random, 5)}-{digits(random, 3)}-{digits(random, 4)}"
    return random.choice(
        (
            date,
            order,
            f"0.{digits(random, 10)}",
            f"{digits(random, 3)}-{digits(random, 4)}",
            f"v{digits(random, 3)}.{digits(random, 3)}.{digits(random, 4)}",
        )
    )


def _network(random: Random) -> str:
    return random.choice(("4", "51", "55", "6011", "34", "37", "2221"))


def card(random: Random) -> str:
    start = _network(random)
    amex = start in ("34", "37")
    number = luhn(start + digits(random, (14 if amex else 15) - len(start)))
    if amex:
        return random.choice((number, f"{number[:4]} {number[4:10]} {number[10:]}"))
    return random.choice((number, grouped(number, 4, " "), grouped(number, 4, "-")))


def no_card(random: Random) -> str:
    start = random.choice((_network(random), "9", "7"))
    number = other_last(luhn(start + digits(random, 15 - len(start))))
    return random.choice((number, grouped(number, 4, " "), f"{number}{digits(random, 8)}"))


def iban(random: Random) -> str:
    country, form = random.choice([*_COUNTRIES.items()])
    account, count = "", ""
    for one in form:
        if one.isdigit():
            count += one
            continue
        kinds = {"n": string.digits, "a": string.ascii_uppercase, "c": string.ascii_uppercase + string.digits}
        account, count = account + of(random, kinds[one], int(count)), ""
    moved = "".join(str(int(one, 36)) for one in f"{account}{country}00")
    number = f"{country}{98 - int(moved) % 97:02d}{account}"
    return random.choice((number, grouped(number, 4, " "), number.lower()))


def no_iban(random: Random) -> str:
    number = iban(random)
    check = int(number[2:4])
    return f"{number[:2]}{(check + 5) % 90 + 10:02d}{number[4:]}"


def ssn(random: Random) -> str:
    area = random.choice((random.randint(1, 665), random.randint(667, 899)))
    return random.choice(("-", " ")).join(
        (f"{area:03d}", f"{random.randint(1, 99):02d}", f"{random.randint(1, 9999):04d}")
    )


def no_ssn(random: Random) -> str:
    area = random.choice(("000", "666", str(random.randint(900, 999))))
    return random.choice(
        (
            f"{area}-{random.randint(1, 48):02d}-{digits(random, 4)}",
            f"{digits(random, 4)}-{digits(random, 2)}-{digits(random, 4)}",
            f"219-00-{digits(random, 4)}",
        )
    )


def national_id(random: Random) -> str:
    nine = luhn(random.choice("1234579") + digits(random, 7))
    eight = digits(random, 8)
    return random.choice(
        (
            grouped(nine, 3, random.choice(" -")),
            eight + "TRWAGMYFPDXBNJZSQVHLCKE"[int(eight) % 23],
            f"AB{digits(random, 6)}{random.choice('ABCD')}",
            _nir(random),
            _cpf(random),
        )
    )


def _nir(random: Random) -> str:
    number = f"{random.choice('12')}{digits(random, 2)}{random.randint(1, 12):02d}{random.randint(10, 95)}{digits(random, 6)}"
    return f"{number}{97 - int(number) % 97:02d}"


def _cpf(random: Random) -> str:
    number = digits(random, 8) + "1"
    for length in (9, 10):
        number += str(sum(int(one) * (length + 1 - at) for at, one in enumerate(number)) * 10 % 11 % 10)
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def no_national_id(random: Random) -> str:
    cpf = _cpf(random)
    nine = other_last(luhn(random.choice("1234579") + digits(random, 7)))
    return random.choice(
        (
            other_last(cpf),
            grouped(nine, 3, " "),
            f"QQ{digits(random, 6)}A",
            f"{digits(random, 8)}U",
            f"{digits(random, 9)}",
        )
    )


def ip(random: Random) -> str:
    four = ".".join(str(random.randint(1, 255)) for _ in range(3)) + f".{random.randint(1, 254)}"
    four = four if not four.startswith("127.") else "10" + four[3:]
    six = ":".join(f"{random.randint(0x1000, 0xFFFF):x}" for _ in range(8))
    return random.choice((four, six, f"2001:db8::{random.randint(1, 0xFFFF):x}:{random.randint(1, 9)}"))


def no_ip(random: Random) -> str:
    numbers = [str(random.randint(0, 99)) for _ in range(5)]
    time = f"{random.randint(10, 23)}:{random.randint(10, 59)}:{random.randint(10, 59)}"
    mac = ":".join(f"{random.randint(16, 255):02x}" for _ in range(6))
    return random.choice(
        (
            ".".join(numbers[:3]),
            ".".join(numbers),
            f"v{'.'.join(numbers[:4])}",
            f"{random.randint(256, 999)}.1.1.1",
            time,
            mac,
            f"std::{random.choice(WORDS)}",
        )
    )
