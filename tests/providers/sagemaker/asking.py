"""Calls as applications make them, and what was recorded of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from otel_llm import ContentCapture, Settings
from standin.eventstream import parts
from standin.sagemaker import event_stream
from standin.wire import Chunk, Reply

CONTENT = Settings(capture_content=ContentCapture.SPAN_ONLY)
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}]}
GENERATE: dict[str, Any] = {"inputs": "Say hello.", "parameters": {"max_new_tokens": 40, "details": True}}
#: What the containers of most formats do not tell.
UNTOLD = frozenset(
    {
        "gen_ai.response.finish_reasons",
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.request.encoding_formats",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
)
#: What differs from run to run.
VARYING = ("aws.request_id", "server.port", "gen_ai.response.time_to_first_chunk")
#: What every span has that was made by these.
COMMON: dict[str, Any] = {"gen_ai.provider.name": "aws.sagemaker", "server.address": "127.0.0.1"}


def invoke(client: Any, endpoint: str, body: Any, **arguments: Any) -> Any:
    """``invoke_endpoint`` and its body, read."""
    arguments = {"ContentType": "application/json", **arguments}
    payload = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.invoke_endpoint(EndpointName=endpoint, Body=payload, **arguments)["Body"].read()


def open_stream(client: Any, endpoint: str, body: Any, **arguments: Any) -> Any:
    arguments = {"ContentType": "application/json", **arguments}
    answer = client.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=json.dumps(body), **arguments)
    return answer["Body"]


def stream(client: Any, endpoint: str, body: Any, **arguments: Any) -> bytes:
    """All that a stream brings."""
    return b"".join(event["PayloadPart"]["Bytes"] for event in open_stream(client, endpoint, body, **arguments))


def answering(body: Any, content_type: str = "application/json") -> Reply:
    """A container's answer: bytes as they are, anything else as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(headers={"content-type": content_type}, body=payload)


def streaming(pieces: Iterable[Chunk], content_type: str = "application/jsonlines") -> Reply:
    return event_stream(list(parts(pieces)), content_type)


def told(attributes: Mapping[str, Any], *prefixes: str) -> dict[str, Any]:
    """The attributes whose names start with one of ``prefixes`` (default: all), less what varies."""
    wanted = prefixes or ("",)
    return {name: value for name, value in attributes.items() if name.startswith(wanted) and name not in VARYING}


def same(given: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Compare values and their types (``1 == 1.0 == True`` says too little)."""
    assert dict(given) == dict(expected)
    assert {name: type(value) for name, value in given.items()} == {
        name: type(value) for name, value in expected.items()
    }
    return True


def messages(attributes: Mapping[str, Any], which: str) -> Any:
    return json.loads(attributes[f"gen_ai.{which}.messages"])
