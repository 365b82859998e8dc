"""The context managers: each is the span that the conventions want, with the metrics, events and content of a call."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import get_current_span
from own_model import ASK, ON_BOTH, ON_SPANS, SERVER, answer, whole_chat

import otel_llm
import otel_llm.core.recording
from otel_llm import ContentCapture, Settings

# --- errors ---------------------------------------------------------------------------------------------------


def test_an_error_without_its_request(recorder: Any) -> None:
    """httpx's raise another error where they are asked for it."""
    error: Any = httpx.ConnectTimeout("too late")
    error.code, error.request_id = "timeout", "words of a prompt"
    with pytest.raises(httpx.ConnectTimeout), whole_chat():
        raise error
    assert recorder.attributes["otel_llm.error.code"] == "timeout"
    assert "otel_llm.request.id" not in recorder.attributes


# --- times ----------------------------------------------------------------------------------------------------


def test_a_span_ends_after_what_is_inside_of_it(recorder: Any) -> None:
    """However long a span takes to start: where it seems to end earlier, Jaeger moves what is inside."""

    class Slow(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            time.sleep(0.01)

    recorder.tracer_provider.add_span_processor(Slow())
    with otel_llm.workflow_span("twin"), otel_llm.step_span("expand"), whole_chat() as call:
        answer(call)
    chat, step, flow = recorder.spans
    assert flow.start_time <= step.start_time <= chat.start_time
    assert chat.end_time <= step.end_time <= flow.end_time


def test_the_times_of_one_moment(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is interrupted between reading one clock and the other reads both again."""
    readings = iter([0, 5_000_000, 6_000_000, 6_000_100, 6_000_500])
    monkeypatch.setattr(otel_llm.core.recording, "perf_counter_ns", lambda: next(readings))
    monkeypatch.setattr(otel_llm.core.recording, "time_ns", iter([1_000, 2_000]).__next__)
    with otel_llm.step_span("expand"):
        pass
    (span,) = recorder.spans
    assert (span.start_time, span.end_time) == (2_000, 2_500)


# --- every operation ------------------------------------------------------------------------------------------


async def test_a_whole_trace(recorder: Any, durations: Any) -> None:
    async with otel_llm.workflow_span("twin") as flow:
        async with otel_llm.agent_span("writer", description="Writes."):
            async with otel_llm.tool_span("search", call_id="c-1", description="Looks it up."):
                with otel_llm.retrieval_span("articles", top_k=3, **SERVER):
                    pass
            with whole_chat() as call:
                answer(call)
        with otel_llm.embeddings_span("e5", "own", encoding_formats=["float"], **SERVER) as call:
            call.response(model="e5-large", dimensions=8, input_tokens=2)
        with otel_llm.step_span("rerank"):
            pass
        with otel_llm.completion_span("base", "own", **SERVER) as call:
            answer(call)
        assert get_current_span().get_span_context().span_id == flow._call.span.get_span_context().span_id
    assert [(span.name, span.kind.name) for span in recorder.spans] == [
        ("retrieval articles", "CLIENT"),
        ("execute_tool search", "INTERNAL"),
        ("chat llama", "CLIENT"),
        ("invoke_agent writer", "INTERNAL"),
        ("embeddings e5", "CLIENT"),
        ("rerank", "INTERNAL"),
        ("text_completion base", "CLIENT"),
        ("invoke_workflow twin", "INTERNAL"),
    ]
    ids = {span.name: span.context.span_id for span in recorder.spans}
    above = {span.name: span.parent and span.parent.span_id for span in recorder.spans}
    assert above["retrieval articles"] == ids["execute_tool search"]
    assert above["chat llama"] == above["execute_tool search"] == ids["invoke_agent writer"]
    assert above["rerank"] == above["embeddings e5"] == ids["invoke_workflow twin"]
    assert durations() == []
    for name in ("gen_ai.execute_tool.duration", "gen_ai.invoke_agent.duration", "gen_ai.workflow.duration"):
        assert len(recorder.points(name)) == 1


def test_the_request_of_a_chat(lenient: Any) -> None:
    request: dict[str, Any] = {
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 40,
        "max_tokens": 100,
        "stop": "END",
        "seed": 7,
        "choices": 2,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "reasoning_level": "low",
        "output_type": "json",
    }
    with otel_llm.chat_span("m", "own", **request):
        pass
    with otel_llm.chat_span("m", "own") as call:
        call.request(**request)
    first, second = (dict(span.attributes) for span in lenient.spans)
    assert first == second
    assert first["gen_ai.request.stop_sequences"] == ("END",)
    assert first["gen_ai.request.choice.count"] == 2
    assert first["gen_ai.request.temperature"] == 1.0


@pytest.mark.parametrize("error", [ValueError("secret"), asyncio.CancelledError("secret")])
@pytest.mark.parametrize("operation", ["step", "workflow", "agent", "tool", "retrieval"])
async def test_an_error(lenient: Any, operation: str, error: BaseException) -> None:
    with pytest.raises(type(error)):
        async with getattr(otel_llm, f"{operation}_span")("x"):
            raise error
    failed = isinstance(error, Exception)
    assert lenient.span.status.status_code.name == ("ERROR" if failed else "UNSET")
    assert lenient.attributes.get("error.type") == ("ValueError" if failed else None)
    assert lenient.attributes.get("otel_llm.stream.outcome") == (None if failed else "cancelled")
    assert "secret" not in lenient.span.to_json()


def test_an_interrupt_of_langgraph_is_no_error(recorder: Any) -> None:
    interrupt = pytest.importorskip("langgraph.errors").GraphInterrupt
    with pytest.raises(interrupt), otel_llm.step_span("ask a person"):
        raise interrupt
    assert recorder.span.status.status_code.name == "UNSET"


def test_a_failed_chat(lenient: Any) -> None:
    call = otel_llm.chat_span("m", "own")
    with pytest.raises(TimeoutError), call:
        raise call.chunk("Par") and TimeoutError()
    assert lenient.attributes["gen_ai.response.finish_reasons"] == ("error",)
    (duration,) = lenient.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "TimeoutError"
    (event,) = lenient.logs
    assert event.event_name == "gen_ai.client.operation.exception"


# --- a stream, chunk by chunk -----------------------------------------------------------------------------------


def test_chunks(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.instrument(ON_SPANS)
    with whole_chat(messages="Capital of France?", stream=True) as call:
        for piece in ("Par", "is", None, "."):
            call.chunk(piece)
        answer(call)
    attributes = recorder.attributes
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert attributes["otel_llm.response.output_tokens_per_second"] > 0
    assert attributes["otel_llm.response.time_per_output_token"] > 0
    (message,) = json.loads(attributes["gen_ai.output.messages"])
    assert message["parts"] == [{"type": "text", "content": "Paris."}]
    (gaps,) = recorder.points("gen_ai.client.operation.time_per_output_chunk")
    assert gaps.count == 3


def test_an_endless_stream_is_not_kept(recorder: Any) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY, content_max_bytes=1000))
    with whole_chat(stream=True) as call:
        for _ in range(10_000):
            call.chunk("word ")
        kept = sum(map(len, call._texts))
        answer(call)
    assert kept < 2000
    assert len(recorder.attributes["gen_ai.output.messages"].encode()) <= 1000


# --- one model call is one span -----------------------------------------------------------------------------------


def test_an_instrumented_sdk_inside_is_the_same_call(recorder: Any, client: Any) -> None:
    with otel_llm.chat_span("gpt-4o-mini", "openai") as call:
        completion = client.chat.completions.create(**ASK, temperature=0.5)
        call.response(id="mine", input_tokens=999)
    span = recorder.span
    assert span.attributes["gen_ai.response.id"] == completion.id
    assert span.attributes["gen_ai.usage.input_tokens"] == completion.usage.prompt_tokens
    assert span.attributes["gen_ai.request.temperature"] == 0.5
    assert len(recorder.points("gen_ai.client.operation.duration")) == 1
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.count == 1


def test_an_instrumented_sdks_stream_inside_is_the_same_call(lenient: Any, client: Any) -> None:
    with otel_llm.chat_span("gpt-4o-mini", "openai", stream=True) as call:
        chunks = 0
        for chunk in client.chat.completions.create(**ASK, stream=True):
            chunks += 1
            call.chunk(chunk.choices[0].delta.content if chunk.choices else None)
    assert lenient.span
    gaps = lenient.points("gen_ai.client.operation.time_per_output_chunk")
    assert sum(point.count for point in gaps) == chunks - 1


def test_what_an_instrumented_sdk_inside_is_asked_is_on_the_span(recorder: Any, client: Any) -> None:
    recorder.instrument(ON_SPANS)
    with otel_llm.chat_span("gpt-4o-mini", "openai"):
        client.chat.completions.create(**ASK)
    said = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    assert json.loads(recorder.attributes["gen_ai.input.messages"]) == said


def test_what_the_outer_layer_says_of_its_input_stays(recorder: Any, client: Any) -> None:
    recorder.instrument(ON_BOTH)
    with otel_llm.chat_span("gpt-4o-mini", "openai", messages="my own words"):
        client.chat.completions.create(**ASK)
    assert "my own words" in recorder.attributes["gen_ai.input.messages"]
    (event,) = (log for log in recorder.logs if log.event_name == "gen_ai.client.inference.operation.details")
    assert "my own words" in json.dumps(event.attributes["gen_ai.input.messages"], default=list)


def test_another_operation_inside_is_its_own_span(lenient: Any, client: Any) -> None:
    with otel_llm.chat_span("m", "own"):
        client.embeddings.create(model="e", input="hi", encoding_format="float")
    assert [span.name for span in lenient.spans] == ["embeddings e", "chat m"]


# --- what an agent counts ---------------------------------------------------------------------------------------


def test_an_agents_own_calls(recorder: Any, client: Any) -> None:
    with otel_llm.agent_span("outer"):
        completion = client.chat.completions.create(**ASK)
        with otel_llm.step_span("think"), otel_llm.propagate_attributes(tags=["a"]), whole_chat() as call:
            answer(call)
        with otel_llm.tool_span("t"), whole_chat() as call:
            answer(call)
        with otel_llm.agent_span("inner"), whole_chat() as call:
            answer(call)
        with pytest.raises(ValueError, match="no"), otel_llm.tool_span("t"):
            raise ValueError("no")
    inner, outer = (span for span in recorder.spans if span.name.startswith("invoke_agent"))
    assert inner.attributes["gen_ai.usage.output_tokens"] == 4
    assert outer.attributes["gen_ai.usage.output_tokens"] == completion.usage.completion_tokens + 4
    assert outer.attributes["gen_ai.response.finish_reasons"] == ("stop",)

    def calls(what: str) -> dict[str, float]:
        return {
            point.attributes["gen_ai.agent.name"]: point.sum for point in recorder.points(f"gen_ai.invoke_agent.{what}")
        }

    assert calls("inference_calls") == {"inner": 1, "outer": 2}
    assert calls("tool_calls") == {"inner": 0, "outer": 2}
    tools = [span for span in recorder.spans if span.name.startswith("execute_tool")]
    assert {span.attributes["gen_ai.agent.name"] for span in tools} == {"outer"}


def test_langchain_in_an_agent(lenient: Any) -> None:
    models = pytest.importorskip("langchain_core.language_models")
    model = models.FakeListChatModel(responses=["hi"])
    with otel_llm.propagate_attributes(session_id="s-1", conversation_id="c-1"), otel_llm.agent_span("outer"):
        model.invoke("hi")
        list(model.stream("hi"))
    *chats, agent = lenient.spans
    assert len(chats) == 2
    for chat in chats:
        assert chat.attributes["session.id"] == "s-1"
        assert chat.attributes["gen_ai.conversation.id"] == "c-1"
        assert chat.attributes["gen_ai.agent.name"] == "outer"
        assert chat.parent.span_id == agent.context.span_id
    (counted,) = lenient.points("gen_ai.invoke_agent.inference_calls")
    assert counted.sum == 2
