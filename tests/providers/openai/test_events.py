"""The two events: operation details, with content in its structure, and exceptions."""

from __future__ import annotations

import openai
import pytest
from opentelemetry._logs import SeverityNumber
from reading import inputs, outputs
from replies import ASKED, CHAT, PIXEL, chat_chunk, chat_reply, chat_stream

from otel_llm import ContentCapture, Settings

DETAILS = "gen_ai.client.inference.operation.details"
EXCEPTION = "gen_ai.client.operation.exception"
MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages")
ASKED_MESSAGE = {"role": "user", "parts": [{"type": "text", "content": "What is the capital of France?"}]}
ANSWERED = {"role": "assistant", "parts": [{"type": "text", "content": "Paris."}], "finish_reason": "stop"}


def plain(value):
    """Attribute values as JSON has them: the SDK keeps tuples."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def the_log(recorder):
    (log,) = recorder.logs
    return log


async def test_content_on_the_event_alone(recorder, api, server):
    recorder.instrument(Settings(capture_content=ContentCapture.EVENT_ONLY, emit_event=True))
    server.reply_with(chat_reply())
    await api(lambda client: client.chat.completions.create(**CHAT, temperature=0.5))
    log = the_log(recorder)
    assert (log.event_name, log.severity_number, log.body) == (DETAILS, SeverityNumber.DEBUG, None)
    context = recorder.span.get_span_context()
    assert (log.trace_id, log.span_id) == (context.trace_id, context.span_id)
    event = dict(log.attributes)
    contents = {name: event.pop(name) for name in MESSAGES}
    assert plain(contents) == {MESSAGES[0]: [ASKED_MESSAGE], MESSAGES[1]: [ANSWERED]}
    on_span = recorder.attributes
    assert not set(MESSAGES) & set(on_span)
    assert plain(event) == plain(on_span)


async def test_content_on_both(recorder, api, server):
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT, emit_event=True))
    server.reply_with(chat_stream(chat_chunk({"content": "Paris."}), chat_chunk(reason="stop")))
    await api.drain(lambda client: client.chat.completions.create(**CHAT, stream=True))
    event = the_log(recorder).attributes
    assert plain([*event[MESSAGES[0]], *event[MESSAGES[1]]]) == inputs(recorder) + outputs(recorder)
    assert inputs(recorder) + outputs(recorder) == [ASKED_MESSAGE, ANSWERED]
    assert event["gen_ai.response.time_to_first_chunk"] == recorder.attributes["gen_ai.response.time_to_first_chunk"]


def test_an_event_without_content(recorder, client):
    recorder.instrument(Settings(emit_event=True))
    client.responses.create(**ASKED)
    event = the_log(recorder).attributes
    assert event["openai.api.type"] == "responses"
    assert not set(MESSAGES) & set(event)


@pytest.mark.parametrize("settings", [Settings(), Settings(capture_content=ContentCapture.SPAN_ONLY)])
def test_no_event_unless_it_is_wanted(recorder, client, settings):
    recorder.instrument(settings)
    client.chat.completions.create(**CHAT)
    assert recorder.logs == []


def test_media_on_the_event_is_described_too(recorder, client):
    recorder.instrument(Settings(capture_content=ContentCapture.EVENT_ONLY, emit_event=True))
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": [image]}])
    (part,) = the_log(recorder).attributes[MESSAGES[0]][0]["parts"]
    assert (part["content"], part["byte_size"]) == ("", 70)


def test_embeddings_fetches_and_moderations_are_no_inferences(recorder, client):
    recorder.instrument(Settings(emit_event=True))
    made = client.responses.create(**ASKED)
    assert len(recorder.logs) == 1
    client.embeddings.create(model="text-embedding-3-small", input="a")
    client.responses.retrieve(made.id)
    client.moderations.create(input="a")
    assert len(recorder.logs) == 1


async def test_an_exception_without_content_has_no_message(recorder, api):
    with pytest.raises(openai.AuthenticationError):
        await api(lambda client: client.chat.completions.create(model="error-401", messages=CHAT["messages"]))
    log = the_log(recorder)
    assert (log.event_name, log.severity_number) == (EXCEPTION, SeverityNumber.WARN)
    assert log.span_id == recorder.span.get_span_context().span_id
    assert log.attributes["exception.type"] == "openai.AuthenticationError"
    assert "exception.message" not in log.attributes
    assert "Incorrect API key" not in str(log.attributes)
    assert "Incorrect API key" not in recorder.span.to_json()


@pytest.mark.parametrize("capture", [ContentCapture.SPAN_ONLY, ContentCapture.EVENT_ONLY])
async def test_an_exception_with_content_has_its_message(recorder, api, capture):
    recorder.instrument(Settings(capture_content=capture, emit_event=False))
    with pytest.raises(openai.RateLimitError):
        await api(lambda client: client.chat.completions.create(model="error-429", messages=CHAT["messages"]))
    given = the_log(recorder).attributes
    assert given["exception.type"] == "openai.RateLimitError"
    assert "Rate limit reached" in given["exception.message"]
    assert "RateLimitError" in given["exception.stacktrace"]
    assert "Rate limit reached" in recorder.span.status.description


def test_a_failed_call_has_both_events(recorder, client):
    recorder.instrument(Settings(capture_content=ContentCapture.EVENT_ONLY, emit_event=True))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="error-500", messages=CHAT["messages"])
    events = {log.event_name: log.attributes for log in recorder.logs}
    assert set(events) == {DETAILS, EXCEPTION}
    details = events[DETAILS]
    assert details["error.type"] == "openai.InternalServerError"
    assert plain(details["gen_ai.response.finish_reasons"]) == ["error"]
    assert plain(details[MESSAGES[0]]) == [ASKED_MESSAGE]
    assert MESSAGES[1] not in details  # nothing was answered
