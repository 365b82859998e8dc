"""What is redacted is found whatever stands directly before or behind it, by both engines alike."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from otel_llm.content.patterns import Pattern
from otel_llm.content.re2_gate import Re2Gate
from otel_llm.content.scrubbing import PERSONAL, SECRETS, LiteralGate, Scrubber

#: Escapes of JSON, programs, URLs and terminals, whose last character could be one of a word.
_ESCAPES = [
    *(r"\n", r"\t", r"\r", r"\b", r"\f", r"\/", r"\"", r"\u94a5", r"\u00e9", r"\u0022", r"\u003d", r"\\n", r"\\u00e9"),
    *(r"\ud83d\udd11", r"\xe9", r"\x27", r"\U0001f511", "%20", "%2F", "%3D"),
    *(r"\x1b[0m", r"\033[31m", "\x1b[1;31m", r"\u001b[1m", "&quot;", "&#39;", "&nbsp;"),
]
_MARKS = [
    *("\"'`()[]{}<>|*~&$;,!?\x00\ufeff\u200b\u00a0\uff1a「」»"),
    *("**", "__", "_", "钥", "é", "ключ", "🔑"),
]
_BEFORE = ["", *_ESCAPES, *_MARKS, "=", ":", "#", "@", "/", "\\"]
_BEHIND = ["", *_ESCAPES, *_MARKS, "\\", "。", "."]


def _engines(patterns: tuple[Pattern, ...]) -> list[Scrubber]:
    pytest.importorskip("re2")
    made = Re2Gate(patterns)
    made.made.wait()
    return [Scrubber(patterns, gate=gate) for gate in (LiteralGate, lambda patterns: made)]


_ENGINES: dict[str, list[Scrubber]] = {}


def _replaced(text: str, secret: bool) -> str:
    key = "secret" if secret else "personal"
    if key not in _ENGINES:
        _ENGINES[key] = _engines(SECRETS if secret else PERSONAL)
    first, second = (scrub(text) for scrub in _ENGINES[key])
    assert first == second, text
    return first


def _surrounded(example: str) -> Iterable[str]:
    # RE2 is asked about longer texts only.
    filler = " and so on" * 30
    for before in _BEFORE:
        yield f"x {before}{example} y{filler}"
    for behind in _BEHIND:
        yield f"x {example}{behind} y{filler}"
    for around in ("_", '"', r"\n", r"\"", "**", "钥"):
        yield f"x {around}{example}{around} y{filler}"


@pytest.mark.parametrize("pattern", [*SECRETS, *PERSONAL], ids=lambda pattern: str(pattern.name))
def test_found_whatever_stands_beside_it(pattern: Pattern) -> None:
    example = pattern.examples[0]
    left = [text[:60] for text in _surrounded(example) if example in _replaced(text, pattern.kind == "secret")]
    assert left == []


@pytest.mark.parametrize("start", ["sk-proj-", "eyJhbGciOi", "ghp_"])
@pytest.mark.parametrize("before", ["_", "key_", "id_token_", "-", ".", "a-b."])
def test_tokens_behind_marks_that_are_a_part_of_names(start: str, before: str) -> None:
    token = f"{start}A1b2C3d4E5f6G7h8I9j0A1b2C3d4.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    assert _replaced(f"{before}{token} ", True).startswith(f"{before}[SECRET]")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("card_4111111111111111", "card_4111111111111111"),  # a name, as those of variables and files
        ("4111111111111111_2", "4111111111111111_2"),
        ("第4111111111111111号", "第[CARD]号"),
        ("44051401359,12,x", "[NATIONAL_ID],12,x"),  # in CSV
        ("tel_+49 30 901820", "tel_[PHONE]"),
        ("用户@例子.广告", "[EMAIL]"),
        ("我的邮箱是jane@example.com请联系", "我的邮箱是[EMAIL]请联系"),
        ("写" * 200 + "jane@example.com", "写" * 200 + "[EMAIL]"),
        ("_jane@example.com_", "[EMAIL]_"),
        ("jane@example.com-", "[EMAIL]-"),
        ("10.1.2.3-10.1.2.9", "[IP]-[IP]"),
        ("1.2.3.4-beta", "1.2.3.4-beta"),
        ("client:2001:db8::1 left", "client:[IP] left"),
        ("from fe80::1: denied", "from [IP]: denied"),
    ],
)
def test_personal_data_beside_marks_and_letters(text: str, kept: str) -> None:
    assert _replaced(text, False) == kept


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (r'{"u":"https:\/\/user:passw0rd@example.com\/x"}', "passw0rd"),
        (r'"{\"u\":\"https:\\\/\\\/user:passw0rd@example.com\"}"', "passw0rd"),
        (r'{"u":"https:\/\/b.example.com\/k?X-Amz-Credential=AKIA1\/2026\/us&sig=ab\/cd\/ef\/gh12"}', "gh12"),
        (r'{"u":"https://example.com/k?a=1\u0026sig\u003dabcdefgh12"}', "abcdefgh12"),
        ("to=https%3A%2F%2Fexample.com%2Fk%3Fa%3D1%26token%3Dabcdefgh12", "abcdefgh12"),
        ("postgres://app:1234#five@db/x", "five"),
        ("https://app:12#five@db/x", "five"),
        ("https://example.com/login?password=12#five-six", "five"),
        ('{"password": "12#five-six"}', "five"),
        ("PGPASSWORD=pw12#x", "pw12#x"),
        (r'{"secret":"wJalrXUtnFEMI\/K7MDENG\/bPxRfiCYEXAMPLEKEY"}', "wJalr"),
        (r"-----BEGIN PRIVATE KEY-----\nMIIE\/pAIBAAKCAQEA7\/abc=\n-----END PRIVATE KEY-----", "AAKCAQ"),
        (r"Cookie: sid=abc\/def0123456789", "def012"),
        (r'{"h":"Cookie: sid\u003dabcdef0123456789"}', "def012"),
        (r'{"h":"(b\u0027cookie\u0027, b\u0027sid\u003dabcdef0123456789\u0027)"}', "def012"),
        (r'{"h":"(b\u0027x-api-key\u0027, b\u0027A1b2C3d4E5f6G7h8I9j0\u0027)"}', "A1b2C3"),
        (r'{"h":"bearer\u003dabcdef0123456789"}', "def012"),
        (r'{"h":"{\\\u0022password\\\u0022: \\\u002212#hunter\\\u0022}"}', "hunter"),
        (r'{"h":"{\"u\":\"https:\\\/\\\/tok123456@example.com\"}"}', "tok123456"),
    ],
)
def test_credentials_as_other_programs_write_them(text: str, gone: str) -> None:
    replaced = _replaced(text + " and so on" * 30, True)
    assert gone not in replaced
    if text.startswith("{"):
        json.loads(_replaced(text, True))


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:3000#a@b",
        "https://example.com:8080#a@b",
        r"Basic skills\nOfJavaScript",
        r"access_token: configuration_service\n1. next",
        "password: required, passwords: 12 characters, password=get_password(1), pwd: /home/user1/project",
        "an apk-installation-file, disk_test_results",
    ],
)
def test_what_looks_like_one_stays(text: str) -> None:
    assert _replaced(text + " and so on" * 30, True).startswith(text)


def test_a_key_of_aws_is_one_near_a_word_that_says_so() -> None:
    key, filler = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", " and so on" * 30
    assert _replaced(f"{key} {filler}", True) == f"{key} {filler}"
    assert _replaced(f"{key} {filler} secret", True) == f"[SECRET] {filler} secret"
