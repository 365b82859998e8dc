"""`otel-llm prices check`: what models are priced by and why, what is wrong with a table, and the exit codes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from otlp_json import View

from otel_llm.cli import main
from otel_llm.config import PRICES

_PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
_LATE = ("--at", "2026-06-01T00:00+00:00")


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> View:
    """Runs the command where the table of the page on costs is `prices.yaml` and in force."""
    pytest.importorskip("genai_prices")
    pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    (page_table,) = re.findall(r"```yaml\n(currency: .*?)```", _PAGE, re.DOTALL)
    Path("prices.yaml").write_text(page_table, encoding="utf-8")
    monkeypatch.setenv(PRICES, "prices.yaml")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["prices", "check", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def lines(result: tuple[int, str, str], code: int = 0) -> list[str]:
    """What is said of the only model, with single spaces."""
    assert (result[0], result[2]) == (code, "")
    _, about = result[1].split("\n\n")
    return [" ".join(line.split()) for line in about.splitlines()]


def resolved(result: tuple[int, str, str], code: int = 0) -> dict[str, Any]:
    assert (result[0], result[2]) == (code, "")
    (one,) = json.loads(result[1])["resolved"]
    assert isinstance(one, dict)
    return one


# --- what a model is priced by ----------------------------------------------------------------------


def test_the_example_of_the_page(check: View) -> None:
    ((command, shown),) = re.findall(r"```console\n\$ otel-llm prices check (.+?)\n(.*?)```", _PAGE, re.DOTALL)
    assert check(*command.split()) == (0, shown, "")


def test_the_table_alone_is_checked_without_a_model(check: View) -> None:
    summary = "prices.yaml: 4 entries for models, 2 for hosts\nlist prices (genai-prices): installed\n"
    assert check() == (0, summary, "")


def test_a_list_price(check: View) -> None:
    name, why, *prices = lines(check("o3", *_LATE))
    assert (name, why) == ("o3", "genai-prices: o3 of openai")
    assert {"input 2 USD for a million tokens", "output 8 USD for a million tokens"} <= set(prices)
    assert "web_search 10 USD for a thousand web searches" in prices


@pytest.mark.parametrize("tier", ["auto", "default", "standard"])
def test_the_common_tier_has_the_common_price(check: View, tier: str) -> None:
    assert check("gpt-4o", "--tier", tier) == check("gpt-4o")


def test_a_discount_names_both_the_entry_and_the_list_price(check: View) -> None:
    found = resolved(check("claude-sonnet-4-5", "--provider", "anthropic", "--json", *_LATE))
    entry, listed = found["why"]
    assert entry == "table: model: claude-sonnet-* | claude-opus-*, provider: anthropic"
    assert re.fullmatch(r"genai-prices: claude-sonnet-4-5\S* of anthropic, less 15 %", listed)
    assert (found["prices"]["input"], found["prices"]["output"]) == ("2.55", "12.75")


def test_an_entry_holds_in_its_time(check: View) -> None:
    assert lines(check("gemini-3-pro", *_LATE)) == [
        "gemini-3-pro",
        "table: model: gemini-*-pro*, from: 2026-01-01",
        "input 1.25 USD for a million tokens",
        "output 10 USD for a million tokens",
        "above 200,000 input tokens: input 2.5, output 15",
    ]
    before = lines(check("gemini-3-pro", "--at", "2025-12-31T23:59+00:00"), code=1)
    assert before[1] == "table: model: gemini-*-pro*, from: 2026-01-01: not at that time"


def test_prices_at_another_host_have_their_currency(check: View) -> None:
    shown = lines(check("llama-3.3-70b", "--host", "gateway.example.com"))
    assert shown[1] == "table: model: llama-3.3-70b, host: gateway.example.com"
    assert "input 0.6 EUR for a million tokens" in shown


@pytest.mark.parametrize(
    ("call", "why", "per_hour"),
    [
        (("--endpoint", "llama-prod-7"), "table: endpoint: llama-prod-*: 3.03 USD an hour", "3.03"),
        (("m", "--host", "vllm.internal:8000"), "table: host: vllm.internal:8000: 2.1 USD an hour", "2.1"),
    ],
)
def test_a_host_by_the_hour(check: View, call: tuple[str, ...], why: str, per_hour: str) -> None:
    model = call[0] if call[0] == "m" else None
    shown = lines(check(*call))
    assert shown == [model or "any model", why, f"{per_hour} USD an hour, shared by the calls under way"]
    expected = {"model": model, "unpriced": None, "currency": "USD", "why": [why], "per_hour": per_hour}
    assert resolved(check(*call, "--json")) == expected


def test_fees_beside_the_tokens_are_in_their_units(check: View) -> None:
    Path("fees.json").write_text(
        '{"models": [{"model": "m", "image": {"hd 1x1": 0.12}, "minute": 0.006, "characters": 15, "request": 0.01}]}'
    )
    shown = lines(check("m", "--table", "fees.json"))
    assert shown[2:] == [
        "characters 15 USD for a million characters",
        "minute 0.006 USD for a minute of audio",
        "request 0.01 USD for a request",
        "image, hd 1x1 0.12 USD",
    ]


# --- no price ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "reason", "why"),
    [
        (("nonesuch",), "unknown_model", ["genai-prices has no nonesuch of openai"]),
        (("gpt-4o", "--tier", "flex"), "unknown_tier", ["table: model: gpt-4o*", "has no prices for flex"]),
        (("o3", "--tier", "odd"), "unknown_tier", ["genai-prices: o3 of openai has no prices for odd"]),
        *(
            (
                ("gpt-4o", "--host", given),
                "unknown_host",
                [
                    f"table: model: gpt-4o*: names no host, and {host} is no vendor's",
                    f"genai-prices knows no vendor at {host}",
                ],
            )
            for given, host in [
                ("own.example.com", "own.example.com"),
                ("own.example.com:8000", "own.example.com"),
                ("vllm.internal:8001", "vllm.internal"),
                ("8000", "8000"),
                ("::1", "::1"),
                ("[::1]:8000", "::1"),
                ("https://own.example.com", "https://own.example.com"),
            ]
        ),
    ],
)
def test_a_model_without_a_price(check: View, call: tuple[str, ...], reason: str, why: list[str]) -> None:
    assert lines(check(*call), code=1) == [call[0], *why, f"unpriced: {reason}"]
    found = resolved(check(*call, "--json"), code=1)
    assert (found["unpriced"], found["why"], "prices" in found) == (reason, why, False)


def test_one_model_without_a_price_among_others_exits_with_1(check: View) -> None:
    code, out, _ = check("gpt-4o", "nonesuch", "o3", "--json")
    assert code == 1
    reasons = {one["model"]: one["unpriced"] for one in json.loads(out)["resolved"]}
    assert reasons == {"gpt-4o": None, "nonesuch": "unknown_model", "o3": None}


def test_neither_a_table_nor_list_prices(check: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRICES)
    monkeypatch.setitem(sys.modules, "genai_prices", None)  # as if it weren't installed
    code, out, err = check("gpt-4o")
    assert (code, err) == (1, "")
    assert out.startswith(
        'no table of prices\nlist prices (genai-prices): not installed: pip install "otel-llm[cost]"\n'
    )
    assert out.endswith("unpriced: no_prices\n")


# --- the table and the options ----------------------------------------------------------------------


def test_json(check: View) -> None:
    code, out, err = check("gemini-3-pro", "--json", *_LATE)
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "table": "prices.yaml",
        "models": 4,
        "hosts": 2,
        "list_prices": True,
        "resolved": [
            {
                "model": "gemini-3-pro",
                "unpriced": None,
                "currency": "USD",
                "why": ["table: model: gemini-*-pro*, from: 2026-01-01"],
                "prices": {"input": "1.25", "output": "10"},
                "images": {},
                "above": {"200000": {"input": "2.5", "output": "15"}},
            }
        ],
    }


def test_a_table_that_is_named_is_used_instead(check: View) -> None:
    Path("other.json").write_text('{"models": [{"model": "gpt-4o", "input": "0.10", "output": 100}]}')
    found = resolved(check("gpt-4o", "--table", "other.json", "--json"))
    assert found["prices"] == {"input": "0.1", "output": "100"}


_GOOD = "models:\n  - {model: a, input: 1}\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (_GOOD + "  - {model: b, inptu: 1}", "models, entry 2: it has the unknown key inptu; there are above, "),
        (_GOOD + "  - {model: b, input: -1}", "models, entry 2: input must be a price, not -1"),
        (_GOOD + "  - {model: b, input: '1e9999999'}", "models, entry 2: input must be a price, not '1e9999999'"),
        (_GOOD + "  - {model: b, input: 1, from: soon}", "models, entry 2: from must be a date, not 'soon'"),
        (_GOOD + "  - {model: b, input: 1, from: 2026-13-01}", ".*line 3, column 32: month must be in 1..12"),
        (_GOOD + "hosts:\n  - {host: b, instance: big}", "hosts, entry 1: the instance big has no price"),
        (
            _GOOD + "  - {model: b, input: 1, input: 2}",
            "neither JSON nor YAML: line 3, column 5: input is given twice",
        ),
        (_GOOD + "models: []", "neither JSON nor YAML: line 1, column 1: models is given twice"),
        ('{"models": [{"model": "b", "input": 1, "model": "c"}]}', "model is given twice"),
        (_GOOD + "  - {model: [b}", "neither JSON nor YAML: .*line 3, column 15"),
        ("", "a table of prices is a mapping with the keys models and hosts, not None"),
        (None, "can't be read: .*No such file"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("gpt-4o", "--json")])
def test_a_table_that_cant_be_used(check: View, arguments: tuple[str, ...], text: str | None, complaint: str) -> None:
    if text is not None:
        Path("broken.yaml").write_text(text)
    code, out, err = check("--table", "broken.yaml", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.match(f"otel-llm: broken.yaml: {complaint}", err), err


def test_a_time_that_is_none_is_an_error_of_use(check: View, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check("gpt-4o", "--at", "tomorrow")
    assert ended.value.code == 2
    assert "argument --at: 'tomorrow' is neither a time" in capsys.readouterr().err


# --- hostile text -----------------------------------------------------------------------------------

_EVIL = "m\x1b[31m\u202e\x9b"
_SHOWN = r"m\x1b[31m\u202e\x9b"


def test_hostile_names_cant_control_the_terminal(check: View) -> None:
    entry = {"model": "m*", "provider": f"*{_EVIL}*", "image": {_EVIL: 1}}
    Path("evil.json").write_text(json.dumps({"models": [entry]}))
    call = (_EVIL, "--provider", _EVIL, "--table", "evil.json")
    assert lines(check(*call)) == [
        _SHOWN,
        f"table: model: m*, provider: *{_SHOWN}*",
        f"image, {_SHOWN} 1 USD",
    ]
    _, out, _ = check(*call, "--json")
    assert not set(out) & set("\x1b\u202e\x9b")
    assert json.loads(out)["resolved"][0]["images"] == {_EVIL: "1"}


def test_hostile_tables_cant_control_the_terminal(check: View) -> None:
    name = f"{_EVIL}.json"
    Path(name).write_text(json.dumps({"models": [{"model": "m", f"in\nput{_EVIL}": 1}]}))
    code, out, err = check("--table", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"otel-llm: {_SHOWN}.json: models, entry 1: it has the unknown key in\\x0aput{_SHOWN}; ")
    Path(name).write_text("{}")
    assert check("--table", name)[1].startswith(f"{_SHOWN}.json: 0 entries for models, 0 for hosts\n")
