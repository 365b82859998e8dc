"""What instrumenting adds to calls of the openai SDK, in floors, against an in-process transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai

import harness
import otel_llm
from harness import Result, Work, compare
from otel_llm import ContentCapture, Settings

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


def run(quick: bool = False) -> list[Result]:
    """Every measurement; ``quick`` takes few rounds, to see that they run."""
    client = openai.OpenAI(
        api_key="k", base_url="http://bench.local/v1", http_client=http.Client(transport=http.MockTransport(_answer))
    )
    create = client.chat.completions.create
    rounds, calls = (2, 20) if quick else (31, 60)
    tracers, meters = harness.tracer_provider(), harness.meter_provider()
    floor = harness.floor_work(tracers.get_tracer("floor"), meters.get_meter("floor"))

    def switch(settings: Settings | None = None, **providers: Any) -> Callable[[bool], None]:
        chosen = providers or {"tracer_provider": tracers, "meter_provider": meters}

        def turn(on: bool) -> None:
            otel_llm.uninstrument("openai")
            if on:
                otel_llm.instrument("openai", settings=settings or Settings(), **chosen)

        return turn

    def measure(name: str, work: Work, limit: float | None, turn: Callable[[bool], None], units: int = 1) -> Result:
        count = calls if units == 1 else max(calls // 20, 1)
        return compare(name, work, work, floor, limit, turn, rounds, count, units)

    def small() -> Any:
        return create(model="gpt-4o-mini", messages=_SHORT, temperature=0.2, max_tokens=100)

    def long() -> Any:
        return create(model="gpt-4o-mini", messages=_LONG, tools=_TOOLS, temperature=0.2, max_tokens=100)

    def respond() -> Any:
        return client.responses.create(model="gpt-4o-mini", input="Say hello.", temperature=0.2)

    def embed() -> Any:
        return client.embeddings.create(model="text-embedding-3-small", input="hello", encoding_format="float")

    def stream() -> None:
        for _ in create(model="gpt-4o-mini", messages=_SHORT, stream=True):
            pass

    on = switch()
    content = switch(Settings(capture_content=ContentCapture.SPAN_ONLY))
    unsampled = switch(tracer_provider=harness.tracer_provider(sampled=False), meter_provider=meters)
    results = [
        measure("chat, small", small, 1.6, on),
        measure("chat, 20 messages and tools", long, 2.0, on),
        measure("responses", respond, 1.6, on),
        measure("embeddings", embed, 1.6, on),
        measure("chat, small, content on", small, 2.5, content),
        measure("chat, small, unsampled", small, 0.9, unsampled),
        measure("chat, stream, a chunk", stream, None, on, _CHUNKS),
        measure("chat, stream, a chunk, no metrics", stream, 0.1, switch(tracer_provider=tracers), _CHUNKS),
    ]

    loop = asyncio.new_event_loop()
    async_client = openai.AsyncOpenAI(
        api_key="k",
        base_url="http://bench.local/v1",
        http_client=http.AsyncClient(transport=http.MockTransport(_answer)),
    )

    def small_async() -> None:
        loop.run_until_complete(
            async_client.chat.completions.create(model="gpt-4o-mini", messages=_SHORT, temperature=0.2, max_tokens=100)
        )

    results.append(measure("chat, small, async", small_async, 1.6, on))
    loop.run_until_complete(async_client.close())
    loop.close()
    # With no provider given and none set, the global ones do nothing.
    results.append(measure("chat, small, no SDK configured", small, 0.15, switch(tracer_provider=None)))
    client.close()
    return results
