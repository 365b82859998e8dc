"""`otel-llm view` on files that are damaged, or that nobody should have written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_json import OTHER_TRACE, View, call, document, labels, line, span, text


def test_a_last_line_still_being_written_is_left_out(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("whole", 1)) + line(span("cut", 2))[:80])
    code, out, err = view(path)
    assert (code, labels(out)) == (0, ["whole  [shop]"])
    assert f"{path}:2" in err


def test_a_broken_line_costs_only_itself(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"resourceSpans": [}\n' + line(span("whole", 1)) + '{"resourceSpans": 7}\n')
    code, out, err = view(path)
    assert (code, labels(out)) == (1, ["whole  [shop]"])
    assert f"{path}:1: broken JSON" in err
    assert f"{path}:3" in err


def test_the_applications_own_output_between_the_lines(view: View, tmp_path: Path) -> None:
    """The exporter writes to standard output when told no file; the application may do so as well."""
    path = tmp_path / "t.jsonl"
    path.write_text('Hello!\n{"level": "info"}\n' + line(span("whole", 1)))
    code, out, err = view(path)
    assert (code, labels(out)) == (0, ["whole  [shop]"])
    assert f"{path}:1: 2 line(s)" in err


def test_an_operation_that_is_a_list_costs_nothing_else(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    odd = {"gen_ai.operation.name": {"arrayValue": {"values": [text("chat")]}}}
    path.write_text(line(span("whole", 1), span("odd", 2, attributes=odd)))
    code, out, _ = view(path)
    assert (code, labels(out)) == (0, ["whole  [shop]", "odd  [shop]"])


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", 1, "empty"),
        (b"hello\nworld\n", 2, ":1: not OTLP JSON"),
        (b"\x00\x00\x01\x02\xff", 2, "not OTLP JSON"),
        (b'{\n "resourceSpans": [\n  {,\n', 2, ":3: incomplete or broken"),
        (b'{"resourceSpans": [{"scope', 1, ":1: the last line is cut off"),
        (b'{"resourceSpans": []}\n', 1, "no spans"),
        (b"[" * 100_000 + b"\n", 1, ":1: broken JSON"),
        (b'{"resourceSpans": [1, 2]}\n', 1, ":1: not the shape"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}, 5]}]}]}\n', 1, "`traceId` is not an id"),
    ],
)
def test_input_that_is_no_good(view: View, tmp_path: Path, content: bytes, code: int, said: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    got, out, err = view(path)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there(view: View, tmp_path: Path) -> None:
    code, _, err = view(tmp_path / "none.jsonl")
    assert code == 2
    assert "none.jsonl: No such file" in err


def test_a_gzip_file_that_ends_early(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(line(span("whole", 1)).encode())[:-4])
    code, out, err = view(path)
    assert (code, labels(out)) == (0, ["whole  [shop]"])
    assert "ends early" in err


def test_spans_that_are_each_others_parents_are_shown(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("a", 1, 2), span("b", 2, 1), span("self", 3, 3)))
    code, out, _ = view(path)
    assert code == 0
    assert labels(out) == [
        "a  [shop]  (parent not in the input)",
        "└── b",
        "self  [shop]  (parent not in the input)",
    ]


def test_odd_values_do_not_stop_the_rest(view: View, tmp_path: Path) -> None:
    odd = {
        "gen_ai.operation.name": text("chat"),
        "gen_ai.usage.input_tokens": text("many"),
        "gen_ai.usage.output_tokens": {"doubleValue": "NaN"},
        "gen_ai.response.time_to_first_chunk": {"boolValue": True},
        "gen_ai.response.finish_reasons": text("stop"),
        "gen_ai.input.messages": text("[not json"),
        "gen_ai.output.messages": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}},
        "nothing": {},
    }
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("", 1, attributes=odd, endTimeUnixNano=0, startTimeUnixNano="9" * 30)))
    code, out, err = view(path, "--content")
    assert (code, err) == (0, "")
    assert "(no name)" in out
    assert "input: [not json" in out
    assert 'output: {"a": 1}' in out


#: What a damaged or a hostile file may hold in any place.
ODD: list[Any] = [
    *(None, True, -1, 1.5, 10**400, float("inf"), float("nan"), 1e308),
    *("", "Infinity", "9" * 400, "9" * 5000, "\ud800", [], [[]], [None], {}, {"values": 1}, {"a": {"b": []}}),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as a container and a key."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(below, dict | list):
            yield from places(below)


def test_an_odd_value_costs_its_own_span_only(view: View, tmp_path: Path) -> None:
    """In each place of a span's document in turn, beside a span that is right."""
    attributes = {
        **call(),
        "gen_ai.response.time_to_first_chunk": {"doubleValue": 0.5},
        "gen_ai.response.finish_reasons": {"arrayValue": {"values": [text("stop")]}},
        "more": {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}},
    }
    whole = document(span("damaged", 1, 2, attributes=attributes, events=[{"name": "exception", "attributes": []}]))
    good = line(span("sound", 9, trace_id=OTHER_TRACE))
    path = tmp_path / "t.jsonl"
    for number in range(len(list(places(whole)))):
        damaged = []
        for odd in ODD:
            copied = json.loads(json.dumps(whole))
            owner, key = list(places(copied))[number]
            owner[key] = odd
            damaged.append(json.dumps(copied))
        path.write_text("\n".join([*damaged, good]))
        code, out, _ = view(path, "--content")
        assert code in (0, 1)
        assert "sound" in out


def test_a_damaged_resource_costs_no_span(view: View, tmp_path: Path) -> None:
    damaged = document(span("damaged", 1))
    damaged["resourceSpans"][0]["resource"]["attributes"][0]["value"] = {"intValue": float("inf")}
    damaged["resourceSpans"].append(document(span("sound", 2))["resourceSpans"][0])
    damaged["resourceSpans"].insert(0, {"scopeSpans": 5})
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(damaged))
    code, out, err = view(path)
    assert code == 1
    assert "damaged" in out
    assert "sound" in out
    assert "the resource is unreadable" in err
    assert "not the shape of OTLP JSON" in err


def test_a_span_that_comes_twice_counts_once(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(span("chat", 1, attributes=call())))
    assert view(path, path)[1] == view(path)[1]


def test_a_deep_trace(view: View, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line(*(span("s", number, number - 1) for number in range(1, 1500))))
    assert view(path)[0] == 0
