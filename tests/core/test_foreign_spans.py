"""Where another library makes the span of a call, the call joins it, is left to it, or has its own; it counts once."""

from __future__ import annotations

import gc
from typing import Any

import openai
import pytest
from opentelemetry.trace import StatusCode
from within_foreign import CHAT, CHUNKS, OURS, STREAM, scopes, sums

import otel_llm
from foreign_tracer import DURATION, TOKENS, Framework
from otel_llm import ContentCapture, ForeignSpans, MetricGeneration, Settings
from otel_llm.background import deferred
from standin.server import Reply, sse

pytestmark = pytest.mark.usefixtures("said")


# --- join ----------------------------------------------------------------------------------------------


def test_a_call_joins_the_span_around_it(recorder: Any, framework: Framework, client: Any) -> None:
    with framework.span(gen_ai__request__model="theirs", server__port=1) as span:
        client.chat.completions.create(**CHAT, temperature=0.5)
        span.set_attribute("gen_ai.response.model", "theirs too")
    assert recorder.span.name == "chat m"
    assert recorder.span.instrumentation_scope.name == framework.scope
    told = recorder.attributes
    assert (told["gen_ai.request.model"], told["server.port"], told["gen_ai.response.model"]) == (
        "theirs",
        1,
        "theirs too",
    )
    assert told["gen_ai.request.temperature"] == 0.5
    assert told["gen_ai.usage.input_tokens"] == 9
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["otel_llm.request.id"].startswith("req_")


async def test_asynchronous_calls_join_too(recorder: Any, framework: Framework, async_client: Any) -> None:
    with framework.span():
        await async_client.chat.completions.create(**CHAT)
        async for _ in await async_client.chat.completions.create(**STREAM):
            pass
    assert scopes(recorder) == [framework.scope]
    assert recorder.attributes["gen_ai.request.stream"] is True


def test_it_is_said_once_of_each_library(recorder: Any, framework: Framework, client: Any, said: list[str]) -> None:
    for one in (framework, framework, Framework(recorder, "another"), framework):
        with one.span():
            client.chat.completions.create(**CHAT)
    assert [message.partition(" ")[0] for message in said] == [framework.scope, "another"]


def test_what_the_application_says_goes_there(recorder: Any, framework: Framework, client: Any) -> None:
    with framework.span(), otel_llm.propagate_attributes(session_id="s", tags=["a"]):
        client.chat.completions.create(**CHAT)
    assert recorder.attributes["session.id"] == "s"
    assert recorder.attributes["otel_llm.tags"] == ("a",)


def test_content_goes_there_if_it_is_captured(recorder: Any, framework: Framework, client: Any) -> None:
    with framework.span():
        client.chat.completions.create(**CHAT)
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    with framework.span(gen_ai__input__messages="theirs"):
        client.chat.completions.create(**CHAT)
    without, with_content = (span.attributes for span in recorder.spans)
    assert "gen_ai.output.messages" not in without
    assert with_content["gen_ai.input.messages"] == "theirs"
    assert "gen_ai.output.messages" in with_content


def test_a_stream_that_outlives_the_span(recorder: Any, framework: Framework, client: Any) -> None:
    ended: list[Any] = []
    telemetry = otel_llm.providers.openai.OpenAIInstrumentor().telemetry
    telemetry.listeners.add(ended.append)
    try:
        with framework.span():
            stream = client.chat.completions.create(**STREAM)
        list(stream)
    finally:
        telemetry.listeners.remove(ended.append)
    assert recorder.span.status.status_code is StatusCode.UNSET
    assert "gen_ai.response.id" not in recorder.attributes
    (end,) = ended
    assert end.response.usage["gen_ai.usage.input_tokens"] == 9


def test_how_it_ended_is_the_owners_business(recorder: Any, framework: Framework, client: Any) -> None:
    with framework.span():
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**{**CHAT, "model": "error-500"})
        client.chat.completions.create(**CHAT)  # the framework asks another model
    assert recorder.span.status.status_code is StatusCode.UNSET
    assert "error.type" not in recorder.attributes
    assert recorder.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_an_agent_of_ours_counts_what_is_joined(recorder: Any, framework: Framework, client: Any) -> None:
    with otel_llm.agent_span("geo"), framework.span():
        client.chat.completions.create(**CHAT)
    assert recorder.spans[-1].attributes["gen_ai.usage.input_tokens"] == 9
    assert [point.sum for point in recorder.points("gen_ai.invoke_agent.inference_calls")] == [1]


def test_nothing_is_kept_of_a_span(recorder: Any, framework: Framework, client: Any) -> None:
    foreign = otel_llm.providers.openai.OpenAIInstrumentor().telemetry.foreign
    with framework.span():
        client.chat.completions.create(**CHAT)
        assert len(foreign._added) == 1
    recorder.span_exporter.clear()
    deferred.catch_up()
    gc.collect()
    assert len(foreign._added) == 0


