"""The Responses API: calls and what they answer, as attributes."""

from __future__ import annotations

import pytest
from either import needs
from pydantic import BaseModel
from reading import CONTENT, content, exactly, inputs, outputs, part_of, usage
from replies import ASKED, WEATHER, event_stream, message, response

from standin.server import Reply

TOOL = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
PLAIN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "openai.api.type": "responses",
    "server.address": "127.0.0.1",
    "gen_ai.response.id": "resp_1",
    "gen_ai.response.model": "gpt-4.1-2025-04-14",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
}


class Capital(BaseModel):
    city: str


async def test_a_plain_call_has_these_attributes_and_no_others(recorder, api, server, durations):
    server.reply_with(Reply(body=response(message())))
    answer = await api(lambda client: client.responses.create(**ASKED))
    assert answer.output_text == "Paris."
    assert recorder.span.name == "chat gpt-4.1"
    assert recorder.attributes["otel_llm.request.id"] == answer._request_id
    assert exactly(recorder.attributes, PLAIN)
    assert durations() == []


async def test_every_request_parameter(recorder, api, server):
    server.reply_with(Reply(body=response(message(), service_tier="flex")))
    await api(
        lambda client: client.responses.create(
            **ASKED,
            temperature=0,
            top_p=1,
            max_output_tokens=50,
            reasoning={"effort": "minimal"},
            text={"format": {"type": "json_object"}, "verbosity": "low"},
            previous_response_id="resp_0",
            instructions="Be brief.",
            tools=[TOOL],
            extra_body={"top_k": 40, "service_tier": "flex"},
        )
    )
    assert exactly(
        recorder.attributes,
        {
            **PLAIN,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.top_p": 1.0,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.reasoning.level": "minimal",
            "gen_ai.request.previous_response.id": "resp_0",
            "gen_ai.output.type": "json",
            "openai.request.service_tier": "flex",
            "openai.response.service_tier": "flex",
        },
    )


@pytest.mark.parametrize(
    ("kind", "recorded"), [("text", "text"), ("json_object", "json"), ("json_schema", "json"), ("grammar", None)]
)
def test_output_type(recorder, client, server, kind, recorded):
    server.reply_with(Reply(body=response(message())))
    client.responses.create(**ASKED, extra_body={"text": {"format": {"type": kind}}})
    assert recorder.attributes.get("gen_ai.output.type") == recorded


async def test_parse(recorder, api):
    answer = await api(lambda client: client.responses.parse(**ASKED, text_format=Capital))
    assert isinstance(answer.output_parsed, Capital)
    assert recorder.span.name == "chat gpt-4.1"
    assert recorder.attributes["gen_ai.output.type"] == "json"


def test_all_of_usage(recorder, client, server):
    counted = {
        "input_tokens": 2000,
        "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 256},
        "output_tokens": 500,
        "output_tokens_details": {"reasoning_tokens": 300},
        "total_tokens": 2500,
    }
    server.reply_with(Reply(body=response(message(), usage=counted)))
    client.responses.create(**ASKED)
    assert usage(recorder.attributes) == {
        "input_tokens": 2000,
        "output_tokens": 500,
        "cache_read.input_tokens": 1024,
        "cache_write.input_tokens": 256,
        "reasoning.output_tokens": 300,
    }


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation(recorder, client, server, conversation):
    server.reply_with(Reply(status=500, body={}))
    with pytest.raises(Exception, match="500"):
        client.responses.create(**ASKED, extra_body={"conversation": conversation})
    assert recorder.attributes["gen_ai.conversation.id"] == "conv_1"  # what was asked tells


def test_the_conversation_that_the_answer_names(recorder, client, server):
    server.reply_with(Reply(body=response(message(), conversation={"id": "conv_2"})))
    client.responses.create(**ASKED)
    assert recorder.attributes["gen_ai.conversation.id"] == "conv_2"


@pytest.mark.parametrize("version", ["3", None])
def test_a_prompt_template(recorder, client, server, version):
    recorder.missing.add("gen_ai.request.model")  # the template may say it
    prompt = {"id": "pmpt_1", "variables": {"city": "Paris"}, **({"version": version} if version else {})}
    server.reply_with(Reply(body=response(message())))
    client.post("/responses", cast_to=object, body={"prompt": prompt})
    assert recorder.span.name == "chat"
    expected = {"gen_ai.prompt.name": "pmpt_1", **({"gen_ai.prompt.version": version} if version else {})}
    assert part_of(recorder.attributes, "gen_ai.prompt.") == expected


