"""The Responses API: input and output items as content."""

from __future__ import annotations

import base64

import pytest
from reading import CONTENT, CONTENT_AND_MEDIA, inputs, outputs
from replies import PIXEL, PIXEL_DESCRIBED, message, response

from standin.server import Reply

PNG = f"data:image/png;base64,{PIXEL}"
PICTURE = {"type": "blob", "modality": "image", "mime_type": "image/png", **PIXEL_DESCRIBED}
SOUND = base64.b64encode(b"RIFF").decode()


@pytest.fixture
def recorder(recorder):
    recorder.instrument(CONTENT)
    return recorder


def text(words):
    return {"type": "text", "content": words}


def ask(client, server, *items):
    """Send `items` as input; the answer is beside the point."""
    server.reply_with(Reply(body=response(message())))
    client.responses.create(model="gpt-4.1", input=list(items))


def answer(client, server, *items):
    server.reply_with(Reply(body=response(*items)))
    return client.responses.create(model="gpt-4.1", input="Hi")


async def test_a_conversation_in_its_order(recorder, api, server):
    items = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "input_text", "text": "And kind."}]},
        {"type": "message", "role": "user", "content": "Sunny?"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": '{"sun": true}'},
        message("Yes."),
        {"role": "user", "content": "Sure?"},
    ]
    server.reply_with(Reply(body=response(message())))
    await api(lambda client: client.responses.create(model="gpt-4.1", input=items))
    assert inputs(recorder) == [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "developer", "parts": [text("And kind.")]},
        {"role": "user", "parts": [text("Sunny?")]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": '{"sun": true}'}]},
        {"role": "assistant", "parts": [text("Yes.")]},
        {"role": "user", "parts": [text("Sure?")]},
    ]
    assert outputs(recorder) == [{"role": "assistant", "parts": [text("Paris.")], "finish_reason": "stop"}]


def test_output_items_that_are_sent_back_as_they_came(recorder, client, server):
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    first = answer(client, server, thought, call, message("One moment."))
    recorder.span_exporter.clear()
    ask(client, server, {"role": "user", "content": "Hi"}, *first.output)
    _, thinking, calling, saying = inputs(recorder)
    assert thinking == {"role": "assistant", "parts": []}  # what is encrypted says nothing
    assert calling["parts"] == [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {}}]
    assert saying["parts"] == [text("One moment.")]


MEDIA = [
    {"type": "input_text", "text": "Look."},
    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
    {"type": "input_image", "image_url": PNG, "detail": "auto"},
    {"type": "input_image", "file_id": "file-1", "detail": "auto"},
    {"type": "input_audio", "input_audio": {"data": SOUND, "format": "mp3"}},
    {"type": "input_file", "file_id": "file-2"},
    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERg=="},
    {"type": "refusal", "refusal": "No."},
]


def test_media_is_described_and_not_carried(recorder, client, server):
    ask(client, server, {"role": "user", "content": MEDIA})
    (asked,) = inputs(recorder)
    words, link, image, kept, sound, file, away, document, refusal = asked["parts"]
    assert words == text("Look.")
    assert link == {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"}
    assert image == PICTURE
    assert kept == {"type": "file", "modality": "image", "file_id": "file-1"}
    assert (sound["modality"], sound["mime_type"], sound["byte_size"]) == ("audio", "audio/mp3", 4)
    assert file == {"type": "file", "modality": "document", "file_id": "file-2"}
    assert away == {"type": "uri", "modality": "document", "uri": "https://example.com/a.pdf"}
    assert (document["name"], document["byte_size"], document["content"]) == ("a.pdf", 4, "")
    assert refusal == {"type": "refusal", "content": "No."}


def test_media_is_carried_where_that_is_wanted(recorder, client, server):
    recorder.instrument(CONTENT_AND_MEDIA)
    ask(client, server, {"role": "user", "content": MEDIA})
    carried = [part["content"] for part in inputs(recorder)[0]["parts"] if part["type"] == "blob"]
    assert carried == [PIXEL, SOUND, "JVBERg=="]


def call(name, arguments, identifier="call_1"):
    return {"type": "tool_call", "id": identifier, "name": name, "arguments": arguments}


def result(value, identifier="call_1"):
    return {"type": "tool_call_response", "id": identifier, "response": value}


CLICK = {"type": "click", "x": 1, "y": 2}
ITEMS = {
    "custom call": (
        {"type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "select 1"},
        call("sql", "select 1"),
    ),
    "computer call": (
        {"type": "computer_call", "call_id": "call_1", "id": "cu_1", "action": CLICK},
        call("computer", CLICK),
    ),
    "computer calls": ({"type": "computer_call", "call_id": "call_1", "actions": [CLICK]}, call("computer", [CLICK])),
    "local shell": (
        {"type": "local_shell_call", "call_id": "call_1", "action": {"command": ["ls"]}},
        call("local_shell", {"command": ["ls"]}),
    ),
    "shell": (
        {"type": "shell_call", "call_id": "call_1", "action": {"commands": ["ls"]}},
        call("shell", {"commands": ["ls"]}),
    ),
    "patch": (
        {"type": "apply_patch_call", "call_id": "call_1", "operation": {"type": "delete_file", "path": "a"}},
        call("apply_patch", {"type": "delete_file", "path": "a"}),
    ),
    "custom output": ({"type": "custom_tool_call_output", "call_id": "call_1", "output": "1"}, result("1")),
    "text output": (
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        },
        result("ab"),
    ),
    "picture output": (
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG}],
        },
        result([text("a"), PICTURE]),
    ),
    "screenshot": (
        {
            "type": "computer_call_output",
            "call_id": "call_1",
            "output": {"type": "computer_screenshot", "image_url": PNG},
        },
        result(PICTURE),
    ),
    "shell output": (
        {"type": "shell_call_output", "call_id": "call_1", "output": [{"stdout": "a", "stderr": ""}]},
        result([{"stdout": "a", "stderr": ""}]),
    ),
    "local shell output": ({"type": "local_shell_call_output", "id": "call_1", "output": "a"}, result("a")),
    "program output": ({"type": "program_output", "id": "p", "call_id": "call_1", "result": "4"}, result("4")),
    "approval": (
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    ),
    "reference": ({"type": "item_reference", "id": "msg_0"}, {"type": "item_reference", "id": "msg_0"}),
    "compaction": (
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
        {"type": "compaction", "id": "cmp_1"},
    ),
}