# --- metrics and events ------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(), (TOKENS,), (DURATION,), (TOKENS, DURATION)])
def test_a_metric_is_recorded_once(recorder: Any, lenient: Any, client: Any, counts: tuple[str, ...]) -> None:
    framework = Framework(lenient, counts=counts)
    with framework.span():
        client.chat.completions.create(**CHAT)
    for name in (TOKENS, DURATION):
        assert list(sums(recorder, name)) == [framework.scope if name in counts else OURS]


def test_metrics_of_ours_alone_are_recorded(recorder: Any, framework: Framework, client: Any) -> None:
    with framework.span():
        list(client.chat.completions.create(**STREAM))
    assert sums(recorder, "otel_llm.client.output_tokens_per_second") == {OURS: 1}
    assert list(sums(recorder, TOKENS)) == [framework.scope]


def test_newer_metrics_are_others(recorder: Any, framework: Framework, client: Any) -> None:
    recorder.instrument(Settings(metrics=MetricGeneration.BOTH))
    with framework.span():
        client.chat.completions.create(**CHAT)
    assert list(sums(recorder, TOKENS)) == [framework.scope]
    assert sums(recorder, "gen_ai.client.inference.operation.input_tokens") == {OURS: 1}


def test_a_meter_provider_that_does_not_tell(recorder: Any, framework: Framework, client: Any) -> None:
    """Then the framework may count: no metric of the conventions' is recorded a second time."""

    class Other:
        def get_meter(self, *args: Any, **kwargs: Any) -> Any:
            return recorder.meter_provider.get_meter(*args, **kwargs)

    otel_llm.uninstrument()
    otel_llm.instrument(tracer_provider=recorder.tracer_provider, meter_provider=Other())  # type: ignore[arg-type]
    with framework.span():
        list(client.chat.completions.create(**STREAM))
    assert list(sums(recorder, TOKENS)) == [framework.scope]
    assert sums(recorder, DURATION) == {}
    assert sums(recorder, "otel_llm.client.output_tokens_per_second") == {OURS: 1}


@pytest.mark.parametrize(
    ("scope", "ours"), [("some-framework", True), ("opentelemetry.instrumentation.genai.openai", False)]
)
def test_the_official_packages_emit_the_event_themselves(
    recorder: Any, lenient: Any, client: Any, scope: str, ours: bool
) -> None:
    recorder.instrument(Settings(emit_event=True, capture_content=ContentCapture.EVENT_ONLY))
    with Framework(lenient, scope).span():
        client.chat.completions.create(**CHAT)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**{**CHAT, "model": "error-500"})
    assert bool(recorder.logs) is ours


# --- leave and own -----------------------------------------------------------------------------------------


def test_a_call_that_is_left(recorder: Any, framework: Framework, client: Any, said: list[str]) -> None:
    recorder.instrument(
        Settings(foreign_spans=ForeignSpans.LEAVE, emit_event=True, capture_content=ContentCapture.SPAN_AND_EVENT)
    )
    ended: list[Any] = []
    telemetry = otel_llm.providers.openai.OpenAIInstrumentor().telemetry
    telemetry.listeners.add(ended.append)
    try:
        with framework.span():
            client.chat.completions.create(**CHAT)
            list(client.chat.completions.create(**STREAM))
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(**{**CHAT, "model": "error-500"})
            with otel_llm.chat_span("m", "test") as told:
                told.request(temperature=1).chunk("a").response("b", input_tokens=1)
    finally:
        telemetry.listeners.remove(ended.append)
    assert recorder.attributes == {"gen_ai.operation.name": "chat"}
    assert sums(recorder, TOKENS) == {framework.scope: 1}
    assert sums(recorder, DURATION) == sums(recorder, CHUNKS) == {}
    assert recorder.logs == []
    assert ended == []
    assert telemetry.under_way == {}
    assert all(message.endswith("chooses what it does") and "leaves them" in message for message in said)
    client.chat.completions.create(**CHAT)
    assert scopes(recorder) == [framework.scope, OURS]


def test_a_call_with_a_span_of_its_own(recorder: Any, framework: Framework, client: Any, said: list[str]) -> None:
    recorder.instrument(Settings(foreign_spans=ForeignSpans.OWN))
    with framework.span():
        client.chat.completions.create(**CHAT)
    assert scopes(recorder) == [OURS, framework.scope]
    assert recorder.spans[0].parent.span_id == recorder.spans[1].context.span_id
    assert set(sums(recorder, TOKENS)) == {OURS, framework.scope}
    assert said == []


def test_layers_below_join_as_one(recorder: Any, framework: Framework, client: Any) -> None:
    with framework.span(), otel_llm.chat_span("outer", "test"):
        client.chat.completions.create(**CHAT)
    assert scopes(recorder) == [framework.scope]
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert sum(sums(recorder, DURATION).values()) == 1


def test_a_reply_in_chunks_is_timed(recorder: Any, server: Any, framework: Framework, client: Any) -> None:
    server.reply_with(Reply(chunks=sse({"id": "a", "choices": [{"index": 0, "delta": {"content": "x"}}]})))
    with framework.span():
        list(client.chat.completions.create(**CHAT, stream=True))
    assert recorder.attributes["gen_ai.response.time_to_first_chunk"] > 0
