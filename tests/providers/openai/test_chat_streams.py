"""Streamed Chat Completions: what the chunks add up to."""

from __future__ import annotations

import pytest
from reading import CONTENT, exactly, outputs, part_of, usage
from replies import CHAT, WEATHER, chat_chunk, chat_stream

TOOLS = [{"type": "function", "function": {"name": name, "parameters": WEATHER}} for name in ("weather", "time")]
TIMES = ("gen_ai.response.time_to_first_chunk", "otel_llm.response.")
COUNTED = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
SAID = [
    chat_chunk({"role": "assistant", "content": ""}),
    chat_chunk({"content": "Pa"}),
    chat_chunk({"content": "ris."}),
]


def stream(client, **fields):
    return client.chat.completions.create(**{**CHAT, "stream": True, **fields})


def answered(recorder):
    (message,) = outputs(recorder)
    return message


async def test_the_attributes_of_a_stream(recorder, api, server, durations):
    last = chat_chunk(reason="stop", service_tier="default", system_fingerprint="fp_1")
    server.reply_with(chat_stream(*SAID, last, chat_chunk(usage=COUNTED)))
    chunks = await api.drain(lambda client: stream(client, stream_options={"include_usage": True}))
    assert [chunk.choices[0].delta.content for chunk in chunks[:3]] == ["", "Pa", "ris."]
    assert len(chunks) == 5
    timed = part_of(recorder.attributes, *TIMES)
    assert set(timed) == {
        "gen_ai.response.time_to_first_chunk",
        "otel_llm.response.time_per_output_token",
        "otel_llm.response.output_tokens_per_second",
    }
    assert all(type(value) is float and value > 0 for value in timed.values())
    assert exactly(
        {name: value for name, value in recorder.attributes.items() if name not in timed},
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.stream": True,
            "openai.api.type": "chat_completions",
            "openai.response.service_tier": "default",
            "openai.response.system_fingerprint": "fp_1",
            "server.address": "127.0.0.1",
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3,
        },
    )
    assert recorder.attributes["otel_llm.request.id"].startswith("req_")
    assert durations() == []


async def test_usage_that_is_not_sent_is_absent(recorder, api):
    await api.drain(stream)
    assert usage(recorder.attributes) == {}
    assert part_of(recorder.attributes, "otel_llm.response.") == {}
    assert recorder.points("gen_ai.client.token.usage") == []


async def test_the_stream_helper(recorder, api):
    recorder.instrument(CONTENT)
    async with api.entered(lambda client: api.helper("stream")(**CHAT)) as events:
        if api.is_async:
            kinds = [event.type async for event in events]
            final = await events.get_final_completion()
        else:
            kinds = [event.type for event in events]
            final = events.get_final_completion()
    assert "content.delta" in kinds
    assert recorder.attributes["gen_ai.request.stream"] is True
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert answered(recorder)["parts"] == [{"type": "text", "content": final.choices[0].message.content}]


async def test_the_pieces_of_several_choices(recorder, api, server):
    recorder.instrument(CONTENT)
    server.reply_with(
        chat_stream(
            chat_chunk({"content": "a"}, index=1),
            chat_chunk({"content": "1"}, index=0),
            chat_chunk({"content": "b"}, index=1),
            chat_chunk(reason="length", index=1),
            chat_chunk({"content": "2"}, index=0),
            chat_chunk(reason="stop", index=0),
        )
    )
    await api.drain(lambda client: stream(client, n=2))
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert [(m["parts"][0]["content"], m["finish_reason"]) for m in outputs(recorder)] == [
        ("12", "stop"),
        ("ab", "length"),
    ]


def test_a_choice_that_never_came_has_no_reason(recorder, client, server):
    server.reply_with(chat_stream(*SAID, chat_chunk(reason="stop")))
    list(stream(client, n=3))
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


async def test_tool_calls_in_pieces_are_the_calls_of_a_whole_answer(recorder, api):
    recorder.instrument(CONTENT)
    await api.drain(lambda client: stream(client, tools=TOOLS))
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert recorder.attributes["otel_llm.response.finish_reasons"] == ("tool_calls",)
    parts = answered(recorder)["parts"]
    assert [(part["type"], part["name"], part["arguments"]) for part in parts] == [
        ("tool_call", "weather", {"city": "Paris"}),
        ("tool_call", "time", {"city": "Paris"}),
    ]
    assert all(part["id"].startswith("call_") for part in parts)
    assert answered(recorder)["finish_reason"] == "tool_call"


def test_pieces_of_two_calls_that_come_mixed(recorder, client, server):
    recorder.instrument(CONTENT)

    def piece(index, arguments, **head):
        return chat_chunk({"tool_calls": [{"index": index, **head, "function": {"arguments": arguments}}]})

    def head(index, name):
        call = {"index": index, "id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": ""}}
        return chat_chunk({"tool_calls": [call]})

    server.reply_with(
        chat_stream(
            head(1, "b"), head(0, "a"), piece(0, '{"x"'), piece(1, "[1"), piece(0, ": 1}"), piece(1, "]"),
            chat_chunk(reason="tool_calls"),
        )
    )  # fmt: skip
    list(stream(client))
    assert answered(recorder)["parts"] == [
        {"type": "tool_call", "id": "call_a", "name": "a", "arguments": {"x": 1}},
        {"type": "tool_call", "id": "call_b", "name": "b", "arguments": [1]},
    ]


