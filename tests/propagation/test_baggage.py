"""Other processes of ours learn the session by baggage, if that is wanted; providers of models never do."""

from __future__ import annotations

from typing import Any
from urllib.request import Request, urlopen

import httpx
import openai
import pytest
from opentelemetry import baggage, propagate
from opentelemetry import context as otel_context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import otel_llm
from otel_llm import Settings
from standin.server import Reply, Server

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
SHARED = frozenset({"session_id", "conversation_id"})


@pytest.fixture(autouse=True)
def propagators() -> Any:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    yield
    propagate.set_global_textmap(before)


@pytest.fixture
def service() -> Any:
    """Another service of ours."""
    with Server() as service:
        service.reply_with(*[Reply(body={})] * 9)
        yield service


def call(service: Server) -> dict[str, str]:
    """Call the service as HTTP instrumentations do, and give the headers that it has seen."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    with urlopen(Request(service.url, headers=headers)):
        return {name.lower(): value for name, value in service.requests[-1].headers.items()}


@pytest.fixture
def watched(server: Any) -> Any:
    """A client of the provider whose requests are sent as HTTP instrumentations send them."""
    http = httpx.Client(event_hooks={"request": [lambda request: propagate.inject(request.headers)]})
    with openai.OpenAI(base_url=server.base_url, api_key="k", http_client=http, max_retries=0) as client:
        yield client


def test_off_by_default(recorder: Any, service: Any) -> None:
    with otel_llm.propagate_attributes(session_id="s-1", user_id="u-1"), otel_llm.step_span("s"):
        headers = call(service)
    assert "traceparent" in headers
    assert "baggage" not in headers


def test_what_is_allowed_and_no_more(recorder: Any, service: Any) -> None:
    recorder.instrument(Settings(baggage=SHARED))
    with (
        otel_llm.propagate_attributes(session_id="s 1,ä", user_id="u-1", conversation_id="c-1", tags=["t"]),
        otel_llm.step_span("s"),
    ):
        headers = call(service)
    entries = dict(entry.split("=") for entry in headers["baggage"].split(","))
    assert set(entries) == {"otel_llm.session_id", "otel_llm.conversation_id"}
    assert entries["otel_llm.conversation_id"] == "c-1"


def test_the_other_process_reads_it(recorder: Any, service: Any) -> None:
    recorder.instrument(Settings(baggage=SHARED))
    with otel_llm.propagate_attributes(session_id="s 1,ä", user_id="u-1", conversation_id="c-1"):
        headers = call(service)
    token = otel_context.attach(propagate.extract(headers))
    try:
        with otel_llm.workflow_span("w"), otel_llm.propagate_attributes(tags=["here"]), otel_llm.step_span("s"):
            assert otel_llm.current_ids()["session_id"] == "s 1,ä"
        recorder.tracer_provider.get_tracer("other").start_span("theirs").end()
    finally:
        otel_context.detach(token)
    step, workflow, theirs = (dict(span.attributes) for span in recorder.spans)
    assert step["session.id"] == workflow["session.id"] == theirs["session.id"] == "s 1,ä"
    assert step["otel_llm.tags"] == ("here",)
    assert workflow["gen_ai.conversation.id"] == "c-1"
    assert "user.id" not in step


def test_nobody_else_may_say_who_it_is(recorder: Any) -> None:
    """Where it is not wanted, a caller's baggage is none of ours; where it is, no more than what is wanted."""
    foreign = baggage.set_baggage("otel_llm.user_id", "spoofed", baggage.set_baggage("otel_llm.session_id", "spoofed"))
    for settings in (Settings(), Settings(baggage=frozenset({"conversation_id"}))):
        recorder.instrument(settings)
        token = otel_context.attach(foreign)
        with otel_llm.step_span("s"):
            pass
        otel_context.detach(token)
    assert "spoofed" not in "".join(span.to_json() for span in recorder.spans)


