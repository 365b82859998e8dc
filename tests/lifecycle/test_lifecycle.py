"""Instrumenting and taking it back, beside others who do the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import wrapt
from opentelemetry.instrumentation.utils import suppress_instrumentation

import otel_llm
from otel_llm import ContentCapture, Settings

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
KINDS = (openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI)


def objects() -> list[dict[str, int]]:
    return [{name: id(value) for name, value in vars(kind).items()} for kind in KINDS]


# --- on and off ------------------------------------------------------------------------------------------


def test_suppressed(recorder: Any, client: Any) -> None:
    with suppress_instrumentation():
        client.chat.completions.create(**CHAT)
        client.responses.create(model="m", input="hi")
        list(client.chat.completions.create(**CHAT, stream=True))
        client.chat.completions.with_raw_response.create(**CHAT)
    assert recorder.spans == []
    assert recorder.metrics is None
    client.chat.completions.create(**CHAT)
    assert recorder.span


async def test_suppressed_async(recorder: Any, async_client: Any) -> None:
    with suppress_instrumentation():
        await async_client.chat.completions.create(**CHAT)
    assert recorder.spans == []


def test_uninstrument_restores_the_very_objects(recorder: Any) -> None:
    otel_llm.uninstrument()
    before = objects()
    for _ in range(3):
        recorder.instrument()
        assert objects() != before
        otel_llm.uninstrument()
        assert objects() == before


def test_clients_of_before_and_after(recorder: Any, client: Any) -> None:
    """A client, and what it keeps for raw responses, made when we were not there, and the other way round."""
    otel_llm.uninstrument()
    kept = [client.chat.completions, client.chat.completions.with_raw_response, client.with_options(timeout=9)]

    def call() -> int:
        before = len(recorder.spans)
        kept[0].create(**CHAT)
        kept[1].create(**CHAT)
        kept[2].chat.completions.create(**CHAT)
        return len(recorder.spans) - before

    recorder.instrument()
    assert call() == 3
    kept[1:] = [client.embeddings.with_raw_response and client.chat.completions.with_raw_response, client.copy()]
    assert call() == 3
    otel_llm.uninstrument()
    assert call() == 0
    recorder.instrument()
    assert call() == 3


def test_instrumented_twice(recorder: Any, client: Any) -> None:
    otel_llm.instrument("openai")
    otel_llm.instrument()
    client.chat.completions.create(**CHAT)
    assert recorder.span
    otel_llm.uninstrument()
    otel_llm.uninstrument()


def test_another_library_later(recorder: Any) -> None:
    """What is said of one more library changes nothing for spans of the application's own."""
    recorder.missing |= {"server.address"}
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    otel_llm.instrument("langchain")
    with otel_llm.chat_span("m", "own", messages="hi") as call:
        call.response("hello", model="m", id="1", finish_reason="stop", input_tokens=1, output_tokens=1)
    assert "hello" in recorder.attributes["gen_ai.output.messages"]


def test_uninstrumented_while_a_stream_is_read(recorder: Any, client: Any) -> None:
    stream = client.chat.completions.create(**CHAT, stream=True)
    next(stream)
    otel_llm.uninstrument()
    list(stream)
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_a_subclass_with_a_request_of_its_own(recorder: Any, server: Any) -> None:
    class Client(openai.OpenAI):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            return super().request(*args, **kwargs)

    with Client(base_url=server.base_url, api_key="x") as client:
        client.chat.completions.create(**CHAT)
    assert recorder.span


# --- beside others ----------------------------------------------------------------------------------------


class Foreign:
    """Another instrumentation of the openai SDK, as they are made: a wrapper from a module of its name."""

    def __init__(self, module: str, owner: Any, name: str) -> None:
        self.owner, self.name, self.calls = owner, name, 0
        namespace: dict[str, Any] = {"__name__": module, "self": self}
        exec(
            "def wrapper(wrapped, instance, args, kwargs):\n self.calls += 1\n return wrapped(*args, **kwargs)",
            namespace,
        )
        self.original = vars(owner).get(name)
        wrapt.wrap_function_wrapper(owner, name, namespace["wrapper"])

    def remove(self) -> None:
        if self.name in vars(self.owner) and self.original is None:
            delattr(self.owner, self.name)
        elif self.original is not None:
            setattr(self.owner, self.name, self.original)


