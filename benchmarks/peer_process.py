"""One measurement of ``peers.py``: ``peer_process.py PEER CASE CALLS CONTENT``, in the environment of that peer.

Prints JSON: microseconds a call by the wall clock and by the processor, all threads counted; spans a call; the most
memory the process has had. It imports nothing of otel-llm: a peer's environment has none.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import json
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

_BLOCKS = 10
_BASE = "http://bench.local/v1"
_USAGE = {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}
_MODEL = "gpt-4o-mini-2024-07-18"
_ASKED: Any = [{"role": "user", "content": "Say hello."}]
_TEXT = {"type": "output_text", "text": "Hello there.", "annotations": []}
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [_TEXT]}
_DETAILS = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}


def _chat(message: dict[str, Any], reason: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": _MODEL,
        "choices": [choice],
        "usage": _USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


_ANSWER = _chat({"content": "Hello there."}, "stop")
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": _MODEL,
    "status": "completed",
    "output": [_MESSAGE],
    "usage": {"input_tokens": 19, "output_tokens": 10, "total_tokens": 29, **_DETAILS},
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


def _stream(chunks: int) -> bytes:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": _MODEL}
    events: list[Any] = [
        {**base, "choices": [{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]}
        for n in range(chunks - 1)
    ]
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": _USAGE})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


_STREAMS = {chunks: _stream(chunks) for chunks in (20, 200)}


def _calling(number: int) -> dict[str, Any]:
    call = {"id": f"call_{number}", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}
    return _chat({"content": None, "tool_calls": [call]}, "tool_calls")


def _body(path: str, content: bytes) -> tuple[str, bytes]:
    body = json.loads(content)
    if body.get("stream"):
        return "text/event-stream", _STREAMS[body["max_tokens"]]
    answer = _ANSWER
    if path.endswith("/responses"):
        answer = _RESPONSE
    elif path.endswith("/embeddings"):
        answer = _EMBEDDING
    elif body.get("tools"):  # two tools are called, then the agent is done
        called = sum(message.get("role") == "tool" for message in body["messages"])
        answer = _ANSWER if called == 2 else _calling(called)
    return "application/json", json.dumps(answer).encode()


# --- telemetry -----------------------------------------------------------------------------------


def _providers() -> Any:
    """The SDK with a batch processor and a metric reader, as global providers. Returns what has counted the spans."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Counting(SpanExporter):
        spans = 0

        def export(self, spans: Any) -> SpanExportResult:
            self.spans += len(spans)
            return SpanExportResult.SUCCESS

    counting = Counting()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(counting, max_queue_size=1 << 16))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    return counting


def _instrument(peer: str, content: bool) -> None:
    if peer == "none":
        return
    if peer == "openlit":
        prices = Path(tempfile.gettempdir()) / "openlit-prices.json"  # without one, it asks a server for them
        prices.write_text('{"chat": {}, "embeddings": {}}')
        openlit: Any = importlib.import_module("openlit")
        openlit.init(capture_message_content=content, pricing_json=str(prices), disable_events=True)
        return
    for entry in entry_points(group="opentelemetry_instrumentor"):
        if any(name in entry.name for name in ("openai", "langchain", "sagemaker")):
            entry.load()().instrument(skip_dep_check=True)


def _floor() -> Callable[[], Any]:
    """What telemetry of a call costs at the least: a span with 20 attributes and three records of a histogram."""
    from opentelemetry import metrics, trace

    attributes = {f"bench.{n}": f"value number {n}" for n in range(20)}
    dimensions = {f"bench.{n}": f"value {n}" for n in range(6)}
    tracer, meter = trace.get_tracer("floor"), metrics.get_meter("floor")
    histograms = [meter.create_histogram(f"bench.{n}") for n in range(3)]

    def work() -> None:
        span = tracer.start_span("floor", kind=trace.SpanKind.CLIENT, attributes=attributes)
        context = trace.set_span_in_context(span)
        for histogram in histograms:
            histogram.record(0.1, dimensions, context)
        span.end()

    return work


# --- calls -----------------------------------------------------------------------------------------


