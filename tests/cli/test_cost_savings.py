"""What caching saved, and why calls are unpriced, as `otel-llm cost` tells them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from otlp_json import View, line, paid, span, text

from otel_llm.cost import sheet
from otel_llm.traces.unpriced import EXPLAINED

TABLE = """\
models:
  - {model: m, host: 127.0.0.1, input: 2, cached_input: 0.5, cache_write: 2.5, output: 8, until: 2023-12-01}
  - {model: m, host: 127.0.0.1, input: 4, cached_input: 1, output: 8, from: 2023-12-01}
"""
DECEMBER = "1701400000000000000"


def cached_call(amount: float, read: int = 0, written: int = 0, host: str = "127.0.0.1") -> dict[str, Any]:
    """1,000 tokens of input, of which some were read from or written to a cache, and 100 of output."""
    return {
        **paid(amount, gen_ai__request__model="m", gen_ai__provider__name="acme", server__address=host),
        "gen_ai.usage.input_tokens": {"intValue": 1000},
        "gen_ai.usage.output_tokens": {"intValue": 100},
        **({"gen_ai.usage.cache_read.input_tokens": {"intValue": read}} if read else {}),
        **({"gen_ai.usage.cache_write.input_tokens": {"intValue": written}} if written else {}),
    }


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("OTEL_LLM_PRICES", raising=False)
    path = tmp_path / "prices.yaml"
    path.write_text(TABLE)
    return path


def test_what_caching_saved(cost: View, tmp_path: Path, prices: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(
            # 200 at 2, 800 at 0.5, 100 at 8, by the million: 0.0016; without a cache 0.0028
            span("c", 1, attributes=cached_call(0.0016, read=800)),
            # 200 at 4, 800 at 1, 100 at 8: 0.0024; without a cache 0.0048
            span("c", 2, attributes=cached_call(0.0024, read=800), startTimeUnixNano=DECEMBER),
            # 900 at 2, 100 at 2.5, 100 at 8: writing costs 0.00005 more than it saves
            span("c", 3, attributes=cached_call(0.00285, written=100)),
            span("c", 4, attributes=cached_call(0.0028)),
        )
    )
    code, out, err = cost(path, "--prices", prices, "--json")
    assert (code, err) == (0, "")
    total = json.loads(out)["total"]
    assert {currency: round(float(amount), 9) for currency, amount in total["caching_saved"].items()} == {
        "USD": round(0.0012 + 0.0024 - 0.00005, 9)
    }
    assert total["caching_saved_unknown"] == 0
    assert "caching saved 0.00355 USD (27%)" in cost(path, "--prices", prices)[1]


def test_a_saving_is_told_only_if_the_prices_are_those_of_the_span(cost: View, tmp_path: Path, prices: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(
            span("c", 1, attributes=cached_call(0.0017, read=800)),
            span("c", 2, attributes=cached_call(0.0016, read=800, host="other.example.com")),
            span("c", 3, attributes=cached_call(0.0016, read=2000)),
        )
    )
    code, out, err = cost(path, "--prices", prices, "--json")
    assert code == 0
    total = json.loads(out)["total"]
    assert (total["caching_saved"], total["caching_saved_unknown"]) == ({}, 3)
    assert "what caching saved is not known for 3 call(s)" in err


def test_list_prices_are_known(cost: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("genai_prices")
    monkeypatch.delenv("OTEL_LLM_PRICES", raising=False)
    path = tmp_path / "t.jsonl"
    about = {
        "gen_ai.provider.name": text("openai"),
        "server.address": text("api.openai.com"),
        "gen_ai.request.model": text("gpt-4o"),
    }
    # 500 at 2.5, 500 at 1.25, 100 at 10
    path.write_text(line(span("c", 1, attributes={**cached_call(0.002875, read=500), **about})))
    total = json.loads(cost(path, "--json")[1])["total"]
    assert {currency: round(float(amount), 9) for currency, amount in total["caching_saved"].items()} == {
        "USD": 0.000625
    }


@pytest.mark.parametrize("content", ["models: 7", "models: [{model: m, inputs: 2}]", "{", None])
def test_a_table_that_cannot_be_used_is_named(cost: View, tmp_path: Path, content: str | None) -> None:
    table = tmp_path / "broken.yaml"
    if content is not None:
        table.write_text(content)
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("c", 1, attributes=paid(1.0))))
    code, out, err = cost(path, "--prices", table)
    assert (code, out) == (2, "")
    assert "broken.yaml" in err


def test_the_reason_that_the_application_told(cost: View, view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    chat = {"gen_ai.operation.name": text("chat")}
    path.write_text(
        line(
            span("c", 1, attributes={**chat, "otel_llm.unpriced.reason": text("unknown_host")}),
            span("c", 2, attributes={**chat, "otel_llm.stream.outcome": text("closed")}),
        )
    )
    assert "c  unpriced: unknown_host" in view(path)[1]
    code, out, _ = cost(path)
    assert code == 0
    assert "unknown_host      1  the host is not the vendor's own" in out
    assert "cut_off           1  the stream ended before all of its usage came" in out


def test_every_reason_is_explained() -> None:
    reasons = {value for name, value in vars(sheet).items() if name.isupper() and isinstance(value, str)}
    assert reasons <= set(EXPLAINED)