def test_the_variables_of_a_prompt_template_are_content(recorder, client, server):
    recorder.instrument(CONTENT)
    recorder.missing.add("gen_ai.request.model")
    server.reply_with(Reply(body=response(message())))
    variables = {"city": "Paris", "days": 3, "photo": {"type": "input_image", "file_id": "file_1"}}
    client.post("/responses", cast_to=object, body={"prompt": {"id": "pmpt_1", "variables": variables}})
    assert part_of(recorder.attributes, "gen_ai.prompt.variable.") == {
        "gen_ai.prompt.variable.city": "Paris",
        "gen_ai.prompt.variable.days": "3",
        "gen_ai.prompt.variable.photo": '{"type":"input_image","file_id":"file_1"}',
    }


def test_a_call_of_a_tool_is_the_reason_to_stop(recorder, client):
    client.responses.create(**ASKED, tools=[TOOL])
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)


@pytest.mark.parametrize(("kind", "answered"), [("function_call", False), ("shell_call", True)])
def test_a_call_that_openai_answered_itself_is_none(recorder, client, server, kind, answered):
    items = [{"type": kind, "call_id": "call_1", "name": "ls", "arguments": "{}", "id": "i_1"}]
    if answered:
        items.append({"type": f"{kind}_output", "call_id": "call_1", "id": "o_1", "output": []})
    server.reply_with(Reply(body=response(*items, message())))
    client.responses.create(**ASKED)
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop" if answered else "tool_call",)


@pytest.mark.parametrize("field", ["type", "call_id"])
def test_a_call_that_is_malformed_costs_nothing_else(recorder, client, server, field):
    call = {"type": "function_call", "call_id": "call_1", "name": "ls", "arguments": "{}", "id": "i_1"}
    server.reply_with(Reply(body=response(call | {field: {"type": 5}}, message())))
    client.responses.create(**ASKED)
    assert recorder.attributes["gen_ai.usage.input_tokens"] > 0


