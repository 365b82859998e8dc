"""What instrumenting adds to calls of the openai SDK, in floors, against an in-process transport."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any

import openai

import harness
import otel_llm
from harness import Result, compare
from otel_llm import ContentCapture, Settings
from otel_llm.background import deferred

try:
    import httpx2 as http
except ModuleNotFoundError:
    import httpx as http  # type: ignore[no-redef]

_CHUNKS = 200
_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"}],
    "usage": _USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 19,
        "output_tokens": 10,
        "total_tokens": 29,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 3},
    },
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
_EMBEDDING = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1] * 8}],
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}


def _sse() -> bytes:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
    events = [
        {**base, "choices": [{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]}
        for n in range(_CHUNKS - 1)
    ]
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": _USAGE})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


_BODIES = {
    "/v1/chat/completions": json.dumps(_CHAT).encode(),
    "/v1/responses": json.dumps(_RESPONSE).encode(),
    "/v1/embeddings": json.dumps(_EMBEDDING).encode(),
}
_STREAM = _sse()


def _answer(request: Any) -> Any:
    if b'"stream":true' in request.content or b'"stream": true' in request.content:
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=_STREAM)
    return http.Response(200, headers={"content-type": "application/json"}, content=_BODIES[request.url.path])


_SHORT: Any = [{"role": "user", "content": "Say hello."}]
_LONG: Any = [{"role": "system", "content": "You are a helpful assistant."}] + [
    {"role": ("user", "assistant")[n % 2], "content": f"Message number {n} of a longer conversation."}
    for n in range(19)
]
_TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": f"tool_{n}", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }
    for n in range(4)
]


#: The methods as the SDK has them: classes that keep them can be called beside instrumented ones.
_REQUEST, _REQUEST_ASYNC = openai.OpenAI.request, openai.AsyncOpenAI.request


class BareOpenAI(openai.OpenAI):
    request = _REQUEST


class BareAsyncOpenAI(openai.AsyncOpenAI):
    request = _REQUEST_ASYNC


def _small(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(model="gpt-4o-mini", messages=_SHORT, temperature=0.2, max_tokens=100)


def _small_and_records(client: openai.OpenAI) -> Any:
    """A small chat whose caller makes the records of its metrics too, which another thread does else."""
    _small(client)
    deferred.catch_up()


def _long(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(
        model="gpt-4o-mini", messages=_LONG, tools=_TOOLS, temperature=0.2, max_tokens=100
    )


def _respond(client: openai.OpenAI) -> Any:
    return client.responses.create(model="gpt-4o-mini", input="Say hello.", temperature=0.2)


def _embed(client: openai.OpenAI) -> Any:
    return client.embeddings.create(model="text-embedding-3-small", input="hello", encoding_format="float")


def _stream(client: openai.OpenAI) -> None:
    for _ in client.chat.completions.create(model="gpt-4o-mini", messages=_SHORT, stream=True):
        pass


def run(quick: bool = False) -> list[Result]:
    """Every measurement; ``quick`` takes few rounds, to see that they run."""
    options: Any = {"api_key": "k", "base_url": "http://bench.local/v1"}
    bare, traced = (
        kind(**options, http_client=http.Client(transport=http.MockTransport(_answer)))
        for kind in (BareOpenAI, openai.OpenAI)
    )
    tracers, meters = harness.tracer_provider(), harness.meter_provider()
    both = {"tracer_provider": tracers, "meter_provider": meters}
    floor = harness.floor_work(tracers.get_tracer("floor"), meters.get_meter("floor"))
    calls = 50 if quick else 1500
    results = []

    def measure(
        name: str,
        limit: float | None,
        work: Callable[[Any], Any],
        providers: dict[str, Any] = both,
        settings: Settings | None = None,
        units: int = 1,
        clients: tuple[Any, Any] = (bare, traced),
    ) -> None:
        otel_llm.instrument("openai", settings=settings or Settings(), **providers)
        pair = [functools.partial(work, client) for client in clients]
        call = functools.partial(_small, bare) if units > 1 else None
        count = calls if units == 1 else calls // 10
        results.append(compare(name, *pair, floor, limit, count, units, call))
        otel_llm.uninstrument("openai")

    measure("chat, small", 1.6, _small)
    measure("chat, small, and its metrics recorded", 1.6, _small_and_records)
    measure("chat, 20 messages and tools", 2.0, _long)
    measure("responses", 1.6, _respond)
    measure("embeddings", 1.6, _embed)
    measure("chat, small, content on", 2.5, _small, settings=Settings(capture_content=ContentCapture.SPAN_ONLY))
    unsampled = {"tracer_provider": harness.tracer_provider(sampled=False), "meter_provider": meters}
    measure("chat, small, unsampled", 0.9, _small, unsampled)
    measure("chat, small, unsampled, and metrics recorded", None, _small_and_records, unsampled)
    measure("chat, stream, a chunk", None, _stream, units=_CHUNKS)
    measure("chat, stream, a chunk, no metrics", 0.1, _stream, {"tracer_provider": tracers}, units=_CHUNKS)
    # With no provider given and none set, the global ones do nothing.
    measure("chat, small, no SDK configured", 0.15, _small, {})

    loop = asyncio.new_event_loop()
    clients = [
        kind(**options, http_client=http.AsyncClient(transport=http.MockTransport(_answer)))
        for kind in (BareAsyncOpenAI, openai.AsyncOpenAI)
    ]
    measure(
        "chat, small, async",
        1.6,
        lambda client: loop.run_until_complete(_small(client)),
        clients=(clients[0], clients[1]),
    )
    for client in clients:
        loop.run_until_complete(client.close())
    loop.close()
    return results
