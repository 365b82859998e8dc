"""The Collector's masks, applied by Python to what they must and must not find. RE2 reads these patterns alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from e2e.test_cleaning import SECRETS

CONFIGURATION = Path(__file__).resolve().parents[1] / "collector" / "otelcol" / "ingest.yaml"
PATTERNS = [
    re.compile(pattern, re.ASCII)
    for pattern in yaml.safe_load(CONFIGURATION.read_text())["processors"]["redaction"]["blocked_values"]
]


def masked(text: str) -> str:
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
    ],
)
def test_left_alone(text: str) -> None:
    assert masked(text) == text
