"""Every call of the installed SDK that is billed by tokens makes a span, those of endpoints to come included.

The SDK's own classes tell: a method that posts, and whose answer has a field ``usage``, is such a call.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from otel_llm.providers.openai import unknown
from standin.openai import OpenAIServer
from standin.server import Reply

#: Calls whose answers have a ``usage`` that is not theirs, and why.
OF_OTHER_CALLS = {
    "chat.completions.update": "sets metadata of a stored completion",
    "beta.chat.completions.update": "sets metadata of a stored completion",
    "beta.agents.sessions.create": "an agent that OpenAI runs; the usage grows with its turns",
    "beta.agents.sessions.update": "an agent that OpenAI runs; the usage grows with its turns",
    "beta.threads.create_and_run": "the Assistants API: starts a run, whose usage is known later",
    "beta.threads.runs.create": "the Assistants API: starts a run, whose usage is known later",
    "beta.threads.runs.update": "sets metadata of a run",
    "beta.threads.runs.cancel": "the Assistants API: ends a run",
    "beta.threads.runs.submit_tool_outputs": "the Assistants API: continues a run, whose usage is known later",
}
USAGE = {"input_tokens": 900, "output_tokens": 12, "prompt_tokens": 900, "completion_tokens": 12, "total_tokens": 912}


class AnyEndpoint(OpenAIServer):
    """Answers whatever is posted with a usage."""

    def route(self, request: Any) -> Reply:
        data = [{"object": "embedding", "index": 0, "embedding": [0.0] * 16}]
        answer = {"id": "x", "model": "m", "status": "completed", "choices": [], "output": []}
        return Reply(body={**answer, "data": data, "usage": USAGE})


@pytest.fixture
def anywhere() -> Iterator[openai.OpenAI]:
    with AnyEndpoint() as server, openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        yield client


def methods(owner: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The methods of all resources below ``owner``, by their dotted names."""
    for name in dir(type(owner)):
        if name.startswith(("_", "with_")):
            continue
        value = getattr(owner, name)
        if type(value).__module__.startswith("openai.resources"):
            yield from methods(value, (*path, name))
        elif path and inspect.ismethod(value):
            yield ".".join((*path, name)), value


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models among what ``annotation`` allows."""
    origin = typing.get_origin(annotation)
    if inspect.isclass(origin or annotation) and issubclass(origin or annotation, BaseModel):
        yield origin or annotation
    elif "Stream" not in getattr(origin, "__name__", ""):
        for one in typing.get_args(annotation):
            yield from models(one)


def posts(method: Any) -> bool:
    """Whether ``method`` posts by itself, rather than by another method."""
    return "self._post(" in inspect.getsource(method)


def billed(client: openai.OpenAI) -> dict[str, Any]:
    found = {}
    for name, method in methods(client):
        answer = typing.get_type_hints(method).get("return")
        if posts(method) and any("usage" in model.model_fields for model in models(answer)):
            found[name] = method
    return found


def arguments(method: Any) -> dict[str, Any]:
    """Something for each argument that ``method`` requires."""
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            given[name] = b"x" if name in ("file", "image") else [] if "Iterable" in str(parameter.annotation) else "x"
    return given


@pytest.mark.skipif(int(openai.__version__.split(".")[0]) < 2, reason="its resources are not found by their classes")
@pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning")
def test_every_call_that_is_billed(recorder: Any, anywhere: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "starts", lambda method, path: None)  # which would make spans of fewer words
    found = billed(anywhere)
    assert {"chat.completions.create", "responses.create", "embeddings.create", "images.edit"} <= set(found)
    recorder.missing |= {
        *("gen_ai.response.id", "gen_ai.response.finish_reasons", "gen_ai.response.model", "gen_ai.request.model"),
        *("gen_ai.embeddings.dimension.count", "gen_ai.usage.output_tokens", "openai.response.service_tier"),
    }
    untraced = []
    for name, method in found.items():
        recorder.span_exporter.clear()
        method(**arguments(method))
        if name in OF_OTHER_CALLS:
            assert recorder.spans == [], name
        elif len(recorder.spans) != 1:
            untraced.append(name)
        if recorder.spans and not recorder.attributes.get("gen_ai.usage.input_tokens"):
            # No inference of its own: it fetches one, or is about a batch of them.
            assert name.endswith(".cancel") or name.startswith("batches."), name
    assert untraced == []