def test_calls_without_an_index_and_calls_of_one_index_with_ids_of_their_own(recorder, client, server):
    """As Gemini's and other compatible servers send them: each call whole."""
    recorder.instrument(CONTENT)

    def call(name, **index):
        return {**index, "id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}

    server.reply_with(
        chat_stream(
            chat_chunk({"tool_calls": [call("a")]}),
            chat_chunk({"tool_calls": [call("b")]}),
            chat_chunk(reason="tool_calls"),
        ),
        chat_stream(
            chat_chunk({"tool_calls": [call("a", index=0)]}),
            chat_chunk({"tool_calls": [call("b", index=0)]}),
            chat_chunk(reason="tool_calls"),
        ),
    )
    list(stream(client))
    assert [part["id"] for part in answered(recorder)["parts"]] == ["call_a", "call_b"]
    recorder.span_exporter.clear()
    list(stream(client))
    assert [part["id"] for part in answered(recorder)["parts"]] == ["call_a", "call_b"]


def test_calls_of_one_index_without_ids(recorder, client, server):
    """A new name begins a new call; so does the same name, once the arguments are complete."""
    recorder.instrument(CONTENT)

    def pieces(name, *arguments, repeat=False):
        for number, piece in enumerate(arguments):
            function = {"arguments": piece} if number and not repeat else {"name": name, "arguments": piece}
            yield chat_chunk({"tool_calls": [{"index": 0, "type": "function", "function": function}]})

    server.reply_with(
        chat_stream(
            *pieces("weather", '{"city": ', '"Paris"}'),
            *pieces("time", '{"city": ', '"Rome"}'),
            *pieces("time", '{"city": ', '"Oslo"}', repeat=True),
            chat_chunk(reason="tool_calls"),
        )
    )
    list(stream(client))
    assert [(part["name"], part["arguments"]) for part in answered(recorder)["parts"]] == [
        ("weather", {"city": "Paris"}),
        ("time", {"city": "Rome"}),
        ("time", {"city": "Oslo"}),
    ]


def test_a_custom_tool_call_in_pieces(recorder, client):
    recorder.instrument(CONTENT)
    list(stream(client, tools=[{"type": "custom", "custom": {"name": "sql"}}]))
    (part,) = answered(recorder)["parts"]
    assert (part["type"], part["name"], part["arguments"]) == ("tool_call", "sql", "example")
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert recorder.attributes["otel_llm.response.finish_reasons"] == ("tool_calls",)


def test_a_legacy_function_call_in_pieces(recorder, client):
    recorder.instrument(CONTENT)
    list(stream(client, functions=[{"name": "weather", "parameters": WEATHER}]))
    assert answered(recorder)["parts"] == [
        {"type": "tool_call", "id": None, "name": "weather", "arguments": {"city": "Paris"}}
    ]
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert recorder.attributes["otel_llm.response.finish_reasons"] == ("function_call",)


@pytest.mark.parametrize(
    ("field", "kind"), [("reasoning_content", "reasoning"), ("reasoning", "reasoning"), ("refusal", "refusal")]
)
def test_pieces_of_reasoning_and_of_refusals(recorder, client, server, field, kind):
    recorder.instrument(CONTENT)
    server.reply_with(chat_stream(chat_chunk({field: "We "}), chat_chunk({field: "won't."}), chat_chunk(reason="stop")))
    list(stream(client))
    assert answered(recorder)["parts"] == [{"type": kind, "content": "We won't."}]


def test_a_spoken_answer_in_pieces(recorder, client):
    recorder.instrument(CONTENT)
    list(stream(client, modalities=["text", "audio"], audio={"voice": "alloy", "format": "pcm16"}))
    (part,) = answered(recorder)["parts"]
    assert (part["type"], part["modality"], part["byte_size"]) == ("blob", "audio", 18)
    assert "France" in part["transcript"]


def test_the_first_chunk_of_azure_names_nothing(recorder, client, server):
    """It tells of the prompt's content filter, with an empty id and model and no choices."""
    first = {**chat_chunk(), "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]}
    server.reply_with(chat_stream(first, *SAID, chat_chunk(reason="stop")))
    assert len(list(stream(client))) == 5
    assert recorder.attributes["gen_ai.response.id"] == "chatcmpl-1"
    assert recorder.attributes["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"


def test_usage_in_the_last_chunk_that_has_a_choice(recorder, client, server):
    """As compatible servers send it."""
    server.reply_with(chat_stream(*SAID, chat_chunk(reason="stop", usage=COUNTED)))
    list(stream(client))
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}


def test_usage_that_grows_from_chunk_to_chunk_counts_once(recorder, client, server):
    """vLLM's ``continuous_usage_stats``."""
    growing = [
        {**chunk, "usage": {**COUNTED, "completion_tokens": tokens}} for tokens, chunk in enumerate(SAID, start=1)
    ]
    server.reply_with(chat_stream(*growing, chat_chunk(reason="stop")))
    list(stream(client))
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}


def test_chunks_of_other_shapes_reach_the_caller(recorder, client, server):
    odd = {"id": None, "choices": None, "usage": []}
    odder = {"choices": [{"index": "first", "delta": None}, {"delta": {"tool_calls": [{"function": None}]}}]}
    server.reply_with(chat_stream(odd, odder, *SAID, chat_chunk(reason="stop")))
    recorder.instrument(CONTENT)
    chunks = list(stream(client))
    assert (chunks[0].choices, chunks[1].choices[0].delta) == (None, None)
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert {"type": "text", "content": "Paris."} in answered(recorder)["parts"]
