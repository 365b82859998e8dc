"""Off means off: without content capture no word of a prompt or an answer leaves; credentials never do."""

from __future__ import annotations

import base64
import io
import logging
from contextlib import suppress
from typing import Any

import openai
import pytest

from otel_llm import ContentCapture, MetricGeneration, Settings
from standin.server import Reply, sse

MARK = "xylophone-73"
KEY = "sk-proj-0123456789abcdefXYZ"
ENCODED = base64.b64encode(MARK.encode() * 3).decode()
_TOOL = {"name": MARK, "description": MARK, "parameters": {"type": "object", "properties": {MARK: {"type": "string"}}}}
_URL = {"url": f"data:image/png;base64,{ENCODED}", "detail": "low"}
CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": MARK},
        {
            "role": "user",
            "name": MARK,
            "content": [{"type": "text", "text": MARK}, {"type": "image_url", "image_url": _URL}],
        },
    ],
    "tools": [{"type": "function", "function": _TOOL}],
    "metadata": {"key": MARK},
    "user": MARK,
    "prediction": {"type": "content", "content": MARK},
    "extra_body": {"anything": MARK},
    "extra_headers": {"x-anything": MARK},
}
RESPONSE: dict[str, Any] = {
    "model": "gpt-4.1",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": MARK}]}],
    "instructions": MARK,
    "tools": [{"type": "function", "strict": False, **_TOOL}],
    "metadata": {"key": MARK},
    "user": MARK,
    "extra_body": {"prompt": {"id": "pmpt_1", "version": "2", "variables": {"name": MARK}}},
}
_MESSAGE = {
    "role": "assistant",
    "content": MARK,
    "refusal": MARK,
    "reasoning_content": MARK,
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": MARK, "arguments": f'{{"{MARK}": 1}}'}}],
}
_CHOICE = {"index": 0, "finish_reason": "stop", "logprobs": {"content": [{"token": MARK}]}}
ANSWER = {"id": "a", "model": "m", "system_fingerprint": "f", "choices": [{**_CHOICE, "message": _MESSAGE}], "x": MARK}
CHUNK = {"id": "a", "model": "m", "choices": [{**_CHOICE, "delta": _MESSAGE}], "x": MARK}
ITEM = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": MARK}]}
FINAL = {"id": "r", "model": "m", "status": "completed", "output": [ITEM], "instructions": MARK, "tools": [_TOOL]}
FAILED = {"id": "r", "model": "m", "status": "failed", "error": {"code": f"No: {MARK}", "message": MARK}}
ERROR = {"error": {"message": f"Not: {MARK}", "type": MARK, "param": MARK, "code": f"a sentence with {MARK}"}}
EVENTS = [
    {"type": "response.output_text.delta", "delta": MARK, "output_index": 0, "sequence_number": 1},
    {"type": "response.output_item.done", "item": ITEM, "output_index": 0, "sequence_number": 2},
]
ERROR_EVENT = {"type": "error", "message": MARK, "code": f"a sentence with {MARK}", "sequence_number": 3}
MISSING = {
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.response.finish_reasons",
    "openai.response.service_tier",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.embeddings.dimension.count",
}