@pytest.mark.parametrize("name", ITEMS)
def test_items_of_the_input(recorder, client, server, name):
    item, part = ITEMS[name]
    ask(client, server, item)
    (made,) = inputs(recorder)
    assert made == {"role": "tool" if part["type"] == "tool_call_response" else "assistant", "parts": [part]}


@pytest.mark.parametrize("name", [name for name in ITEMS if "call" in name or "shell" in name or "patch" in name])
def test_the_same_items_in_the_answer(recorder, client, server, name):
    item, part = ITEMS[name]
    answer(client, server, item)
    assert outputs(recorder)[0]["parts"] == [part]


def test_reasoning_is_told_by_its_summary_or_its_text(recorder, client, server):
    summed = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "First,"}]}
    spelled = {**summed, "summary": [], "content": [{"type": "reasoning_text", "text": "then."}]}
    answer(client, server, summed, spelled, message())
    assert outputs(recorder)[0]["parts"] == [
        {"type": "reasoning", "content": "First,"},
        {"type": "reasoning", "content": "then."},
        text("Paris."),
    ]


def test_a_refusal_and_several_messages_are_one_answer(recorder, client, server):
    no = {"type": "refusal", "refusal": "I can't."}
    answer(client, server, message("Well,"), message(content=[no]))
    assert outputs(recorder) == [
        {
            "role": "assistant",
            "parts": [text("Well,"), {"type": "refusal", "content": "I can't."}],
            "finish_reason": "stop",
        }
    ]


SEARCH = {"type": "search", "query": "news"}
RESULTS = [{"file_id": "f", "text": "b"}]
SERVER_CALLS = {
    "web search": ({"type": "web_search_call", "status": "completed", "action": SEARCH}, {"action": SEARCH}, None),
    "file search": (
        {"type": "file_search_call", "status": "completed", "queries": ["a"], "results": RESULTS},
        {"queries": ["a"]},
        {"results": RESULTS},
    ),
    "code": (
        {
            "type": "code_interpreter_call",
            "status": "completed",
            "code": "plot()",
            "container_id": "cntr_1",
            "outputs": [{"type": "logs", "logs": "ok"}, {"type": "image", "url": PNG}],
        },
        {"code": "plot()", "container_id": "cntr_1"},
        {"outputs": [{"type": "logs", "logs": "ok"}, {"type": "image", "url": PICTURE}]},
    ),
    "mcp": (
        {
            "type": "mcp_call",
            "server_label": "docs",
            "name": "find",
            "arguments": "{}",
            "output": "found",
            "status": "completed",
        },
        {"server_label": "docs", "name": "find", "arguments": "{}"},
        {"output": "found"},
    ),
}


@pytest.mark.parametrize("name", SERVER_CALLS)
def test_tools_that_openai_ran(recorder, client, server, name):
    item, called, given = SERVER_CALLS[name]
    answer(client, server, {**item, "id": "item_1"}, message())
    kind = item["type"].removesuffix("_call")
    asked, *results, words = outputs(recorder)[0]["parts"]
    assert asked == {
        "type": "server_tool_call",
        "id": "item_1",
        "name": kind,
        "server_tool_call": {"type": kind, "status": "completed", **called},
    }
    wanted = {"type": "server_tool_call_response", "id": "item_1", "server_tool_call_response": {"type": kind}}
    if given:
        wanted["server_tool_call_response"] |= given
    assert results == ([wanted] if given else [])
    assert words == text("Paris.")
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_a_picture_that_was_made(recorder, client, server):
    item = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": PIXEL,
        "output_format": "png",
    }
    answer(client, server, item)
    called, picture = outputs(recorder)[0]["parts"]
    assert called["server_tool_call"] == {"type": "image_generation", "status": "completed"}
    assert picture == PICTURE


def test_items_of_a_kind_that_is_new(recorder, client, server):
    answer(client, server, {"type": "dream", "id": "dr_1"}, {"type": "dream_call", "id": "dc_1"})
    dream, dreamt = outputs(recorder)[0]["parts"]
    assert dream == {"type": "dream", "id": "dr_1"}
    assert dreamt["server_tool_call"] == {"type": "dream"}


@pytest.mark.filterwarnings("error")
def test_a_malformed_item_warns_of_nothing(recorder, client, server):
    call = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "c", "status": "completed"}
    answer(client, server, {**call, "outputs": [{"type": "image", "url": {"a": 5}}]})
    (message,) = outputs(recorder)
    assert message["parts"][1]["server_tool_call_response"]["outputs"] == [{"type": "image", "url": {"a": 5}}]
