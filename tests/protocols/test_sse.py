"""An event stream gives the same events however it is split."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from otel_llm.protocols import sse
from otel_llm.protocols.sse import SSEDecoder

EVENTS: list[Any] = [{"a": 1}, {"text": "Größe 日本 🙂", "n": None}, [1, 2], "x", {"long": "y" * 300}]
_BODY = "".join(
    [
        ": a comment\n\n",
        "event: named\ndata: " + json.dumps(EVENTS[0]) + "\nid: 7\n\n",
        "data:" + json.dumps(EVENTS[1], ensure_ascii=False) + "\n\n",
        "data: [1,\ndata: 2]\n\n",
        "data: {broken\n\n",
        'data: "x"\n\n\n\n',
        "data: " + json.dumps(EVENTS[4]) + "\n\n",
        "data: " + "[" * 20000 + "\n\n",
        "data: [DONE]\n\n",
        'data: "never ended"',
    ]
)
BODIES = {end: _BODY.replace("\n", end).encode() for end in ("\n", "\r\n", "\r")}


def decoded(parts: list[bytes]) -> list[Any]:
    decoder = SSEDecoder()
    return [payload for part in parts for payload in decoder.feed(part)]


@pytest.mark.parametrize("end", BODIES)
def test_whole(end: str) -> None:
    assert decoded([BODIES[end]]) == EVENTS


@pytest.mark.parametrize("end", BODIES)
def test_split_at_every_byte(end: str) -> None:
    body = BODIES[end].replace(b"[" * 20000, b"[" * 20)
    for place in range(len(body) + 1):
        assert decoded([body[:place], body[place:]]) == EVENTS
        assert decoded([body[:place], b"", body[place:]]) == EVENTS


@pytest.mark.parametrize("end", BODIES)
def test_byte_by_byte(end: str) -> None:
    assert decoded([bytes([byte]) for byte in BODIES[end]]) == EVENTS


@pytest.mark.parametrize("seed", range(30))
def test_split_anywhere_with_mixed_line_ends(seed: int) -> None:
    rng = random.Random(seed)
    body = "".join(rng.choice(["\n", "\r\n", "\r"]) if one == "\n" else one for one in _BODY).encode()
    # A lone carriage return before a line feed is one line end, so the mixture says what it says: compare both.
    places = sorted(rng.randrange(len(body)) for _ in range(20))
    parts = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    assert decoded(parts) == decoded([body])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_without_an_empty_line_between(size: int) -> None:
    body = b'data: {"a": 1}\ndata: {"b":\ndata: 2}\n\ndata: 3\ndata: 4\ndata: [DONE]\n\n'
    assert decoded([body[at : at + size] for at in range(0, len(body), size)]) == [{"a": 1}, {"b": 2}, 3, 4]


def test_invalid_bytes_are_passed_over() -> None:
    assert decoded([b'data: "\xff\xfe"\n\n\xff\xfe: 1\n\ndata: 1\n\n']) == [1]


@pytest.mark.parametrize("shape", ["one line", "many lines", "pieces of a line"])
def test_an_event_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    monkeypatch.setattr(sse, "_MAX_EVENT_BYTES", 1000)
    decoder = SSEDecoder()
    part = b"data: " + b"1" * 500 + (b"\n" if shape == "many lines" else b"")
    for _ in range(1000):
        decoder.feed(part if shape != "pieces of a line" else b"1" * 500)
    kept = sum(map(len, decoder._line)) + sum(map(len, decoder._data))
    assert kept <= 2000
    decoder.feed(b"\n\n")
    assert decoder.feed(b"data: 5\n\n") == [5]


@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_a_byte_order_mark_before_the_first_event(size: int) -> None:
    body = b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n"
    assert decoded([body[at : at + size] for at in range(0, len(body), size)]) == [1, 2]
