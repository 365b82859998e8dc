"""What services of server-sent events stream is recorded as the answer it carries, and what is said wins."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import otel_llm
from otel_llm import ContentCapture, Settings

CONTENT = Settings(capture_content=ContentCapture.SPAN_ONLY)


def _told(recorder: Any) -> str | None:
    encoded = recorder.spans[-1].attributes.get("gen_ai.output.messages")
    return None if encoded is None else json.loads(encoded)[0]["parts"][0]["content"]


def _openai(text: str) -> str:
    return "data: " + json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}) + "\n\n"


@pytest.mark.parametrize(
    ("frames", "answer"),
    [
        ([_openai("Spans "), _openai("end."), "data: [DONE]\n\n"], "Spans end."),
        ([b'data: {"token": "Spans "}\n\n', b'data: {"token": "end."}\n\n'], "Spans end."),
        (["event: delta\ndata: Spans \n\n", "event: delta\ndata: end.\n\n", ": ping\n\n"], "Spans end."),
        (
            ['data: {"type": "x.delta", "delta": "Spans "}\r\n\r\n', 'data: {"delta": {"text": "end."}}\r\n\r\n'],
            "Spans end.",
        ),
        ([{"event": "token", "data": "Spans "}, {"event": "token", "data": '{"text": "end."}'}], "Spans end."),
        (['data: "Spans "\n\n', 'data: "end."\n\n'], "Spans end."),
        (["data: line 1\ndata: line 2\n\n"], "line 1\nline 2"),
        (["Spans ", "end."], "Spans end."),
        (["The data: ", "is here.\n\nNext"], "The data: is here.\n\nNext"),
        (['data: {"progress": 5}\n\n', "event: end\n\n"], None),
        (["data: 5\n\n"], "5"),
        (["\ufeffdata: Spans \n\n", "data: end.\n\n"], "Spans end."),
        ([b"\xef\xbb\xbfdata: Spans end.\n\n"], "Spans end."),
        (["Gr\u00f6\u00dfe".encode()[:3], "Gr\u00f6\u00dfe".encode()[3:]], "Größe"),  # split within a character
    ],
)
def test_the_answer_that_frames_carry(recorder: Any, frames: list[Any], answer: str | None) -> None:
    recorder.instrument(CONTENT)

    @otel_llm.observe(operation="workflow", capture=True)
    def stream() -> Any:
        yield from frames

    assert list(stream()) == frames
    assert _told(recorder) == answer


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_what_the_application_says_wins(recorder: Any, when: str) -> None:
    recorder.instrument(CONTENT)

    @otel_llm.observe(operation="workflow", capture=True)
    async def stream() -> Any:
        for place in ("before", "between", "after"):
            if place == when:
                otel_llm.update_current_span(output="the answer")
            yield _openai(place)

    async def read() -> None:
        async for _ in stream():
            pass

    asyncio.run(read())
    assert _told(recorder) == "the answer"


def test_it_wins_over_what_is_returned(recorder: Any) -> None:
    recorder.instrument(CONTENT)

    @otel_llm.observe(operation="workflow", capture=True)
    def answer() -> dict[str, int]:
        otel_llm.update_current_span(output="the answer")
        return {"status": 200}

    assert answer() == {"status": 200}
    assert _told(recorder) == "the answer"


def test_a_chat_that_yields_frames(lenient: Any) -> None:
    lenient.instrument(CONTENT)

    @otel_llm.observe(operation="chat", name="m", provider="p", capture=True)
    def chat() -> Any:
        yield _openai("Spans ")
        yield _openai("end.")

    list(chat())
    assert _told(lenient) == "Spans end."
