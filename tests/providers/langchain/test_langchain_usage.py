"""Token counts that integrations keep under names of their own."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm import semconv as s
from otel_llm.providers.langchain.answers import usage

_TOTALS = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}


@pytest.mark.parametrize("tier", ["", "flex_", "priority_"])
def test_langchain_openai_names_details_by_the_tier(tier: str) -> None:
    told: dict[str, Any] = {
        **_TOTALS,
        "input_token_details": {f"{tier}cache_read": 40, tier.removesuffix("_") or "audio": 0},
        "output_token_details": {f"{tier}reasoning": 30},
    }

    found = usage(told)

    assert found[s.USAGE_CACHE_READ_INPUT_TOKENS] == 40
    assert found[s.USAGE_REASONING_OUTPUT_TOKENS] == 30


def test_langchain_anthropic_names_what_is_written_to_a_cache_by_how_long_it_is_held() -> None:
    details = {"cache_read": 5, "cache_creation": 0, "ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 11}

    found = usage({**_TOTALS, "input_token_details": details})

    assert found[s.USAGE_CACHE_WRITE_INPUT_TOKENS] == 18
    assert found[s.USAGE_CACHE_READ_INPUT_TOKENS] == 5