@pytest.mark.parametrize(
    ("reason", "recorded"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("other", "other"), (None, "error")],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_incomplete_response(recorder, api, server, reason, recorded, streamed):
    cut = response(message(), status="incomplete", incomplete_details=reason and {"reason": reason})
    created = {"type": "response.created", "response": response(status="in_progress", usage=None)}
    server.reply_with(
        event_stream(created, {"type": "response.incomplete", "response": cut}) if streamed else Reply(body=cut)
    )
    answer = await api(lambda client: client.responses.create(**ASKED, stream=streamed))
    if streamed:
        _ = [event async for event in answer] if api.is_async else list(answer)
    assert recorder.attributes["gen_ai.response.finish_reasons"] == (recorded,)
    assert "error.type" not in recorder.attributes


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failed_response_is_an_error_though_nothing_was_raised(recorder, api, streamed):
    answer = await api(lambda client: client.responses.create(model="error-failed", input="Hi", stream=streamed))
    if streamed:
        _ = [event async for event in answer] if api.is_async else list(answer)
    assert recorder.attributes["error.type"] == "server_error"
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert recorder.span.status.is_ok is False
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "server_error"


async def test_a_background_response_is_created_fetched_and_cancelled(recorder, api):
    needs(getattr(api.client.responses, "cancel", None))
    recorder.missing |= {"gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    made = await api(lambda client: client.responses.create(**ASKED, background=True))
    for _ in range(2):
        await api(lambda client: client.responses.retrieve(made.id))
    await api(lambda client: client.responses.cancel(made.id))
    created, working, done, cancelled = (dict(span.attributes or {}) for span in recorder.spans)
    assert [span.name for span in recorder.spans] == ["chat gpt-4.1", *["fetch_response"] * 3]
    assert part_of(created, "gen_ai.usage.", "gen_ai.response.status", "gen_ai.response.finish") == {}
    fetched = {
        "gen_ai.operation.name": "fetch_response",
        "gen_ai.provider.name": "openai",
        "openai.api.type": "responses",
        "openai.response.service_tier": "default",
        "server.address": "127.0.0.1",
        "gen_ai.response.id": made.id,
        "gen_ai.response.model": "gpt-4.1-2025-04-14",
    }
    assert exactly(working, {**fetched, "gen_ai.response.status": "in_progress"})
    finished = {"gen_ai.response.status": "completed", "gen_ai.response.finish_reasons": ("stop",)}
    assert exactly(done, {**fetched, **finished})
    stopped = {"gen_ai.response.status": "cancelled", "gen_ai.response.finish_reasons": ("error",)}
    assert exactly(cancelled, {**fetched, **stopped, "otel_llm.operation.name": "cancel_response"})
    assert recorder.points("gen_ai.client.token.usage") == []


def test_a_failed_response_can_be_fetched_without_an_error(recorder, client):
    made = client.responses.create(model="error-failed", input="Hi")
    recorder.span_exporter.clear()
    client.responses.retrieve(made.id)
    assert recorder.attributes["gen_ai.response.status"] == "failed"
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert "error.type" not in recorder.attributes


async def test_a_stream_that_is_taken_up_again(recorder, api):
    needs(api.client.responses.retrieve, "starting_after")
    recorder.instrument(CONTENT)
    made = await api(lambda client: client.responses.create(**ASKED))
    recorder.span_exporter.clear()
    events = await api.drain(lambda client: client.responses.retrieve(made.id, stream=True, starting_after=3))
    assert events[0].sequence_number == 4
    attributes = recorder.attributes
    assert recorder.span.name == "fetch_response"
    assert attributes["gen_ai.request.stream_cursor"] == "3"
    assert attributes["gen_ai.response.id"] == made.id
    assert attributes["gen_ai.response.status"] == "completed"
    assert part_of(attributes, "gen_ai.usage.", "gen_ai.input.") == {}
    assert "gen_ai.request.stream" not in attributes
    assert outputs(recorder)[0]["parts"] == [{"type": "text", "content": made.output_text}]


def test_compact(recorder, client, server):
    needs(getattr(client.responses, "compact", None))
    recorder.instrument(CONTENT)
    recorder.missing |= {"gen_ai.response.model", "gen_ai.response.finish_reasons"}
    compacted = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"}
    body = {"id": "resp_2", "object": "response.compaction", "created_at": 1, "output": [compacted]}
    server.reply_with(Reply(body={**body, "usage": response()["usage"]}))
    client.responses.compact(**ASKED)
    assert recorder.attributes["otel_llm.operation.name"] == "compact_response"
    assert recorder.attributes["gen_ai.conversation.compacted"] is True
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}
    assert outputs(recorder)[0]["parts"] == [{"type": "compaction", "id": "cmp_1"}]


def test_instructions_and_tools_stand_beside_the_messages(recorder, client, server):
    recorder.instrument(CONTENT)
    server.reply_with(Reply(body=response(message())))
    mcp = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com", "authorization": "secret"}
    tools = [TOOL, {"type": "web_search"}, {"type": "custom", "name": "sql", "description": "SQL"}, mcp]
    client.responses.create(**ASKED, instructions="Be brief.", tools=tools)
    assert content(recorder.attributes, "system_instructions") == [{"type": "text", "content": "Be brief."}]
    assert inputs(recorder) == [{"role": "user", "parts": [{"type": "text", "content": ASKED["input"]}]}]
    assert content(recorder.attributes, "tool.definitions") == [
        {"type": "function", "name": "weather", "parameters": WEATHER},
        {"type": "web_search", "name": "web_search"},
        {"type": "custom", "name": "sql", "description": "SQL"},
        {"type": "mcp", "name": "docs"},
    ]


async def test_calls_that_run_no_model_are_not_traced(recorder, api, server):
    made = await api(lambda client: client.responses.create(**ASKED))
    recorder.span_exporter.clear()
    await api(lambda client: client.responses.delete(made.id))
    server.reply_with(Reply(body={"object": "list", "data": [], "has_more": False}))
    await api.drain(lambda client: client.responses.input_items.list("resp_1"))
    assert recorder.spans == []


async def test_under_beta(recorder, api):
    if not hasattr(api.client.beta, "responses"):
        pytest.skip("this SDK has no beta.responses")
    made = await api(lambda client: client.beta.responses.create(**ASKED))
    await api.drain(lambda client: client.beta.responses.create(**ASKED, stream=True))
    await api(lambda client: client.beta.responses.retrieve(made.id))
    assert [span.name for span in recorder.spans] == [f"chat {ASKED['model']}"] * 2 + ["fetch_response"]
    for span in recorder.spans[:2]:
        assert span.attributes["openai.api.type"] == "responses"
        assert span.attributes["gen_ai.usage.output_tokens"] > 0


@pytest.mark.parametrize("path", ["responses", "/responses?beta=true"])
def test_posted_by_the_application(recorder, client, path):
    client.post(path, cast_to=object, body=ASKED)
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0
