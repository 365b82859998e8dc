"""Calls that fail: one span each, with the error the caller gets."""

from __future__ import annotations

import openai
import pytest
from opentelemetry.trace import StatusCode
from reading import CONTENT, exactly, outputs, part_of
from replies import ASK, CHAT, chat_chunk, chat_reply, chat_stream

import otel_llm
from standin.openai import error
from standin.server import Reply

STATUSES = [
    (400, "BadRequestError", None),
    (401, "AuthenticationError", "invalid_api_key"),
    (403, "PermissionDeniedError", "unsupported_country_region_territory"),
    (404, "NotFoundError", "model_not_found"),
    (409, "ConflictError", None),
    (422, "UnprocessableEntityError", None),
    (429, "RateLimitError", "rate_limit_exceeded"),
    (500, "InternalServerError", None),
    (503, "InternalServerError", None),
]


def ask(client, model, **fields):
    return client.chat.completions.create(model=model, messages=ASK, **fields)


def failed(recorder):
    assert recorder.span.status.status_code is StatusCode.ERROR
    assert recorder.span.status.description is None  # it may quote the prompt
    assert recorder.span.events == ()
    return recorder.attributes


@pytest.mark.parametrize(("status", "name", "code"), STATUSES)
async def test_every_status(recorder, api, durations, status, name, code):
    with pytest.raises(getattr(openai, name)) as caught:
        await api(lambda client: ask(client, f"error-{status}"))
    assert caught.value.status_code == status
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": f"error-{status}",
        "openai.api.type": "chat_completions",
        "server.address": "127.0.0.1",
        "error.type": f"openai.{name}",
        "otel_llm.error.status_code": status,
        "gen_ai.response.finish_reasons": ("error",),
    }
    if code is not None:
        expected["otel_llm.error.code"] = code
    assert exactly(failed(recorder), expected)
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == f"openai.{name}"
    assert durations() == []


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("error-quota", "insufficient_quota"),
        ("error-context", "context_length_exceeded"),
        ("error-content", "content_filter"),
    ],
)
def test_the_code_of_the_provider(recorder, client, model, code):
    with pytest.raises(openai.APIStatusError):
        ask(client, model)
    assert failed(recorder)["otel_llm.error.code"] == code


async def test_the_id_for_support_tickets(recorder, api):
    with pytest.raises(openai.APIStatusError) as caught:
        await api(lambda client: ask(client, "error-500"))
    assert failed(recorder)["otel_llm.request.id"] == caught.value.request_id


def test_every_choice_that_was_asked_for_ended_in_an_error(recorder, client):
    with pytest.raises(openai.APIStatusError):
        ask(client, "error-500", n=3)
    assert failed(recorder)["gen_ai.response.finish_reasons"] == ("error",) * 3


async def test_a_connection_that_drops(recorder, api):
    with pytest.raises(openai.APIConnectionError):
        await api(lambda client: ask(client, "error-drop"))
    assert failed(recorder)["error.type"] == "openai.APIConnectionError"
    assert part_of(recorder.attributes, "otel_llm.error.") == {}


async def test_a_server_that_is_not_there(recorder, api):
    api.client.base_url = "http://127.0.0.1:1/v1"
    with pytest.raises(openai.APIConnectionError):
        await api(lambda client: ask(client, "gpt-4o"))
    assert failed(recorder)["error.type"] == "openai.APIConnectionError"
    assert (recorder.attributes["server.address"], recorder.attributes["server.port"]) == ("127.0.0.1", 1)


async def test_a_timeout(recorder, api, server):
    gate = server.hold()
    server.reply_with(Reply(delay=gate, body={}))
    with pytest.raises(openai.APITimeoutError):
        await api(lambda client: ask(client, "gpt-4o", timeout=0.05))
    gate.open()
    assert failed(recorder)["error.type"] == "openai.APITimeoutError"


