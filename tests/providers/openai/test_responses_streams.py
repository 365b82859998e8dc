"""The Responses API, streamed: to the end, and as far as it came."""

from __future__ import annotations

from contextlib import suppress

import openai
import pytest
from either import needs
from reading import CONTENT, exactly, outputs, usage
from replies import ASKED, WEATHER, event_stream, message, response

from standin.server import Reply, sse

TOOL = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
CREATED = {"type": "response.created", "response": response(status="in_progress", usage=None)}


def added(item, index=0):
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item, index=0):
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind, words, index=0, **place):
    return {"type": f"response.{kind}.delta", "output_index": index, "item_id": "item_1", "delta": words, **place}


def broken(*events):
    """A stream that is cut off after `events`."""
    return Reply(chunks=sse(CREATED, *events, done=False, named=True), abort=True)


def answered(recorder):
    (one,) = outputs(recorder)
    return one


async def test_the_attributes_of_a_stream(recorder, api, server, durations):
    recorder.instrument(CONTENT)
    completed = {"type": "response.completed", "response": response(message(), service_tier="default")}
    server.reply_with(event_stream(CREATED, added({**message(), "content": []}), done(message()), completed))
    events = await api.drain(lambda client: client.responses.create(**ASKED, stream=True))
    assert [event.type for event in events] == [e["type"] for e in (CREATED, added({}), done({}), completed)]
    given = recorder.attributes
    for timed in ("gen_ai.response.time_to_first_chunk", "otel_llm.response.time_per_output_token"):
        assert given.pop(timed) > 0
    assert given.pop("otel_llm.response.output_tokens_per_second") > 0
    assert answered(recorder)["parts"] == [{"type": "text", "content": "Paris."}]
    for content in ("gen_ai.input.messages", "gen_ai.output.messages"):
        del given[content]
    assert exactly(
        given,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4.1",
            "gen_ai.request.stream": True,
            "openai.api.type": "responses",
            "openai.response.service_tier": "default",
            "server.address": "127.0.0.1",
            "gen_ai.response.id": "resp_1",
            "gen_ai.response.model": "gpt-4.1-2025-04-14",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3,
        },
    )
    assert durations() == []


async def test_the_stream_helper(recorder, api):
    async with api.entered(lambda client: client.responses.stream(**ASKED, tools=[TOOL])) as stream:
        if api.is_async:
            _ = [event async for event in stream]
            final = await stream.get_final_response()
        else:
            final = stream.get_final_response()
    assert recorder.attributes["gen_ai.response.id"] == final.id
    assert recorder.attributes["gen_ai.usage.output_tokens"] == final.usage.output_tokens
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)


async def test_the_stream_helper_on_a_response_of_before(recorder, api):
    needs(api.client.responses.stream, "response_id")
    recorder.missing |= {"gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    made = await api(lambda client: client.responses.create(**ASKED, background=True))
    recorder.span_exporter.clear()
    async with api.entered(lambda client: client.responses.stream(response_id=made.id)) as stream:
        _ = [event async for event in stream] if api.is_async else list(stream)
    assert recorder.span.name == "fetch_response"
    assert recorder.attributes["gen_ai.response.status"] == "completed"
    assert usage(recorder.attributes) == {}


async def test_a_background_response_that_is_streamed(recorder, api):
    needs(api.client.responses.create, "background")
    events = await api.drain(lambda client: client.responses.create(**ASKED, background=True, stream=True))
    assert events[1].type == "response.queued"
    assert recorder.span.name == "chat gpt-4.1"
    assert recorder.attributes["gen_ai.usage.output_tokens"] == events[-1].response.usage.output_tokens


PARTIAL = {
    "text": (
        [added({**message(), "content": []}), delta("output_text", "Pa"), delta("output_text", "ri")],
        {"type": "text", "content": "Pari"},
    ),
    "refusal": ([delta("refusal", "I ca"), delta("refusal", "n't")], {"type": "refusal", "content": "I can't"}),
    "summary": (
        [delta("reasoning_summary_text", "Let "), delta("reasoning_summary_text", "me")],
        {"type": "reasoning", "content": "Let me"},
    ),
    "reasoning": ([delta("reasoning_text", "Let me")], {"type": "reasoning", "content": "Let me"}),
    "arguments": (
        [
            added({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": ""}),
            delta("function_call_arguments", '{"ci'),
        ],
        {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": '{"ci'},
    ),
    "custom input": (
        [
            added({"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": ""}),
            delta("custom_tool_call_input", "select"),
        ],
        {"type": "tool_call", "id": "call_1", "name": "sql", "arguments": "select"},
    ),
    "code": (
        [
            added({"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress"}),
            delta("code_interpreter_call_code", "plo"),
        ],
        {
            "type": "server_tool_call",
            "id": "ci_1",
            "name": "code_interpreter",
            "server_tool_call": {"type": "code_interpreter", "code": "plo"},
        },
    ),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_what_came_before_a_stream_broke_off(recorder, client, server, name):
    recorder.instrument(CONTENT)
    events, part = PARTIAL[name]
    server.reply_with(broken(done(message("Well, "), 0), *({**event, "output_index": 1} for event in events)))
    with pytest.raises(Exception, match=r"(?i)connection|incomplete"):
        list(client.responses.create(**ASKED, stream=True))
    assert recorder.attributes["gen_ai.response.id"] == "resp_1"
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert "error.type" in recorder.attributes
    assert answered(recorder) == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Well, "}, part],
        "finish_reason": "error",
    }


async def test_an_error_event(recorder, api):
    with suppress(openai.APIError):  # some SDKs raise it, others hand out the event
        await api.drain(lambda client: client.responses.create(model="error-stream", input="Hi", stream=True))
    told = recorder.attributes["error.type"], recorder.attributes.get("otel_llm.error.code")
    assert told in (("openai.APIError", "server_error"), ("server_error", "server_error"))
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert recorder.span.status.is_ok is False


def test_a_stream_that_ends_without_its_last_event(recorder, client, server):
    recorder.instrument(CONTENT)
    server.reply_with(event_stream(CREATED, delta("output_text", "Pa")))
    recorder.missing.add("gen_ai.response.finish_reasons")
    list(client.responses.create(**ASKED, stream=True))
    assert "gen_ai.response.finish_reasons" not in recorder.attributes
    assert answered(recorder)["parts"] == [{"type": "text", "content": "Pa"}]


def test_events_of_other_shapes_reach_the_caller(recorder, client, server):
    odd = [{"type": "response.new.delta", "delta": {"x": 1}}, {"type": "response.output_item.done", "item": None}]
    completed = {"type": "response.completed", "response": response(message())}
    server.reply_with(event_stream(CREATED, *odd, {"type": "response.new"}, completed))
    events = list(client.responses.create(**ASKED, stream=True))
    assert [event.type for event in events[1:4]] == ["response.new.delta", odd[1]["type"], "response.new"]
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
