"""Chat Completions: what is asked and answered, as attributes."""

from __future__ import annotations

import pytest
from openai import NOT_GIVEN
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from pydantic import BaseModel
from reading import exactly, part_of, usage
from replies import ASK, CHAT, WEATHER, chat_reply

TOOLS = [{"type": "function", "function": {"name": name, "parameters": WEATHER}} for name in ("weather", "time")]
PLAIN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "openai.api.type": "chat_completions",
    "server.address": "127.0.0.1",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
}


class Capital(BaseModel):
    city: str
    country: str


async def test_a_plain_call_has_these_attributes_and_no_others(recorder, api, server, durations):
    server.reply_with(chat_reply())
    answer = await api(lambda client: client.chat.completions.create(**CHAT))
    assert answer.choices[0].message.content == "Paris."
    assert recorder.span.name == "chat gpt-4o-mini"
    assert recorder.attributes["server.port"] == server.port
    assert recorder.attributes["otel_llm.request.id"] == answer._request_id
    assert exactly(recorder.attributes, PLAIN)
    assert durations() == []


async def test_every_request_parameter_has_the_type_of_the_conventions(recorder, api, server):
    server.reply_with(chat_reply({"content": "a"}, {"content": "b"}, reasons=("stop", "length")))
    await api(
        lambda client: client.chat.completions.create(
            **CHAT,
            temperature=1,
            top_p=0.5,
            frequency_penalty=0,
            presence_penalty=-1,
            max_completion_tokens=100,
            max_tokens=7,
            n=2,
            seed=42,
            stop=["\n", "END"],
            reasoning_effort="low",
            service_tier="flex",
            response_format={"type": "json_object"},
            logprobs=True,
            top_logprobs=3,
            tools=TOOLS,
        )
    )
    assert exactly(
        recorder.attributes,
        {
            **PLAIN,
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.frequency_penalty": 0.0,
            "gen_ai.request.presence_penalty": -1.0,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.request.choice.count": 2,
            "gen_ai.request.seed": 42,
            "gen_ai.request.stop_sequences": ("\n", "END"),
            "gen_ai.request.reasoning.level": "low",
            "openai.request.service_tier": "flex",
            "gen_ai.output.type": "json",
            "gen_ai.response.finish_reasons": ("stop", "length"),
        },
    )


def test_what_is_the_default_or_was_not_given_is_left_out(recorder, client, server):
    server.reply_with(chat_reply())
    client.chat.completions.create(
        **CHAT, n=1, service_tier="auto", temperature=NOT_GIVEN, seed=None, stop=None, max_tokens=None, stream=False
    )
    assert exactly(recorder.attributes, PLAIN)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_either_name_of_the_token_limit(recorder, client, field):
    client.chat.completions.create(**CHAT, **{field: 5})
    assert recorder.attributes["gen_ai.request.max_tokens"] == 5
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("length",)


def test_one_stop_sequence_is_a_list_too(recorder, client):
    client.chat.completions.create(**CHAT, stop="END")
    assert recorder.attributes["gen_ai.request.stop_sequences"] == ("END",)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"response_format": {"type": "text"}}, "text"),
        ({"response_format": {"type": "json_object"}}, "json"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": WEATHER}}}, "json"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "speech"),
        ({"modalities": ["text"]}, None),
    ],
)
def test_output_type(recorder, client, asked, kind):
    client.chat.completions.create(**CHAT, **asked)
    assert recorder.attributes.get("gen_ai.output.type") == kind


async def test_parse_is_one_call_and_returns_the_parsed_object(recorder, api):
    answer = await api(lambda client: api.helper("parse")(**CHAT, response_format=Capital))
    assert isinstance(answer.choices[0].message.parsed, Capital)
    assert recorder.attributes["gen_ai.output.type"] == "json"


async def test_parse_under_beta(recorder, api):
    parse = getattr(api.client.beta.chat.completions, "parse", None)
    if parse is None:
        pytest.skip("this SDK has no beta.chat.completions.parse")
    answer = await api(lambda client: parse(**CHAT, response_format=Capital))
    assert answer.choices[0].message.parsed.city == "Paris"
    assert recorder.span.name == "chat gpt-4o-mini"


async def test_tools_called_in_parallel(recorder, api):
    answer = await api(lambda client: client.chat.completions.create(**CHAT, tools=TOOLS))
    assert len(answer.choices[0].message.tool_calls) == 2
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert recorder.attributes["otel_llm.response.finish_reasons"] == ("tool_calls",)


def test_reasoning(recorder, client):
    client.chat.completions.create(model="o3-mini", messages=ASK, reasoning_effort="high")
    assert recorder.attributes["gen_ai.request.reasoning.level"] == "high"
    assert recorder.attributes["gen_ai.usage.reasoning.output_tokens"] == 512
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 512


