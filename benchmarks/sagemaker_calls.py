"""What instrumenting adds to calls of SageMaker endpoints, in floors, against HTTP responses made in the process."""

from __future__ import annotations

import functools
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

import harness
import otel_llm
from harness import Result, compare
from otel_llm import ContentCapture, Settings
from otel_llm.background import deferred

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from standin.eventstream import parts
from standin.wire import sse

_CHUNKS = 200
_TITLE = "sagemaker: "
_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "/opt/ml/model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
}
_GENERATED = [{"generated_text": "Hello there.", "details": {"finish_reason": "eos_token", "generated_tokens": 10}}]
_SHORT = [{"role": "user", "content": "Say hello."}]
_PARAMETERS = {"max_new_tokens": 150, "temperature": 0.01}
_ASKED = json.dumps({"messages": _SHORT, "parameters": _PARAMETERS})
_INPUTS = json.dumps({"inputs": "Say hello.", "parameters": {**_PARAMETERS, "details": True}})
_LONG = json.dumps(
    {
        "messages": _SHORT * 20,
        "parameters": {**_PARAMETERS, "top_p": 0.6, "stop": ["<|eot_id|>"], "return_full_text": False},
    }
)


def _stream() -> bytes:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "/opt/ml/model"}
    events: list[Any] = [
        {**base, "choices": [{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]}
        for n in range(_CHUNKS - 1)
    ]
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": _CHAT["usage"]})
    return b"".join(chunk for chunk in parts(sse(*events, done=False)) if isinstance(chunk, bytes))


_JSON = {"content-type": "application/json", "x-amzn-requestid": "r-1"}
_ANSWERS = {
    "chat": (_JSON, json.dumps(_CHAT).encode()),
    "tgi": (_JSON, json.dumps(_GENERATED).encode()),
    "csv": ({"content-type": "text/csv"}, b"0.93,0.07\n"),
    "stream": ({"content-type": "application/vnd.amazon.eventstream"}, _stream()),
}


def _answer(request: Any, **_: Any) -> Any:
    headers, body = _ANSWERS[request.url.split("/")[4]]
    headers = {**headers, "content-length": str(len(body))}
    raw = HTTPResponse(body=io.BytesIO(body), headers=headers, status=200, preload_content=False)
    return AWSResponse(request.url, 200, headers, raw)


def _client() -> Any:
    client = boto3.session.Session("x", "y", region_name="us-east-1").client("sagemaker-runtime")
    client.meta.events.register_first("before-send.sagemaker-runtime.*", _answer)
    return client


def _chat(client: Any, body: str = _ASKED) -> None:
    answer = client.invoke_endpoint(EndpointName="chat", Body=body, ContentType="application/json")
    json.loads(answer["Body"].read())


def _long(client: Any) -> None:
    _chat(client, _LONG)


def _generate(client: Any) -> None:
    answer = client.invoke_endpoint(EndpointName="tgi", Body=_INPUTS, ContentType="application/json")
    json.loads(answer["Body"].read())


def _chat_and_records(client: Any) -> None:
    """A chat whose caller makes the records of its metrics too, which another thread does else."""
    _chat(client)
    deferred.catch_up()


def _other(client: Any) -> None:
    client.invoke_endpoint(EndpointName="csv", Body="1,2,3", ContentType="text/csv")["Body"].read()


def _streamed(client: Any) -> None:
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="stream", Body=_ASKED, ContentType="application/json"
    )
    for _ in answer["Body"]:
        pass


def run(quick: bool = False) -> list[Result]:
    """Every measurement; ``quick`` takes few calls, to see that they run."""
    tracers, meters = harness.tracer_provider(), harness.meter_provider()
    both = {"tracer_provider": tracers, "meter_provider": meters}
    floor = harness.floor_work(tracers.get_tracer("floor"), meters.get_meter("floor"))
    bare, traced = _client(), _client()
    results = []

    def measure(
        name: str,
        limit: float | None,
        work: Callable[[Any], None],
        units: int = 1,
        settings: Settings | None = None,
        **providers: Any,
    ) -> None:
        otel_llm.instrument("sagemaker", settings=settings or Settings(), **(providers or both))
        del type(bare)._make_api_call  # each client has a class of its own, which is what is wrapped
        call = functools.partial(_chat, bare) if units > 1 else None
        pair = functools.partial(work, bare), functools.partial(work, traced)
        calls = 50 if quick else 1000
        results.append(compare(_TITLE + name, *pair, floor, limit, calls if units == 1 else calls // 10, units, call))
        otel_llm.uninstrument("sagemaker")

    unsampled = harness.tracer_provider(sampled=False)
    measure("chat, small", 1.6, _chat)
    measure("chat, small, and its metrics recorded", None, _chat_and_records)
    measure("chat, 20 messages", 2.0, _long)
    measure("text generation", 1.6, _generate)
    measure("chat, small, content on", 2.5, _chat, settings=Settings(capture_content=ContentCapture.SPAN_ONLY))
    measure("chat, small, unsampled", 0.9, _chat, tracer_provider=unsampled, meter_provider=meters)
    measure("no language model", 0.15, _other)
    measure("chat, stream, a chunk", None, _streamed, _CHUNKS)
    measure("chat, stream, a chunk, no metrics", 0.1, _streamed, _CHUNKS, tracer_provider=tracers)
    # With no provider given and none set, the global ones do nothing.
    measure("chat, small, no SDK configured", 0.15, _chat, tracer_provider=None)
    return results
