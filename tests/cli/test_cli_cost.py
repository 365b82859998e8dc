"""`otel-llm cost` on OTLP JSON: exact sums, by every dimension; currencies apart; nothing counted twice or lost."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from otlp_json import OTHER_TRACE, View, call, line, paid, span, text

from otel_llm.evaluation import EvaluationSampler

DAY = 86_400_000_000_000
START = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z


def rows(output: str) -> list[list[str]]:
    """The cells of the first table, whose columns are two spaces apart."""
    table = output.split("\n\n")[1]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()]


def as_json(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def spent(tmp_path: Path) -> Path:
    """Two traces: a workflow with three calls, of which one is unpriced, and a single call of another user."""
    path = tmp_path / "traces.jsonl"
    at = {"startTimeUnixNano": str(START + DAY)}
    path.write_text(
        line(
            span("ask", 1, attributes={"user.id": text("ann"), "gen_ai.operation.name": text("invoke_workflow")}),
            span("chat", 2, 1, attributes=paid(0.1, gen_ai__response__model="big", gen_ai__request__model="b")),
            span("chat", 3, 1, attributes=paid(0.2, gen_ai__request__model="small")),
            span("chat", 4, 1, attributes={**call(), "gen_ai.request.model": text("own")}),
        )
        + line(
            span(
                "chat",
                5,
                trace_id=OTHER_TRACE,
                attributes=paid(0.3, user__id="bob", gen_ai__request__model="big"),
                **at,
            ),
            service="shop2",
        )
    )
    return path


def test_a_table_by_model(cost: View, spent: Path) -> None:
    code, out, err = cost(spent)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == (
        "cost 0.600 USD  4 model calls  2 traces  2023-11-14 22:13 to 2023-11-15 22:13 UTC  1 unpriced"
    )
    assert rows(out) == [
        ["model", "calls", "input", "output", "USD", "share", "unpriced"],
        ["big", "2", "20", "10", "0.4000", "66.7%", "━━━━━━━━━━━━━"],
        ["small", "1", "10", "5", "0.2000", "33.3%", "━━━━━━━"],
        ["own", "1", "10", "5", "1"],
        ["total", "4", "40", "20", "0.6000", "100.0%", "1"],
    ]
    assert "no_price" in out


def test_sums_are_exact(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(*(span("chat", number, attributes=paid(0.1)) for number in range(1, 11))))
    assert sum([0.1] * 10) != 1
    assert as_json(cost(path, "--json"))["total"]["cost"] == {"USD": "1.0"}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("model", {"big": "0.4", "small": "0.2", "own": None}),
        ("user", {"bob": "0.3", "ann": "0.3"}),
        ("day", {"2023-11-14": "0.3", "2023-11-15": "0.3"}),
        ("service", {"shop2": "0.3", "shop": "0.3"}),
        ("source", {"local": "0.6", None: None}),
        ("session", {None: "0.6"}),
    ],
)
def test_what_each_costs(cost: View, spent: Path, by: str, expected: dict[str | None, str | None]) -> None:
    groups = as_json(cost(spent, "--json", "--by", by))["groups"]
    assert {group[by]: group["cost"].get("USD") for group in groups} == expected


def test_days_are_in_the_order_of_time(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    days = [(START + DAY * number, 1.0 + number % 3) for number in range(4)]
    path.write_text(
        line(
            *(
                span("c", n, attributes=paid(amount), startTimeUnixNano=str(at))
                for n, (at, amount) in enumerate(days, 1)
            )
        )
    )
    groups = as_json(cost(path, "--json", "--by", "day"))["groups"]
    assert [group["day"] for group in groups] == [f"2023-11-{day}" for day in (14, 15, 16, 17)]


def test_a_trace_starts_with_its_first_call(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    late, early = str(START + DAY), str(START)
    path.write_text(
        line(
            span("first root", 1, startTimeUnixNano="1"),
            span("c", 2, 1, attributes=paid(1.0), startTimeUnixNano=late),
            span("c", 3, attributes=paid(1.0), startTimeUnixNano=early),
        )
    )
    report = as_json(cost(path, "--json"))
    assert (report["first_call"][:10], report["last_call"][:10]) == ("2023-11-14", "2023-11-15")
    (trace,) = report["traces"]["dearest"]
    assert (trace["name"], trace["started"][:10]) == ("first root", "2023-11-14")


def test_prompts_variants_tags_tenants_and_metadata(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    about: dict[str, Any] = {
        "gen_ai.prompt.name": text("ask"),
        "gen_ai.prompt.version": text("3"),
        "otel_llm.experiment.id": text("tone"),
        "otel_llm.experiment.variant": text("kind"),
        "otel_llm.tags": {"arrayValue": {"values": [text("web"), text("beta")]}},
        "otel_llm.tenant.id": text("acme"),
        "otel_llm.metadata.plan": text("free"),
        "session.id": text("s1"),
    }
    path.write_text(line(span("chat", 1, attributes={**paid(0.5), **about}), span("chat", 2, attributes=paid(0.25))))

    def groups(by: str) -> dict[tuple[str | None, ...], str]:
        found = as_json(cost(path, "--json", "--by", by))["groups"]
        return {tuple(group[name] for name in by.split(",")): group["cost"]["USD"] for group in found}

    assert groups("prompt") == {("ask@3",): "0.5", (None,): "0.25"}
    assert groups("variant") == {("tone: kind",): "0.5", (None,): "0.25"}
    assert groups("tenant,metadata.plan") == {("acme", "free"): "0.5", (None, None): "0.25"}
    assert groups("session") == {("s1",): "0.5", (None,): "0.25"}
    assert groups("tag") == {("web",): "0.5", ("beta",): "0.5", (None,): "0.25"}
    code, out, err = cost(path, "--by", "tag")
    assert code == 0
    assert "1 call(s) have several tags" in err
    assert rows(out)[-1][:2] == ["total", "2"]


def test_what_the_spans_above_a_call_say_counts_for_it(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    above = {"session.id": text("s1"), "otel_llm.metadata.tenant": text("acme"), "user.id": text("outer")}
    path.write_text(
        line(
            span("request", 1, attributes=above),
            span("step", 2, 1, attributes={"user.id": text("inner")}),
            span("chat", 3, 2, attributes=paid(1.0)),
        )
    )
    (group,) = as_json(cost(path, "--json", "--by", "session,tenant,user"))["groups"]
    assert (group["session"], group["tenant"], group["user"]) == ("s1", "acme", "inner")


def test_a_call_that_is_seen_by_two_layers_costs_once(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    outer = {"gen_ai.operation.name": text("chat"), "gen_ai.request.model": text("m")}
    path.write_text(
        line(
            span("outer", 1, attributes=outer),
            span("inner", 2, 1, attributes=paid(0.5, gen_ai__request__model="inner")),
            span("outer", 3, attributes=paid(0.25, gen_ai__request__model="m")),
            span("inner", 4, 3, attributes=paid(0.25)),
        )
    )
    (group,) = as_json(cost(path, path, "--json"))["groups"]
    assert (group["model"], group["calls"], group["cost"]) == ("m", 2, {"USD": "0.75"})
    assert group["tokens"] == {"input_tokens": 20, "output_tokens": 10}


def test_currencies_are_never_added_up(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(
            *(span("c", number, attributes=paid(1.0, gen_ai__request__model="m")) for number in (1, 2)),
            span("c", 3, attributes=paid(5.0, "EUR", gen_ai__request__model="m")),
        )
    )
    report = as_json(cost(path, "--json"))
    assert report["total"]["cost"] == {"USD": "2.0", "EUR": "5.0"}
    assert report["groups"][0]["share"] == {"USD": 1.0, "EUR": 1.0}
    code, out, _ = cost(path)
    assert code == 0
    assert out.startswith("cost 2.00 USD + 5.00 EUR")
    assert rows(out)[0] == ["model", "calls", "input", "output", "USD", "EUR", "share of USD"]
    (row,) = csv.DictReader(io.StringIO(cost(path, "--csv")[1]))
    assert (row["cost_USD"], row["cost_EUR"]) == ("2.0", "5.0")


@pytest.mark.parametrize(
    "amount",
    [
        {"doubleValue": "NaN"},
        {"doubleValue": "Infinity"},
        {"doubleValue": -1.0},
        {"boolValue": True},
        {"stringValue": "12"},
    ],
)
def test_an_amount_that_is_none_costs_only_its_call(cost: View, tmp_path: Path, amount: dict[str, Any]) -> None:
    path = tmp_path / "t.jsonl"
    bad = {**paid(1.0), "otel_llm.usage.cost.amount": amount}
    path.write_text(line(span("c", 1, attributes=bad), span("c", 2, attributes=paid(0.5))))
    total = as_json(cost(path, "--json"))["total"]
    assert (total["cost"], total["unpriced"]) == ({"USD": "0.5"}, {"no_price": 1})


def test_a_span_that_is_none_costs_only_itself(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("c", 1, attributes=paid(1.0)) | {"spanId": 7}, span("c", 2, attributes=paid(0.5))))
    code, out, err = cost(path, "--json")
    assert code == 1
    assert json.loads(out)["total"]["cost"] == {"USD": "0.5"}
    assert f"{path}:1: span skipped" in err


def test_why_calls_are_unpriced(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    chat = {"gen_ai.operation.name": text("chat")}
    path.write_text(
        line(
            span("c", 1, attributes=call()),
            span("c", 2, attributes=chat),
            span("c", 3, attributes={**chat, "error.type": text("429")}),
        )
    )
    code, out, _ = cost(path)
    assert code == 0
    assert out.splitlines()[0].startswith("cost unknown  3 model calls")
    assert out.splitlines()[0].endswith("2 unpriced")
    total = as_json(cost(path, "--json"))["total"]
    assert total["unpriced"] == {"no_price": 1, "no_usage": 1}
    assert total["not_billed"] == {"failed": 1}
    for reason in ("no_price", "no_usage", "failed"):
        assert f"\n{reason}" in out


def test_a_sum_has_as_many_digits_as_its_amounts_need(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(*(span("c", at, attributes=paid(amount)) for at, amount in enumerate((1e20, 1e-20), 1))))
    assert as_json(cost(path, "--json"))["total"]["cost"] == {"USD": f"1{'0' * 20}.{'0' * 19}1"}


def test_estimated_tokens_are_told(cost: View, view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("c", 1, attributes={**paid(0.0123), "otel_llm.usage.estimated": {"boolValue": True}})))
    assert as_json(cost(path, "--json"))["total"]["estimated"] == 1
    assert "1 with estimated tokens" in cost(path)[1]
    out = view(path)[1]
    assert "~10→5 tokens  ~0.0123 USD" in out.splitlines()[0]
    assert "~10→5 tokens  ~0.0123 USD" in out.splitlines()[1]


def test_the_dearest_traces_and_the_groups_that_are_left_out(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        line(
            *(
                span(f"ask {number}", number, trace_id=f"{number:032x}", attributes=paid(number, user__id=f"u{number}"))
                for number in range(1, 8)
            )
        )
    )
    code, out, _ = cost(path, "--by", "user", "--limit", 2, "--traces", 2)
    assert code == 0
    assert [row[0] for row in rows(out)] == ["user", "u7", "u6", "(5 more, --limit)", "total"]
    assert rows(out)[3][1:5] == ["5", "50", "25", "15.000"]
    dearest = out.split("\n\n")[2].splitlines()
    assert [row.split()[0] for row in dearest[1:]] == [f"{7:032x}", f"{6:032x}"]
    assert "ask 7" in dearest[1]
    assert len(as_json(cost(path, "--by", "user", "--limit", 2, "--json"))["groups"]) == 7


def test_selection(cost: View, spent: Path) -> None:
    assert as_json(cost(spent, "--json", "--where", "user=ann"))["total"]["cost"] == {"USD": "0.3"}
    assert as_json(cost(spent, "--json", "--where", "user=ann", "--where", "model=big"))["total"]["calls"] == 1
    assert as_json(cost(spent, "--json", "--since", "2023-11-15T00:00+00:00"))["total"]["calls"] == 1
    assert as_json(cost(spent, "--json", "--until", "2023-11-15T00:00+00:00"))["total"]["calls"] == 3
    code, out, err = cost(spent, "--where", "user=carl")
    assert (code, out) == (1, "")
    assert "no model calls match" in err


def test_csv_for_a_spreadsheet(cost: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    users = ["=HYPERLINK(1)", "+1", "@sum", "tab\tx", 'quote",']
    path.write_text(
        line(*(span("c", number, attributes=paid(0.25, user__id=user)) for number, user in enumerate(users, 1)))
    )
    code, out, _ = cost(path, "--csv", "--by", "user")
    assert code == 0
    found = list(csv.DictReader(io.StringIO(out)))
    assert {row["user"] for row in found} == {"'=HYPERLINK(1)", "'+1", "'@sum", "tab\\x09x", 'quote",'}
    assert sum(Decimal(row["cost_USD"]) for row in found) == Decimal("1.25")
    assert {row["input_tokens"] for row in found} == {"10"}
    assert {row["reasoning_output_tokens"] for row in found} == {""}


HOSTILE = "\x1b]0;owned\x07[red]x[/red]\u202eevil"


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_hostile_names_do_not_reach_the_terminal(cost: View, tmp_path: Path, form: tuple[str, ...]) -> None:
    path = tmp_path / "t.jsonl"
    attributes = paid(0.25, HOSTILE, user__id=HOSTILE, gen_ai__request__model=HOSTILE)
    path.write_text(line(span(HOSTILE, 1, attributes=attributes), span("c", 2, attributes=call())))
    code, out, err = cost(path, "--by", "user,model", "--where", f"user={HOSTILE}", *form)
    assert code == 0, err
    assert "owned" in out
    assert not any(char in out + err for char in "\x1b\x07\u202e")
    if form != ("--csv",):
        assert "[red]" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name the input"),
        (("missing.jsonl",), "missing.jsonl: No such file"),
        (("a.jsonl", "--jaeger", "http://127.0.0.1:1"), "one kind"),
        (("--dataset", "missing.db"), "there is no dataset missing.db"),
        (("--jaeger", "127.0.0.1:16686"), "127.0.0.1:16686 is not a URL"),
        (("--tempo", "file:///etc/passwd"), "is not a URL"),
        (("--jaeger", "http://127.0.0.1:1"), "http://127.0.0.1:1 does not answer: "),
        (("--jaeger", "http://127.0.0.1:1", "--header", "secret"), "a --header is a name, a colon and a value"),
        (("--jaeger", "http://127.0.0.1:1", "--header", "@missing"), "--header @missing: No such file"),
        (("--jaeger", "http://127.0.0.1:1", "--since", "1h", "--until", "2h"), "--since is not before --until"),
    ],
)
def test_input_that_cannot_be_used_is_named(
    cost: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text("")
    code, out, err = cost(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "secret" not in err


@pytest.mark.parametrize(
    "arguments", [("--by", "colour"), ("--where", "user"), ("--since", "soon"), ("--timeout", "0"), ("--limit", "0")]
)
def test_options_that_cannot_be_used_are_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], cost: View
) -> None:
    with pytest.raises(SystemExit) as exited:
        cost("x", *arguments)
    assert exited.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_the_view_shows_what_each_call_and_the_trace_cost(view: View, spent: Path) -> None:
    _, out, err = view(spent)
    assert err == ""
    lines = out.splitlines()
    assert lines[0].endswith("3 model calls  30→15 tokens  0.300 USD (1 unpriced)  user ann")
    assert "chat  b  as big  10→5 tokens  0.100 USD" in lines[2]
    assert "USD" not in lines[4]


def test_a_tiny_amount_is_not_shown_as_nothing(cost: View, view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("c", 1, attributes=paid(0.00001234)), span("c", 2, attributes=paid(1e-12))))
    assert "0.0000123 USD" in view(path)[1]
    assert "<0.00000001 USD" in view(path)[1]
    assert as_json(cost(path, "--json"))["total"]["cost"] == {"USD": "0.000012340001"}


# --- a dataset -------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Items of two traces, stored by a sampler."""
    path = tmp_path / "items.jsonl"
    provider = TracerProvider(resource=Resource.create({"service.name": "twin"}))
    provider.add_span_processor(EvaluationSampler(1.0, sink=path, grace=0.0))
    tracer = provider.get_tracer("application")
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "otel_llm.usage.cost.currency": "USD",
        "otel_llm.usage.cost.source": "local",
        "gen_ai.prompt.name": "ask",
        "otel_llm.tags": ["web", "beta"],
        "otel_llm.metadata.tenant": "acme",
    }
    for user, amount in (("ann", 0.1), ("bob", 0.2)):
        with tracer.start_as_current_span("request", attributes={"user.id": user}):
            tracer.start_span("chat", attributes={**common, "otel_llm.usage.cost.amount": amount}).end()
            tracer.start_span("chat", attributes={"gen_ai.operation.name": "chat"}).end()
    provider.shutdown()
    return path