USAGE = {
    "prompt_tokens": 2000,
    "completion_tokens": 500,
    "total_tokens": 2500,
    "prompt_tokens_details": {
        "cached_tokens": 1024,
        "cache_write_tokens": 128,
        "audio_tokens": 40,
        "text_tokens": 1900,
        "image_tokens": 60,
    },
    "completion_tokens_details": {
        "reasoning_tokens": 300,
        "audio_tokens": 25,
        "text_tokens": 175,
        "accepted_prediction_tokens": 7,
        "rejected_prediction_tokens": 2,
    },
}


def test_all_of_usage(recorder, client, server):
    server.reply_with(chat_reply(usage=USAGE))
    client.chat.completions.create(**CHAT)
    assert usage(recorder.attributes) == {
        "input_tokens": 2000,  # cached ones included, as OpenAI counts
        "output_tokens": 500,
        "cache_read.input_tokens": 1024,
        "cache_write.input_tokens": 128,
        "audio.input_tokens": 40,
        "text.input_tokens": 1900,
        "image.input_tokens": 60,
        "reasoning.output_tokens": 300,
        "audio.output_tokens": 25,
        "text.output_tokens": 175,
    }
    assert part_of(recorder.attributes, "otel_llm.usage.") == {
        "otel_llm.usage.accepted_prediction_tokens": 7,
        "otel_llm.usage.rejected_prediction_tokens": 2,
    }


def test_the_token_metric_is_what_the_span_says(recorder, client, server):
    server.reply_with(chat_reply(usage=USAGE))
    client.chat.completions.create(**CHAT)
    points = recorder.points("gen_ai.client.token.usage")
    assert {point.attributes["gen_ai.token.type"]: (point.count, point.sum) for point in points} == {
        "input": (1, 2000),
        "output": (1, 500),
    }


@pytest.mark.parametrize("told", [{}, {"prompt_tokens_details": None}, {"prompt_tokens_details": {"cached_tokens": 0}}])
def test_breakdowns_that_are_absent_or_zero_are_left_out(recorder, client, server, told):
    server.reply_with(chat_reply(usage={"prompt_tokens": 12, "completion_tokens": 0, "total_tokens": 12, **told}))
    client.chat.completions.create(**CHAT)
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 0}


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_metrics_are_the_same_whether_the_span_is_sampled(recorder, client, server, sampler):
    recorder.instrument(sampler=sampler)
    server.reply_with(chat_reply(service_tier="priority"))
    client.chat.completions.create(**CHAT)
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "openai.response.service_tier": "priority",
        "server.address": "127.0.0.1",
        "server.port": server.port,
    }
    tokens = recorder.points("gen_ai.client.token.usage")
    assert {len(point.exemplars) for point in tokens} == {int(sampler is ALWAYS_ON)}
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert dict(duration.attributes) == common
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in tokens} == {"input": 12, "output": 3}
    assert all(dict(point.attributes).items() >= common.items() for point in tokens)


@pytest.mark.parametrize(
    ("tier", "dimension"), [("priority", {"openai.response.service_tier": "priority"}), ("default", {})]
)
def test_service_tier_and_fingerprint(recorder, client, server, tier, dimension):
    """Both on the span; of the metrics only another tier than the default one is a dimension."""
    server.reply_with(chat_reply(service_tier=tier, system_fingerprint="fp_1"))
    client.chat.completions.create(**CHAT, service_tier="priority")
    assert recorder.attributes["openai.request.service_tier"] == "priority"
    assert part_of(recorder.attributes, "openai.response.") == {
        "openai.response.service_tier": tier,
        "openai.response.system_fingerprint": "fp_1",
    }
    for metric in ("gen_ai.client.operation.duration", "gen_ai.client.token.usage"):
        for point in recorder.points(metric):
            assert part_of(point.attributes, "openai.") == dimension


def test_the_body_is_read_as_it_will_be_sent(recorder, client, server):
    client.chat.completions.create(**CHAT, temperature=0.2, extra_body={"top_k": 40, "temperature": 0.9})
    assert server.requests[-1].json["temperature"] == 0.9
    assert recorder.attributes["gen_ai.request.temperature"] == 0.9
    assert recorder.attributes["gen_ai.request.top_k"] == 40


def test_parameters_of_a_wrong_type_are_left_out(recorder, client, server):
    server.reply_with(chat_reply())
    odd = {"temperature": "hot", "n": "two", "seed": 1.5, "stop": [1], "max_tokens": True, "service_tier": 3}
    client.chat.completions.create(**CHAT, extra_body=odd)
    assert server.requests[-1].json["temperature"] == "hot"
    assert exactly(recorder.attributes, PLAIN)


def test_an_answer_of_other_shapes_reaches_the_caller(recorder, client, server):
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons"}
    recorder.missing |= {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    body = {"id": 7, "model": None, "choices": None, "usage": {"prompt_tokens": "many"}}
    server.reply_with(chat_reply(**body))
    answer = client.chat.completions.create(**CHAT)
    assert (answer.id, answer.choices, answer.usage.prompt_tokens) == (7, None, "many")
    assert part_of(recorder.attributes, "gen_ai.response.", "gen_ai.usage.", "error.") == {}
