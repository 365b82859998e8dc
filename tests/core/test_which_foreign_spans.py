"""Which spans of other libraries a call joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan
from within_foreign import CHAT, OURS, scopes, sums

import otel_llm
from foreign_tracer import DURATION, Framework
from otel_llm import Settings
from otel_llm.core import nesting
from otel_llm.core.request import Request
from otel_llm.core.telemetry import Telemetry

pytestmark = pytest.mark.usefixtures("said")


@pytest.mark.parametrize(
    ("theirs", "joins"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "text_completion"}, True),
        ({"gen_ai.operation.name": "generate_content"}, True),
        ({"openinference.span.kind": "LLM"}, True),
        ({"llm.request.type": "chat"}, True),
        ({"llm.request.type": "completion"}, True),
        ({"gen_ai.operation.name": "embeddings"}, False),
        ({"openinference.span.kind": "EMBEDDING"}, False),
        ({"openinference.span.kind": "CHAIN"}, False),
        ({"gen_ai.operation.name": "invoke_agent"}, False),
        ({"gen_ai.operation.name": ("chat",)}, False),
        ({"http.request.method": "POST"}, False),
    ],
)
def test_which_spans_are_of_an_inference(lenient: Any, client: Any, theirs: dict[str, Any], joins: bool) -> None:
    lenient.foreign.add("theirs")
    with lenient.tracer_provider.get_tracer("theirs").start_as_current_span("x", attributes=theirs):
        client.chat.completions.create(**CHAT)
    assert scopes(lenient) == (["theirs"] if joins else [OURS, "theirs"])


@pytest.mark.parametrize("theirs", [{"gen_ai.operation.name": "embeddings"}, {"llm.request.type": "embedding"}])
def test_embeddings(lenient: Any, client: Any, theirs: dict[str, Any]) -> None:
    lenient.foreign.add("theirs")
    with lenient.tracer_provider.get_tracer("theirs").start_as_current_span("x", attributes=theirs):
        client.embeddings.create(model="e", input="x")
    assert scopes(lenient) == ["theirs"]


@pytest.mark.parametrize(
    ("operation", "named", "make"),
    [
        ("invoke_agent", "gen_ai__agent__name", otel_llm.agent_span),
        ("execute_tool", "gen_ai__tool__name", otel_llm.tool_span),
        ("invoke_workflow", "gen_ai__workflow__name", otel_llm.workflow_span),
    ],
)
def test_agents_tools_and_workflows_by_name(
    recorder: Any, framework: Framework, operation: str, named: str, make: Callable[[str], Any]
) -> None:
    with framework.span(operation, "a", **{named: "a"}), make("a"):
        pass
    assert scopes(recorder) == [framework.scope]
    with framework.span(operation, "a", **{named: "a"}), make("b"):
        pass
    assert scopes(recorder) == [framework.scope, "otel_llm.manual", framework.scope]


def call_within(lenient: Any, around: Context) -> None:
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider, lenient.meter_provider)
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p",
        "gen_ai.request.model": "m",
    }
    nesting.start(telemetry, Request("chat", "m", attributes), around).finish()


def test_the_span_of_the_context_that_is_given(lenient: Any) -> None:
    """LangChain passes it on: it need not be the current one."""
    lenient.foreign.add("theirs")
    span = lenient.tracer_provider.get_tracer("theirs").start_span("x", attributes={"gen_ai.operation.name": "chat"})
    call_within(lenient, trace.set_span_in_context(span, Context()))
    span.end()
    assert scopes(lenient) == ["theirs"]


def test_a_span_that_has_ended(lenient: Any, framework: Framework, client: Any) -> None:
    with framework.span() as span:
        pass
    with trace.use_span(span):
        client.chat.completions.create(**CHAT)
    assert scopes(lenient) == [framework.scope, OURS]


class Endless:
    """Has every attribute, each of them another such object."""

    def __getattr__(self, name: str) -> Any:
        return Endless()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Endless()


class Careless(NonRecordingSpan):
    """Says that it is a span of a framework, but not what the API asks of one."""

    instrumentation_scope = type("Scope", (), {"name": "careless"})()
    attributes = None

    def is_recording(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Careless, NonRecordingSpan])
def test_spans_of_no_sdk(lenient: Any, kind: Any) -> None:
    around = trace.set_span_in_context(kind(trace.INVALID_SPAN_CONTEXT), Context())
    call_within(lenient, around)
    assert scopes(lenient) == ["otel_llm.test"]


def test_a_mock_of_a_span(lenient: Any) -> None:
    span: Any = type("Mock", (NonRecordingSpan,), {"__getattr__": lambda self, name: Endless()})
    around = trace.set_span_in_context(span(trace.INVALID_SPAN_CONTEXT), Context())
    call_within(lenient, around)
    assert scopes(lenient) == ["otel_llm.test"]


def test_a_span_that_the_head_sampler_dropped(lenient: Any, client: Any) -> None:
    """It can't be told from any other that was dropped: nothing is exported, and our metrics count."""
    lenient.instrument(sampler=trace_sampler())
    with Framework(lenient).span():
        client.chat.completions.create(**CHAT)
    assert lenient.spans == []
    assert set(sums(lenient, DURATION)) == {OURS}


def trace_sampler() -> Any:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

    return ParentBased(ALWAYS_OFF)