def test_the_items_of_a_dataset(cost: View, dataset: Path) -> None:
    code, out, err = cost("--dataset", dataset, "--json", "--by", "user,prompt,tenant,service")
    assert code == 0
    assert "sampled traces only" in err
    report = json.loads(out)
    assert report["total"]["cost"] == {"USD": "0.3"}
    assert report["total"]["tokens"] == {"input_tokens": 20, "cache_read.input_tokens": 8}
    assert report["total"]["unpriced"] == {"no_usage": 2}
    priced = [group for group in report["groups"] if group["cost"]]
    assert [(group["user"], group["prompt"], group["tenant"], group["service"]) for group in priced] == [
        ("bob", "ask", "acme", "twin"),
        ("ann", "ask", "acme", "twin"),
    ]
    assert {group["tag"] for group in as_json(cost("--dataset", dataset, "--json", "--by", "tag"))["groups"]} == {
        "web",
        "beta",
    }
    assert "cached" in cost("--dataset", dataset)[1]


def test_calls_of_items_that_are_none_cost_only_themselves(cost: View, dataset: Path) -> None:
    item = json.loads(dataset.read_text().splitlines()[0])
    (priced, *_) = item["calls"]
    bad = [7, {}, {**priced, "span_id": "a" * 16, "usage": 7}, {**priced, "span_id": "b" * 16, "cost": "much"}]
    with dataset.open("a") as lines:
        lines.write(json.dumps({**item, "id": "x", "calls": bad}) + "\n")
        lines.write(json.dumps({**item, "id": "y", "calls": 7, "metadata": 7}) + "\n")
    code, out, err = cost("--dataset", dataset, "--json")
    assert code == 1
    assert json.loads(out)["total"]["cost"] == {"USD": "0.3"}
    assert err.count("item x: call skipped") == 4


def test_a_dataset_that_is_given_as_a_file_is_named(cost: View, dataset: Path) -> None:
    code, _, err = cost(dataset)
    assert code == 2
    assert "--dataset" in err
