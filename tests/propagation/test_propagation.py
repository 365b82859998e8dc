"""What ``otel_llm.propagate_attributes`` says reaches every span below it, and nothing else."""

from __future__ import annotations

from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind
from saying import said

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.prompts import PromptUse, Template

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


WHO: dict[str, Any] = {"session_id": "s-1", "user_id": "u-1", "conversation_id": "c-1", "tenant_id": "t-1"}


def test_on_every_span(lenient: Any, client: Any) -> None:
    tracer = lenient.tracer_provider.get_tracer("other")
    with (
        otel_llm.propagate_attributes(**WHO, tags=["rag"], metadata={"tenant": "acme", "beta": True}),
        otel_llm.workflow_span("w"),
        otel_llm.step_span("s"),
        tracer.start_as_current_span("theirs"),
    ):
        client.chat.completions.create(**ASK)
        client.embeddings.create(model="e", input="hi", encoding_format="float")
        with tracer.start_as_current_span("chat", kind=SpanKind.CLIENT, attributes={"gen_ai.operation.name": "chat"}):
            pass
    everywhere = {
        "session.id": "s-1",
        "user.id": "u-1",
        "otel_llm.tags": ("rag",),
        "otel_llm.metadata.tenant": "acme",
        "otel_llm.metadata.beta": True,
    }
    conversing = {**everywhere, "gen_ai.conversation.id": "c-1"}
    chat, embeddings, foreign_chat, theirs, step, workflow = map(said, lenient.spans)
    assert chat == foreign_chat == workflow == conversing
    # The conventions have a conversation on some operations; other backends' GenAI views open for any ``gen_ai.*``.
    assert embeddings == theirs == step == everywhere
    lenient.missing |= {"gen_ai.provider.name"}


def test_nothing_outside(recorder: Any) -> None:
    with otel_llm.propagate_attributes(**WHO):
        pass
    with otel_llm.step_span("s"):
        pass
    assert said(recorder.span) == {}
    assert otel_context.get_current() == {}


def test_they_nest(recorder: Any) -> None:
    with (
        otel_llm.propagate_attributes(session_id="s-1", user_id="u-1", tags=["a", "b"], metadata={"x": 1, "y": 1}),
        otel_llm.propagate_attributes(session_id=None, user_id="u-2", tags=["b", "c"], metadata={"y": 2}),
        otel_llm.step_span("in"),
    ):
        pass
    assert said(recorder.span) == {
        "session.id": "s-1",
        "user.id": "u-2",
        "otel_llm.tags": ("a", "b", "c"),
        "otel_llm.metadata.x": 1,
        "otel_llm.metadata.y": 2,
    }


def test_what_is_nearer_holds(lenient: Any) -> None:
    with (
        otel_llm.propagate_attributes(**WHO),
        otel_llm.workflow_span("w", attributes={"gen_ai.conversation.id": "mine"}),
    ):
        pass
    assert lenient.attributes["gen_ai.conversation.id"] == "mine"


def test_samplers_see_it(recorder: Any, client: Any) -> None:
    seen = []

    class Sampler(ParentBased):
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(dict(args[4] or {}))
            return super().should_sample(*args, **kwargs)

    recorder.instrument(sampler=Sampler(ALWAYS_ON))
    with otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("s"):
        client.chat.completions.create(**ASK)
    assert [attributes["session.id"] for attributes in seen] == ["s-1", "s-1"]


def test_the_prompt_is_on_inferences(lenient: Any, client: Any) -> None:
    use = PromptUse(Template.of("Say {what}"), {"what": "secret"}, "greeting", "2")
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    with otel_llm.propagate_attributes(prompt=use), otel_llm.workflow_span("w"):
        client.chat.completions.create(**ASK)
        with otel_llm.chat_span("m", "own"):
            pass
    *inferences, workflow = lenient.spans
    for attributes in (dict(span.attributes) for span in inferences):
        assert (attributes["gen_ai.prompt.name"], attributes["gen_ai.prompt.version"]) == ("greeting", "2")
        assert attributes["otel_llm.prompt.template.hash"] == use.template.hash
        assert attributes["otel_llm.prompt.template"] == "Say {what}"
        assert attributes["gen_ai.prompt.variable.what"] == "secret"
    assert said(workflow) == {}


def test_the_event_says_it_too(recorder: Any, client: Any) -> None:
    recorder.instrument(Settings(emit_event=True))
    with otel_llm.propagate_attributes(**WHO):
        client.chat.completions.create(**ASK)
    (event,) = recorder.logs
    assert event.attributes["session.id"] == "s-1"
    assert event.attributes["gen_ai.conversation.id"] == "c-1"


def test_never_on_metrics(lenient: Any, client: Any) -> None:
    use = PromptUse(Template.of("Say {what}"), {"what": "hi"}, "greeting", "2")
    with (
        otel_llm.propagate_attributes(**WHO, tags=["t"], metadata={"k": 1}, prompt=use),
        otel_llm.agent_span("a"),
        otel_llm.tool_span("t"),
    ):
        client.chat.completions.create(**ASK)
    dimensions: set[str] = set()
    for resource in lenient.metrics.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    dimensions |= set(point.attributes)
    assert not {name for name in dimensions if "session" in name or "user" in name or "hash" in name}
    assert not {name for name in dimensions if name.startswith(("otel_llm.tags", "otel_llm.metadata"))}
