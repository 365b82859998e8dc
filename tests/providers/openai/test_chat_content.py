"""Chat Completions: prompts, tools and answers as content."""

from __future__ import annotations

import base64

import pytest
from reading import CONTENT, CONTENT_AND_MEDIA, content, inputs, outputs
from replies import CHAT, PIXEL, PIXEL_DESCRIBED, WEATHER, chat_reply

SOUND = base64.b64encode(b"RIFF").decode()
PNG = f"data:image/png;base64,{PIXEL}"


@pytest.fixture
def recorder(recorder):
    recorder.instrument(CONTENT)
    return recorder


def text(words):
    return {"type": "text", "content": words}


def ask(client, *messages, **fields):
    return client.chat.completions.create(model="gpt-4o-mini", messages=list(messages), **fields)


def answered(recorder):
    (message,) = outputs(recorder)
    return message


async def test_a_conversation_in_its_order(recorder, api, server):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "kind."}]},
        {"role": "user", "content": "Sunny?", "name": "ada"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"sun": true}'},
        {"role": "assistant", "content": "Yes.", "refusal": None},
        {"role": "user", "content": "Sure?"},
    ]
    server.reply_with(chat_reply())
    await api(lambda client: ask(client, *messages))
    assert inputs(recorder) == [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "developer", "parts": [text("And "), text("kind.")]},
        {"role": "user", "parts": [text("Sunny?")], "name": "ada"},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "call_1", "response": '{"sun": true}'}],
        },
        {"role": "assistant", "parts": [text("Yes.")]},
        {"role": "user", "parts": [text("Sure?")]},
    ]
    assert outputs(recorder) == [{"role": "assistant", "parts": [text("Paris.")], "finish_reason": "stop"}]
    assert "gen_ai.system_instructions" not in recorder.attributes  # they stand in the history


def test_one_output_message_for_each_choice(recorder, client, server):
    server.reply_with(chat_reply({"content": "a"}, {"content": "b"}, reasons=("stop", "content_filter")))
    client.chat.completions.create(**CHAT, n=2)
    assert [(m["parts"], m["finish_reason"]) for m in outputs(recorder)] == [
        ([text("a")], "stop"),
        ([text("b")], "content_filter"),
    ]


@pytest.mark.parametrize(
    ("arguments", "parsed"), [('{"city": "Rome"}', {"city": "Rome"}), ("{oops", "{oops"), ("", "")]
)
def test_arguments_of_a_tool_call_are_parsed_where_they_are_json(recorder, client, server, arguments, parsed):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    server.reply_with(chat_reply({"tool_calls": [call]}, reasons=("tool_calls",)))
    client.chat.completions.create(**CHAT)
    assert answered(recorder) == {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": parsed}],
        "finish_reason": "tool_call",
    }


def test_custom_tools_and_legacy_functions(recorder, client, server):
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    function = {"name": "time", "arguments": "{}"}
    server.reply_with(chat_reply({"tool_calls": [custom], "function_call": function}, reasons=("function_call",)))
    asked = {"role": "assistant", "content": None, "function_call": {"name": "time", "arguments": '{"zone": "CET"}'}}
    ask(client, asked, {"role": "function", "name": "time", "content": "noon"})
    called, result = inputs(recorder)
    assert called["parts"] == [{"type": "tool_call", "id": None, "name": "time", "arguments": {"zone": "CET"}}]
    assert result == {
        "role": "function",
        "name": "time",
        "parts": [{"type": "tool_call_response", "id": None, "response": "noon"}],
    }
    assert answered(recorder)["parts"] == [
        {"type": "tool_call", "id": "call_1", "name": "sql", "arguments": "select 1"},
        {"type": "tool_call", "id": None, "name": "time", "arguments": {}},
    ]
    assert answered(recorder)["finish_reason"] == "tool_call"