async def test_retries_are_inside_the_one_span(recorder, api, server, durations):
    server.reply_with(error(500, "no"), error(429, "no"), chat_reply())
    answer = await api(lambda client: client.with_options(max_retries=2).chat.completions.create(**CHAT))
    assert answer.choices[0].message.content == "Paris."
    assert len(server.requests) == 3
    assert recorder.span.status.status_code is StatusCode.UNSET
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert recorder.logs == []
    assert durations() == []


async def test_retries_that_all_fail(recorder, api, server):
    server.reply_with(*[error(503, "no")] * 3)
    with pytest.raises(openai.InternalServerError):
        await api(lambda client: client.with_options(max_retries=2).chat.completions.create(**CHAT))
    assert len(server.requests) == 3
    assert failed(recorder)["otel_llm.error.status_code"] == 503
    assert failed(recorder)["otel_llm.request.retries"] == 2


async def test_a_retried_stream(recorder, api, server):
    server.reply_with(error(500, "no"), chat_stream(chat_chunk({"content": "Paris."}), chat_chunk(reason="stop")))
    chunks = await api.drain(
        lambda client: client.with_options(max_retries=1).chat.completions.create(**CHAT, stream=True)
    )
    assert len(chunks) == 2
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert recorder.attributes["otel_llm.request.retries"] == 1


async def test_a_retried_raw_response(recorder, api, server):
    server.reply_with(error(500, "no"), error(500, "no"), chat_reply())
    answer = await api(
        lambda client: client.with_options(max_retries=2).chat.completions.with_raw_response.create(**CHAT)
    )
    assert recorder.attributes["otel_llm.request.retries"] == answer.retries_taken == 2


async def test_a_stream_that_is_refused(recorder, api):
    with pytest.raises(openai.RateLimitError):
        await api(lambda client: ask(client, "error-429", stream=True))
    given = failed(recorder)
    assert given["gen_ai.request.stream"] is True
    assert "gen_ai.response.time_to_first_chunk" not in given


@pytest.mark.parametrize("model", ["error-cut", "error-stream"])
async def test_a_stream_that_breaks_off(recorder, api, model, durations):
    recorder.instrument(CONTENT)
    seen = []
    with pytest.raises(Exception, match=r"(?i)connection|incomplete|error") as caught:
        await api.drain(lambda client: ask(client, model, stream=True), into=seen)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in seen)
    kind = type(caught.value)
    assert recorder.span.status.status_code is StatusCode.ERROR
    assert recorder.attributes["error.type"] == f"{kind.__module__}.{kind.__qualname__}"
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert recorder.attributes["gen_ai.response.id"] == seen[0].id
    assert recorder.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert outputs(recorder) == [
        {"role": "assistant", "parts": [{"type": "text", "content": said}], "finish_reason": "error"}
    ]
    assert durations() == []


def test_an_answer_that_is_no_json(recorder, client, server):
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons"}
    recorder.missing |= {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    server.reply_with(Reply(body="<html>Welcome to the hotel's wifi</html>"))
    assert client.chat.completions.create(**CHAT) == "<html>Welcome to the hotel's wifi</html>"
    assert recorder.span.status.status_code is StatusCode.UNSET


def test_an_error_whose_body_is_no_json(recorder, client, server):
    server.reply_with(Reply(status=502, body="Bad gateway"))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**CHAT)
    assert part_of(failed(recorder), "otel_llm.error.") == {"otel_llm.error.status_code": 502}


def test_a_request_the_sdk_itself_refuses_is_no_call(recorder, client):
    with pytest.raises(TypeError):
        client.chat.completions.create(model="gpt-4o")
    assert recorder.spans == []


def test_the_caller_gets_the_error_it_would_get_without_us(recorder, client):
    """Nothing is wrapped, chained or noted onto it."""

    def told():
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, "error-400")
        error = caught.value
        return str(error), error.body, type(error.__cause__), type(error.__context__), getattr(error, "__notes__", [])

    traced = told()
    otel_llm.uninstrument()
    assert traced == told()
    assert len(recorder.spans) == 1