def _openai_work(case: str) -> Callable[[], Any]:
    import httpx
    import openai

    def answer(request: Any) -> Any:
        kind, body = _body(request.url.path, request.content)
        return httpx.Response(200, headers={"content-type": kind}, content=body)

    transport = httpx.MockTransport(answer)
    options: Any = {"api_key": "k", "base_url": _BASE}
    client = openai.OpenAI(**options, http_client=httpx.Client(transport=transport))
    completions = client.chat.completions
    if case == "async":
        loop = asyncio.new_event_loop()
        aclient = openai.AsyncOpenAI(**options, http_client=httpx.AsyncClient(transport=transport))
        create: Any = aclient.chat.completions.create
        return lambda: loop.run_until_complete(create(model="gpt-4o-mini", messages=_ASKED, temperature=0.2))
    if case.startswith("stream"):
        asked: Any = {"model": "gpt-4o-mini", "messages": _ASKED, "stream": True, "max_tokens": int(case[6:])}

        def read() -> None:
            for _ in completions.create(**asked):
                pass

        return read
    works: dict[str, Callable[[], Any]] = {
        "chat": lambda: completions.create(model="gpt-4o-mini", messages=_ASKED, temperature=0.2, max_tokens=100),
        "responses": lambda: client.responses.create(model="gpt-4o-mini", input="Say hello.", temperature=0.2),
        "embeddings": lambda: client.embeddings.create(
            model="text-embedding-3-small", input="hello", encoding_format="float"
        ),
    }
    if case in works:
        return works[case]
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="gpt-4o-mini", **options, http_client=httpx.Client(transport=transport))
    if case == "chain":
        chain = ChatPromptTemplate([("system", "You are {who}."), ("user", "{question}")]) | model | StrOutputParser()
        return lambda: chain.invoke({"who": "a poet", "question": "What is the sea?"})
    from langchain.agents import create_agent
    from langchain_core.tools import tool

    @tool
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    agent = create_agent(model, [add], name="adder")
    return lambda: agent.invoke({"messages": [("user", "Add.")]})


def _sagemaker_work() -> Callable[[], Any]:
    import boto3
    from botocore.awsrequest import AWSResponse
    from urllib3 import HTTPResponse

    body = json.dumps(_ANSWER).encode()
    asked = json.dumps({"messages": _ASKED, "parameters": {"max_new_tokens": 150, "temperature": 0.01}})

    def answer(request: Any, **_: Any) -> Any:
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        raw = HTTPResponse(body=io.BytesIO(body), headers=headers, status=200, preload_content=False)
        return AWSResponse(request.url, 200, headers, raw)

    client = boto3.session.Session("x", "y", region_name="us-east-1").client("sagemaker-runtime")
    client.meta.events.register_first("before-send.sagemaker-runtime.*", answer)
    return lambda: json.loads(
        client.invoke_endpoint(EndpointName="chat", Body=asked, ContentType="application/json")["Body"].read()
    )


def main() -> None:
    peer, case, calls, content = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "on"
    counting = _providers()
    _instrument(peer, content)
    makers = {"floor": _floor, "sagemaker": _sagemaker_work}
    work = makers[case]() if case in makers else _openai_work(case)
    from opentelemetry import trace

    flush: Any = trace.get_tracer_provider()
    for _ in range(max(calls // _BLOCKS, 5)):
        work()
    flush.force_flush()
    counting.spans = 0
    gc.collect()
    wall, processor = [], []
    each = max(calls // _BLOCKS, 1)
    for _ in range(_BLOCKS):
        began, used = perf_counter_ns(), process_time_ns()
        for _ in range(each):
            work()
        wall.append((perf_counter_ns() - began) / each / 1000)
        flush.force_flush()  # what other threads have left to do is part of the cost
        processor.append((process_time_ns() - used) / each / 1000)
    told = {
        "wall": statistics.median(wall),
        "cpu": statistics.median(processor),
        "spans": counting.spans / each / _BLOCKS,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    os.write(1, json.dumps(told).encode())


if __name__ == "__main__":
    main()