def test_tool_definitions_are_flat(recorder, client):
    client.chat.completions.create(
        **CHAT,
        tools=[
            {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": WEATHER}},
            {"type": "custom", "custom": {"name": "sql"}},
        ],
        extra_body={"functions": [{"name": "time", "parameters": WEATHER}]},
    )
    assert content(recorder.attributes, "tool.definitions") == [
        {"type": "function", "name": "weather", "description": "Weather", "parameters": WEATHER},
        {"type": "custom", "name": "sql"},
        {"type": "function", "name": "time", "parameters": WEATHER},
    ]


PARTS = [
    {"type": "text", "text": "Look."},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    {"type": "image_url", "image_url": {"url": PNG}},
    {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{SOUND}"}},
    {"type": "refusal", "refusal": "No."},
]


def test_media_is_described_and_not_carried(recorder, client, server):
    server.reply_with(chat_reply())
    ask(client, {"role": "user", "content": PARTS})
    (message,) = inputs(recorder)
    words, link, image, sound, file, document, video, refusal = message["parts"]
    assert words == text("Look.")
    assert link == {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"}
    assert image == {"type": "blob", "modality": "image", "mime_type": "image/png", **PIXEL_DESCRIBED}
    assert (sound["modality"], sound["mime_type"], sound["byte_size"]) == ("audio", "audio/wav", 4)
    assert file == {"type": "file", "modality": "document", "file_id": "file-1"}
    assert (document["mime_type"], document["name"], document["byte_size"]) == ("application/pdf", "a.pdf", 4)
    assert (video["modality"], video["mime_type"], video["byte_size"]) == ("video", "video/mp4", 4)
    assert refusal == {"type": "refusal", "content": "No."}
    for carried in (PIXEL, SOUND, "JVBERg"):
        assert carried not in recorder.attributes["gen_ai.input.messages"]


def test_media_is_carried_where_that_is_wanted(recorder, client, server):
    recorder.instrument(CONTENT_AND_MEDIA)
    server.reply_with(chat_reply())
    ask(client, {"role": "user", "content": PARTS})
    (message,) = inputs(recorder)
    carried = [part["content"] for part in message["parts"] if part["type"] == "blob"]
    assert carried == [PIXEL, SOUND, "JVBERg==", SOUND]


def test_media_in_the_result_of_a_tool_is_described(recorder, client, server):
    server.reply_with(chat_reply())
    parts = [{"type": "text", "text": "Drawn."}, {"type": "image_url", "image_url": {"url": PNG}}]
    ask(client, {"role": "tool", "tool_call_id": "call_1", "content": parts})
    (message,) = inputs(recorder)
    (result,) = message["parts"]
    assert result["id"] == "call_1"
    assert result["response"][0] == text("Drawn.")
    assert result["response"][1]["sha256"] == PIXEL_DESCRIBED["sha256"]
    assert PIXEL not in recorder.attributes["gen_ai.input.messages"]


def test_text_parts_of_a_tool_result_are_one_text(recorder, client, server):
    server.reply_with(chat_reply())
    parts = [{"type": "text", "text": "half "}, {"type": "text", "text": "past two"}]
    ask(client, {"role": "tool", "tool_call_id": "call_1", "content": parts})
    (message,) = inputs(recorder)
    assert message["parts"][0]["response"] == "half past two"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_of_compatible_servers(recorder, client, server, field):
    server.reply_with(chat_reply({field: "France, so", "content": "Paris."}))
    client.chat.completions.create(**CHAT)
    assert answered(recorder)["parts"] == [{"type": "reasoning", "content": "France, so"}, text("Paris.")]


def test_a_refusal(recorder, client, server):
    server.reply_with(chat_reply({"refusal": "I can't help with that."}))
    client.chat.completions.create(**CHAT)
    assert answered(recorder)["parts"] == [{"type": "refusal", "content": "I can't help with that."}]


def test_spoken_answers(recorder, client):
    client.chat.completions.create(**CHAT, modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"})
    (part,) = answered(recorder)["parts"]
    assert (part["type"], part["modality"], part["content"], part["byte_size"]) == ("blob", "audio", "", 18)
    assert "France" in part["transcript"]
    assert recorder.attributes["gen_ai.usage.audio.output_tokens"] == 50


def test_an_earlier_spoken_answer_is_a_reference(recorder, client, server):
    server.reply_with(chat_reply())
    ask(client, {"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "Again?"})
    assert inputs(recorder)[0]["parts"] == [{"type": "file", "modality": "audio", "file_id": "audio_1"}]


def test_messages_are_recorded_as_they_were_sent(recorder, client, server):
    """Also where the caller goes on with its list while the answer streams."""
    messages = [{"role": "user", "content": "first"}]
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
    messages.append({"role": "user", "content": "second"})
    for _ in stream:
        messages[0]["content"] = "changed"
    assert inputs(recorder) == [{"role": "user", "parts": [text("first")]}]


async def test_without_content_no_word_is_recorded_anywhere(recorder, api, server):
    recorder.instrument()
    secret = "Xyzzy"
    call = {"id": "call_1", "type": "function", "function": {"name": secret, "arguments": f'{{"a": "{secret}"}}'}}
    server.reply_with(chat_reply({"content": secret, "tool_calls": [call]}))
    function = {"name": secret, "description": secret, "parameters": WEATHER}
    await api(
        lambda client: ask(
            client,
            {"role": "user", "content": secret, "name": secret},
            tools=[{"type": "function", "function": function}],
            metadata={"a": secret},
            user=secret,
        )
    )
    assert secret not in recorder.span.to_json()
    assert secret not in str(recorder.metrics)
    assert recorder.logs == []
