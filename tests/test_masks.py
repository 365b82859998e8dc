"""The Collector's masks, applied by Python to what they must and must not find. RE2 reads these patterns alike."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from content import made_people
from e2e.test_cleaning import SECRETS
from otel_llm.content.scrubbing import PERSONAL, Scrubber

CONFIGURATION = Path(__file__).resolve().parents[1] / "collector" / "otelcol" / "ingest.yaml"
PROCESSORS = yaml.safe_load(CONFIGURATION.read_text())["processors"]
PATTERNS = [re.compile(pattern, re.ASCII) for pattern in PROCESSORS["redaction"]["blocked_values"]]
#: What is done before: replace_all_patterns(attributes, "value", pattern, replacement), in the Collector's language.
_CARD = PROCESSORS["transform/mask"]["trace_statements"][1]["statements"][0]
CARD, OF_CARD = (json.loads(text) for text in re.findall(r'"(?:[^"\\]|\\.)*"', _CARD)[1:])


def masked(text: str) -> str:
    text = re.sub(CARD, OF_CARD, text)
    for pattern in PATTERNS:
        text = pattern.sub("****", text)
    return text


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "I say {} to you", "({})", "{},", '"{}"', "a\n{}\n"])
def test_masked(secret: str, around: str) -> None:
    assert secret not in masked(around.format(secret))


@pytest.mark.parametrize("number", ["555-123-4567", "(555) 123-4567", "(555)123-4567", "555.123.4567"])
def test_a_telephone_number_of_north_america_is_masked_in_json_too(number: str) -> None:
    text = json.dumps([{"content": f"call\n{number}"}, {"content": number}])
    assert masked(text).count("****") == 2
    assert "4567" not in masked(text)
    json.loads(masked(text))
    assert masked(f"1-{number}, please") == "1-****, please"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28",
        "2026-11-28T14:03:07.2500001234",
        "127.000.0.1",
        "192.168.100.200",
        "0.5551234567",
        "6f1c0d52-9d3a-4b6e-8f12-1234567890ab",
        "12345-123-4567",
        "555-123-45678",
        "555-1234",
        "gpt-4o-2024-08-06",
        "(555) apples",
        "river@19.16.19",
        "000-12-3456",
    ],
)
def test_left_alone(text: str) -> None:
    assert masked(text) == text


_MORE = [
    "219 09 9999",
    "jörg@müller.example",
    "+33 1 23 45 67 89",
    "2223003122003222",
    "3782 822463 10005",
    "0049 30 901820",
]
_PEM = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("secret", [*SECRETS, *_MORE, _PEM, "postgres://app:pa55word@db/x"])
@pytest.mark.parametrize("around", ["{}", "call\n{}", "\x01{}", "é{}é\n", '"{}"', "\\{}", "1,{},2", "_{}_", "“{}”"])
def test_json_stays_json_and_what_is_inside_of_it_too(secret: str, around: str) -> None:
    text = around.format(secret)
    for content in (text, json.dumps([text]), json.dumps([text], ensure_ascii=False)):
        encoded = masked(json.dumps([{"content": content}, {"after": "it - it"}], ensure_ascii=False))
        first, after = json.loads(encoded)
        assert secret not in first["content"]
        assert after == {"after": "it - it"}
        if content is not text:
            assert secret not in json.loads(first["content"])[0]


@pytest.mark.parametrize("text", ["-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY----- and so on"])
def test_the_words_around_a_key_end_with_their_text(text: str) -> None:
    masked_text = masked(json.dumps([{"content": f"it says {text}"}, {"content": "after"}]))
    assert json.loads(masked_text)[1] == {"content": "after"}


_AROUND = [
    "{}",
    "x,{},y",
    "1,{},2",
    "a\t{}\tb",
    "({})",
    "[{}];",
    "tel={}",
    "<{}>",
    "_{}_",
    "**{}**",
    "号{}号",
    "Tel.: {}.",
]


@pytest.mark.parametrize("kind", ["phone", "card", "ssn", "email"])
def test_what_the_library_finds_is_masked(kind: str) -> None:
    """Beside commas, marks and letters of other scripts, too."""
    make, random, found = getattr(made_people, kind), Random(kind), Scrubber(PERSONAL)
    left: list[Any] = []
    for _ in range(100):
        one = make(random)
        texts = [around.format(one) for around in _AROUND]
        left += [text for text in texts if one not in found(text) and one in masked(text)]
    assert left == []