#: What is asked, and what the server answers.
CASES: dict[str, tuple[Any, Reply]] = {
    "chat": (lambda c: c.chat.completions.create(**CHAT), Reply(body=ANSWER)),
    "chat stream": (lambda c: list(c.chat.completions.create(**CHAT, stream=True)), Reply(chunks=sse(CHUNK))),
    "chat raw": (lambda c: c.chat.completions.with_raw_response.create(**CHAT).parse(), Reply(body=ANSWER)),
    "chat refused": (lambda c: c.chat.completions.create(**CHAT), Reply(status=400, body=ERROR)),
    "chat odd error": (lambda c: c.chat.completions.create(**CHAT), Reply(status=500, body=MARK)),
    "chat error inside": (
        lambda c: list(c.chat.completions.create(**CHAT, stream=True)),
        Reply(chunks=sse(CHUNK, ERROR)),
    ),
    "chat no JSON": (
        lambda c: c.chat.completions.create(**CHAT),
        Reply(body=MARK.encode(), headers={"content-type": "application/json"}),
    ),
    "chat stream no JSON": (lambda c: list(c.chat.completions.create(**CHAT, stream=True)), Reply(chunks=sse(MARK))),
    "responses": (lambda c: c.responses.create(**RESPONSE), Reply(body=FINAL)),
    "responses failed": (lambda c: c.responses.create(**RESPONSE), Reply(body=FAILED)),
    "responses stream": (lambda c: list(c.responses.create(**RESPONSE, stream=True)), Reply(chunks=sse(*EVENTS))),
    "responses error event": (
        lambda c: list(c.responses.create(**RESPONSE, stream=True)),
        Reply(chunks=sse(*EVENTS, ERROR_EVENT)),
    ),
    "embeddings": (lambda c: c.embeddings.create(model="e", input=[MARK], user=MARK), Reply(body={"data": []})),
    "completion": (
        lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt=MARK, suffix=MARK),
        Reply(body={"id": "a", "model": "m", "choices": [{"index": 0, "text": MARK, "finish_reason": "stop"}]}),
    ),
    "image": (lambda c: c.images.generate(model="i", prompt=MARK), Reply(body={"data": [{"b64_json": ENCODED}]})),
    "transcription": (
        lambda c: c.audio.transcriptions.create(model="w", file=(f"{MARK}.wav", io.BytesIO(b"x")), prompt=MARK),
        Reply(body={"text": MARK}),
    ),
    "moderation": (lambda c: c.moderations.create(input=MARK), Reply(body=ERROR, status=400)),
}


def emitted(recorder: Any, caplog: Any) -> str:
    """Everything that left, as text."""
    spans = [span.to_json() for span in recorder.spans]
    logs = [repr((record.body, record.attributes, record.event_name)) for record in recorder.logs]
    metrics = recorder.metrics.to_json() if recorder.metrics else ""
    said = [
        record.getMessage() + str(record.exc_info)
        for record in caplog.records
        if record.name.startswith(("otel", "opent"))
    ]
    return "\n".join([*spans, *logs, metrics, *said])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("event", [False, True])
def test_no_content(recorder: Any, server: Any, client: Any, caplog: Any, case: str, event: bool) -> None:
    recorder.missing |= MISSING
    recorder.instrument(Settings(emit_event=event, metrics=MetricGeneration.BOTH, stream_usage=True))
    caplog.set_level(logging.DEBUG, "otel_llm")
    call, reply = CASES[case]
    server.reply_with(reply)
    with suppress(openai.APIError, ValueError):  # the server says no, or no JSON
        call(client)
    assert recorder.span
    left = emitted(recorder, caplog)
    assert MARK not in left
    assert ENCODED not in left


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith(("chat", "resp")) and "odd" not in case])
def test_the_mark_is_there_with_content_on(recorder: Any, server: Any, client: Any, caplog: Any, case: str) -> None:
    """That the test above looks in the right places."""
    recorder.missing |= MISSING
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    call, reply = CASES[case]
    server.reply_with(reply)
    with suppress(openai.APIError, ValueError):
        call(client)
    assert MARK in emitted(recorder, caplog)
    assert ENCODED not in emitted(recorder, caplog)  # media is described, not carried


@pytest.mark.parametrize("capture", ContentCapture)
def test_credentials_never_leave(recorder: Any, server: Any, caplog: Any, capture: ContentCapture) -> None:
    recorder.missing |= MISSING
    recorder.instrument(Settings(capture_content=capture, emit_event=True))
    token = "Bearer abcdefgh12345678"
    words = f"My key:\n{KEY} and\t{token}, is it right?"
    server.reply_with(
        Reply(status=401, body={"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "x"}})
    )
    tools: Any = [{"type": "mcp", "server_label": "s", "server_url": "https://x", "headers": {"Authorization": token}}]
    with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": words}])
        client.responses.create(model="m", input=words, tools=tools, extra_headers={"Authorization": token})
    left = emitted(recorder, caplog)
    assert KEY not in left
    assert "abcdefgh12345678" not in left


def test_an_unsampled_span_carries_no_content(recorder: Any, client: Any) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY, emit_event=True), sampler=ALWAYS_OFF)
    client.chat.completions.create(**CHAT)
    list(client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))
    assert recorder.spans == []
    assert MARK not in repr([record.attributes for record in recorder.logs])
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.count == 2
    assert sum(point.count for point in recorder.points("gen_ai.client.token.usage")) == 4
