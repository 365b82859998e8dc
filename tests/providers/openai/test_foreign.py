"""Wrappers and mocks that others put around the SDK: none of them holds up a call, whatever their attributes say."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import Any
from unittest.mock import AsyncMock, MagicMock, patch

import openai
import pytest
import wrapt
from replies import CHAT

import otel_llm
from foreign_tracer import Framework
from otel_llm import ForeignSpans, Settings
from otel_llm.providers._stainless.foreign import wrapper_of

CREATE = "openai.resources.chat.completions.Completions.create"
EMBEDDINGS = {"model": "text-embedding-3-small", "input": "a"}


class Endless:
    """Has every attribute, each of them another such object."""

    def __getattr__(self, name: str) -> Any:
        return Endless()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return "called"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("fake", [MagicMock, AsyncMock, Endless])
def test_a_mock_of_another_method(recorder: Any, client: openai.OpenAI, fake: Any) -> None:
    with patch(CREATE, fake()):
        client.embeddings.create(**EMBEDDINGS)
    assert recorder.span.name == "embeddings text-embedding-3-small"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("fake", [MagicMock, AsyncMock, Endless])
def test_a_mock_of_the_other_clients_request(recorder: Any, client: openai.OpenAI, fake: Any) -> None:
    with patch.object(openai.AsyncOpenAI, "request", fake()):
        client.chat.completions.create(**CHAT)
    assert recorder.span.name == "chat gpt-4o-mini"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("fake", [MagicMock, Endless])
def test_a_mock_that_is_there_when_we_come_and_go(recorder: Any, client: openai.OpenAI, fake: Any) -> None:
    otel_llm.uninstrument()
    before = vars(openai.OpenAI).get("request")
    with patch.object(openai.OpenAI, "request", fake()):
        recorder.instrument()
        otel_llm.uninstrument()
    assert vars(openai.OpenAI).get("request") is before
    recorder.instrument()
    client.chat.completions.create(**CHAT)
    assert recorder.span.name == "chat gpt-4o-mini"


def wrapper(module: str) -> Any:
    """A function whose code is in ``module``."""
    namespace: dict[str, Any] = {"__name__": module}
    exec("def wrapper(*args, **kwargs): pass", namespace)
    return namespace["wrapper"]


def test_wrappers_are_seen_through_every_known_layer() -> None:
    theirs = wrapper("langfuse.openai")
    assert wrapper_of(theirs) == "langfuse"
    assert wrapper_of(functools.partial(functools.partial(theirs, 1), 2)) == "langfuse"
    assert wrapper_of(theirs.__get__(object())) == "langfuse"

    outer = wrapper("my_company.retries")
    outer.__wrapped__ = functools.partial(theirs)
    assert wrapper_of(outer) == "langfuse"
    assert wrapper_of(wrapper("langfuse_of_mine")) is None


def test_a_circle_of_wrappers_ends() -> None:
    first, second = wrapper("a"), wrapper("b")
    first.__wrapped__, second.__wrapped__ = second, first
    assert wrapper_of(first) is None


def tracing(module: str, span: Any) -> Any:
    """A method of the client's in the wrapper of ``module``, which makes a ``span`` around it."""
    namespace: dict[str, Any] = {"__name__": module, "span": span}
    exec("def wrapper(wrapped, instance, args, kwargs):\n  with span(): return wrapped(*args, **kwargs)", namespace)
    return namespace["wrapper"]


@pytest.mark.parametrize(
    ("mode", "names"),
    [("join", ["chat theirs"]), ("leave", ["chat theirs"]), ("own", ["chat gpt-4o-mini", "chat theirs"])],
)
def test_an_instrumentation_whose_span_is_current(
    recorder: Any, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, mode: str, names: list[str]
) -> None:
    recorder.instrument(Settings(foreign_spans=ForeignSpans(mode)))
    scope = "opentelemetry.instrumentation.openai_v2"
    framework = Framework(recorder, scope)
    wrapper = tracing(scope, lambda: framework.span(subject="theirs"))
    completions = type(client.chat.completions)
    monkeypatch.setattr(completions, "create", wrapt.FunctionWrapper(completions.create, wrapper))
    client.chat.completions.create(**CHAT)
    assert [span.name for span in recorder.spans] == names
    assert ("otel_llm.request.id" in recorder.spans[-1].attributes) is (mode == "join")


@pytest.mark.parametrize(("mode", "spans"), [("join", 0), ("leave", 0), ("own", 1)])
def test_an_instrumentation_whose_span_is_not_current(
    recorder: Any, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, mode: str, spans: int
) -> None:
    recorder.instrument(Settings(foreign_spans=ForeignSpans(mode)))
    wrapper = tracing("ddtrace.contrib.openai", nullcontext)
    completions = type(client.chat.completions)
    monkeypatch.setattr(completions, "create", wrapt.FunctionWrapper(completions.create, wrapper))
    client.chat.completions.create(**CHAT)
    assert len(recorder.spans) == spans