CREATE = (openai.resources.chat.completions.Completions, "create")
REQUEST = (openai.OpenAI, "request")
GENAI = [
    "opentelemetry.instrumentation.openai",
    "opentelemetry.instrumentation.openai.shared.chat_wrappers",
    "opentelemetry.instrumentation.openai_v2.patch",
    "opentelemetry.instrumentation.genai.openai.patch",
    "openinference.instrumentation.openai._request",
]


@pytest.fixture
def foreign(recorder: Any) -> Iterator[Any]:
    made: list[Foreign] = []

    def add(*args: Any) -> Foreign:
        made.append(Foreign(*args))
        return made[-1]

    yield add
    for one in reversed(made):
        one.remove()


@pytest.mark.parametrize("module", GENAI)
@pytest.mark.parametrize("where", [CREATE, REQUEST], ids=["create", "request"])
@pytest.mark.parametrize("order", ["before us", "after us"])
def test_another_genai_instrumentation(
    recorder: Any, client: Any, foreign: Any, quiet: Any, module: str, where: Any, order: str
) -> None:
    otel_llm.uninstrument()
    if order == "before us":
        other = foreign(module, *where)
    recorder.instrument()
    if order == "after us":
        client.chat.completions.create(**CHAT)
        assert len(recorder.spans) == 1
        recorder.span_exporter.clear()
        other = foreign(module, *where)
    for _ in range(3):
        client.chat.completions.create(**CHAT)
    assert other.calls == 3
    assert recorder.spans == []
    (record,) = quiet.records
    assert module.startswith(record.args[0])
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in record.getMessage()
    otel_llm.uninstrument()
    other.remove()
    recorder.instrument()
    client.chat.completions.create(**CHAT)
    assert recorder.span
    quiet.clear()


@pytest.mark.parametrize("where", [CREATE, REQUEST], ids=["create", "request"])
def test_a_wrapper_of_the_application(recorder: Any, client: Any, foreign: Any, where: Any) -> None:
    other = foreign("my_company.retries", *where)
    client.chat.completions.create(**CHAT)
    assert recorder.span
    assert other.calls == 1


def test_under_a_wrapper_of_somebody_else(recorder: Any, client: Any, foreign: Any) -> None:
    """It sits on ours when we are taken out, and when we come again."""
    otel_llm.uninstrument()
    before = objects()
    recorder.instrument()
    other = foreign("my_company.retries", *REQUEST)
    otel_llm.uninstrument()
    client.chat.completions.create(**CHAT)
    assert recorder.spans == []
    recorder.instrument()
    client.chat.completions.create(**CHAT)
    assert recorder.span
    assert other.calls == 2
    other.remove()
    otel_llm.uninstrument()
    assert objects() == before


def test_an_http_instrumentation_is_not_in_our_way(recorder: Any, client: Any) -> None:
    """It wraps the transport, and its module is of OpenTelemetry's too."""
    transport = client._client._transport
    namespace: dict[str, Any] = {"__name__": "opentelemetry.instrumentation.httpx"}
    exec("def wrapper(wrapped, instance, args, kwargs): return wrapped(*args, **kwargs)", namespace)
    transport.handle_request = wrapt.FunctionWrapper(transport.handle_request, namespace["wrapper"])
    client.chat.completions.create(**CHAT)
    assert recorder.span


def test_the_openai_module_itself_as_a_client(recorder: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "base_url", f"{server.base_url}/")
    monkeypatch.setattr(openai, "api_key", "x")
    monkeypatch.setattr(sys.modules["openai"], "_client", None, raising=False)
    openai.chat.completions.create(**CHAT)
    assert recorder.span


def test_settings_that_are_given_later_hold_from_the_next_call_on(recorder: Any, client: Any) -> None:
    ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    client.chat.completions.create(**ask)
    otel_llm.instrument(
        settings=Settings(capture_content=ContentCapture.SPAN_ONLY), tracer_provider=recorder.tracer_provider
    )
    client.chat.completions.create(**ask)
    otel_llm.instrument()  # nothing is given: all stays as it is
    client.chat.completions.create(**ask)
    with_content = ["gen_ai.input.messages" in span.attributes for span in recorder.spans]
    assert with_content == [False, True, True]