def test_the_provider_never_gets_it(lenient: Any, watched: Any, server: Any, service: Any) -> None:
    lenient.instrument(Settings(baggage=frozenset({"session_id", "user_id", "conversation_id"})))
    with otel_llm.propagate_attributes(session_id="s-1", user_id="u-1", conversation_id="c-1"):
        token = otel_context.attach(baggage.set_baggage("own", "kept"))
        with otel_llm.agent_span("a"):
            watched.chat.completions.create(**ASK)
            list(watched.chat.completions.create(**ASK, stream=True))
            watched.embeddings.create(model="e", input="hi", encoding_format="float")
            with otel_llm.chat_span("m", "own"):
                unknown = call(service)
            before = call(service)
        otel_context.detach(token)
    seen = [{name.lower(): value for name, value in request.headers.items()} for request in server.requests]
    assert len(seen) == 3
    for headers in [*seen, unknown]:
        assert "traceparent" in headers
        assert headers["baggage"] == "own=kept"  # the application's own entries are its own affair
    assert "otel_llm.user_id=u-1" in before["baggage"]
    assert all(span.attributes["session.id"] == "s-1" for span in lenient.spans)


async def test_what_is_no_call_tells_the_provider_nothing_either(lenient: Any, watched: Any, server: Any) -> None:
    """Such as asking for its models: it is the same host."""

    async def inject(request: Any) -> None:
        propagate.inject(request.headers)

    lenient.instrument(Settings(baggage=frozenset({"session_id", "user_id", "conversation_id"})))
    server.reply_with(*[Reply(body={"object": "list", "data": []})] * 2)
    http = httpx.AsyncClient(event_hooks={"request": [inject]})
    with otel_llm.propagate_attributes(session_id="s-1", user_id="u-1"), otel_llm.step_span("s"):
        watched.models.list()
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", http_client=http) as client:
            await client.models.list()
        assert "otel_llm.user_id" in baggage.get_all()
    for request in server.requests[-2:]:
        names = {name.lower() for name in request.headers}
        assert "traceparent" in names
        assert "baggage" not in names


def test_what_came_by_baggage_does_not_go_on_to_the_provider(lenient: Any, watched: Any, server: Any) -> None:
    lenient.instrument(Settings(baggage=SHARED))
    tracer = lenient.tracer_provider.get_tracer("http")
    watched._client.event_hooks["request"].append(lambda request: tracer.start_span("POST").end())
    token = otel_context.attach(baggage.set_baggage("otel_llm.session_id", "s-1"))
    watched.chat.completions.create(**ASK)
    otel_context.detach(token)
    assert "baggage" not in {name.lower() for name in server.requests[-1].headers}
    assert [(span.name, span.attributes["session.id"]) for span in lenient.spans] == [
        ("POST", "s-1"),  # the provider's HTTP span, which is ours
        ("chat gpt-4o-mini", "s-1"),
    ]


def test_what_came_unasked_does_not_go_on_to_the_provider(lenient: Any, watched: Any, server: Any) -> None:
    """From a service of ours that shares it, through this one, which does not."""
    lenient.instrument(Settings())
    token = otel_context.attach(baggage.set_baggage("otel_llm.user_id", "u-1", baggage.set_baggage("own", "kept")))
    watched.chat.completions.create(**ASK)
    otel_context.detach(token)
    assert server.requests[-1].headers["baggage"] == "own=kept"
    assert "user.id" not in lenient.spans[0].attributes


@pytest.mark.parametrize("value", ["session_id, conversation_id", "SESSION_ID,conversation_id"])
def test_the_knob(value: str) -> None:
    assert Settings.from_environment({"OTEL_LLM_BAGGAGE": value}).baggage == SHARED


def test_a_name_it_does_not_know(quiet: Any) -> None:
    assert Settings.from_environment({"OTEL_LLM_BAGGAGE": "session_id,tags"}).baggage == frozenset()
    assert "can't carry tags, only conversation_id, session_id, tenant_id, user_id" in quiet.text
    quiet.clear()
    with pytest.raises(ValueError, match="baggage can't carry email"):
        Settings(baggage=frozenset({"email"}))
