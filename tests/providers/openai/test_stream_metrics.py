"""Streams: the time to the first chunk, the time of each, the speed, and the usage that is asked for."""

from __future__ import annotations

import openai
import pytest
from reading import part_of, usage
from replies import ASKED, CHAT, chat_chunk, chat_stream

from otel_llm import MetricGeneration, Settings

COUNTED = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
SAID = [
    chat_chunk({"role": "assistant", "content": "Pa"}),
    chat_chunk({"content": "ris"}),
    chat_chunk({"content": "."}),
    chat_chunk(reason="stop"),
]
FIRST = "gen_ai.client.operation.time_to_first_chunk"
GAPS = "gen_ai.client.operation.time_per_output_chunk"
PER_TOKEN = "otel_llm.client.time_per_output_token"
PER_SECOND = "otel_llm.client.output_tokens_per_second"
ASK_USAGE = Settings(stream_usage=True)
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def stream(client, **fields):
    return client.chat.completions.create(**{**CHAT, "stream": True, **fields})


def attribute(recorder, name):
    return recorder.attributes[f"otel_llm.response.{name}"]


async def test_times_of_a_stream(recorder, api, server):
    server.reply_with(chat_stream(*SAID, chat_chunk(usage=COUNTED)))
    chunks = await api.drain(lambda client: stream(client, **WITH_USAGE))
    known = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "server.address": "127.0.0.1",
        "server.port": server.port,
    }
    (first,), (gaps,) = recorder.points(FIRST), recorder.points(GAPS)
    assert (first.count, gaps.count) == (1, len(chunks) - 1)
    assert first.sum == recorder.attributes["gen_ai.response.time_to_first_chunk"]
    (per_token,), (per_second,) = recorder.points(PER_TOKEN), recorder.points(PER_SECOND)
    assert per_token.sum == attribute(recorder, "time_per_output_token")
    assert per_second.sum == attribute(recorder, "output_tokens_per_second")
    for point in (first, gaps, per_token, per_second):
        assert dict(point.attributes) == known
    # From the first chunk to the last, over the tokens after the first; and all of them over the whole call.
    assert per_token.sum * 2 == pytest.approx(gaps.sum)
    duration = recorder.points("gen_ai.client.operation.duration")[0].sum
    assert per_second.sum == pytest.approx(3 / duration)


def test_one_token_has_a_speed_and_no_time_for_the_next(recorder, client, server):
    server.reply_with(chat_stream(*SAID, chat_chunk(usage={**COUNTED, "completion_tokens": 1})))
    list(stream(client))
    assert attribute(recorder, "output_tokens_per_second") > 0
    assert recorder.points(PER_TOKEN) == []


@pytest.mark.parametrize("tokens", [None, 0])
def test_no_tokens_no_speed(recorder, client, server, tokens):
    last = [chat_chunk(usage={**COUNTED, "completion_tokens": tokens})] if tokens is not None else []
    server.reply_with(chat_stream(*SAID, *last))
    list(stream(client))
    assert part_of(recorder.attributes, "otel_llm.response.") == {}
    assert recorder.points(PER_TOKEN) == recorder.points(PER_SECOND) == []


def test_a_whole_answer_has_no_times_of_chunks(recorder, client):
    client.chat.completions.create(**CHAT)
    assert "gen_ai.response.time_to_first_chunk" not in recorder.attributes
    for metric in (FIRST, GAPS, PER_TOKEN, PER_SECOND):
        assert recorder.points(metric) == []


def test_the_events_of_a_response_are_its_chunks(recorder, client):
    events = list(client.responses.create(**ASKED, stream=True))
    (gaps,) = recorder.points(GAPS)
    assert gaps.count == len(events) - 1


def test_a_fetched_stream_is_no_inference(recorder, client):
    if not hasattr(client.responses, "cancel"):
        pytest.skip("this SDK fetches no streams")
    made = client.responses.create(**ASKED)
    list(client.responses.retrieve(made.id, stream=True))
    for metric in (FIRST, GAPS, PER_TOKEN, PER_SECOND):
        assert recorder.points(metric) == []


# --- usage that we ask for -------------------------------------------------------------------------


def as_asked(request):
    """Usage in a chunk of its own, if the request asks for it."""
    asked = (request.json.get("stream_options") or {}).get("include_usage")
    return chat_stream(*SAID, *([chat_chunk(usage=COUNTED)] if asked else []))


async def test_usage_is_asked_for_and_its_chunk_hidden(recorder, api, server):
    server.reply_with(as_asked, as_asked)
    plain = await api.drain(stream)
    assert usage(recorder.attributes) == {}
    recorder.span_exporter.clear()
    recorder.instrument(ASK_USAGE)
    asked = await api.drain(stream)
    assert server.requests[-1].json == {**server.requests[-2].json, "stream_options": {"include_usage": True}}
    assert [chunk.to_dict() for chunk in asked] == [chunk.to_dict() for chunk in plain]
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


async def test_usage_of_the_stream_helper(recorder, api, server):
    recorder.instrument(ASK_USAGE)
    server.reply_with(as_asked)
    async with api.entered(lambda client: api.helper("stream")(**CHAT)) as events:
        final = events.get_final_completion()
        assert ((await final) if api.is_async else final).usage is None
    assert usage(recorder.attributes) == {"input_tokens": 12, "output_tokens": 3}


async def test_usage_of_legacy_completions(recorder, api, server):
    recorder.instrument(ASK_USAGE)
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "stream": True}
    chunks = await api.drain(lambda client: client.completions.create(**asked))
    assert all(chunk.choices for chunk in chunks)
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0


@pytest.mark.parametrize("wanted", [True, False])
def test_a_caller_that_says_what_it_wants_gets_that(recorder, client, server, wanted):
    recorder.instrument(ASK_USAGE)
    server.reply_with(as_asked)
    chunks = list(stream(client, stream_options={"include_usage": wanted}))
    assert server.requests[-1].json["stream_options"] == {"include_usage": wanted}
    assert [chunk.usage is not None for chunk in chunks] == [False] * 4 + [True] * wanted


def test_other_stream_options_stay(recorder, client, server):
    recorder.instrument(ASK_USAGE)
    options = {"include_obfuscation": False}
    list(stream(client, stream_options=options))
    list(stream(client, extra_body={"stream_options": options, "top_k": 1}))
    wanted = {"include_obfuscation": False, "include_usage": True}
    assert [request.json["stream_options"] for request in server.requests] == [wanted, wanted]
    assert server.requests[-1].json["top_k"] == 1
    assert options == {"include_obfuscation": False}


async def test_a_caller_that_reads_raw_is_left_alone(recorder, api, server):
    recorder.instrument(ASK_USAGE)
    answer = await api(lambda client: client.chat.completions.with_raw_response.create(**CHAT, stream=True))
    await api.drain(lambda client: answer.parse())
    create = api.client.chat.completions.with_streaming_response.create
    async with api.entered(lambda client: create(**CHAT, stream=True)) as streamed:
        await api.drain(lambda client: streamed.iter_lines())
    assert [request.json.get("stream_options") for request in server.requests] == [None, None]


def test_nothing_is_asked_of_whole_answers_and_of_responses(recorder, client, server):
    recorder.instrument(ASK_USAGE)
    client.chat.completions.create(**CHAT)
    list(client.responses.create(**ASKED, stream=True))
    assert [request.json.get("stream_options") for request in server.requests] == [None, None]


def test_a_last_chunk_with_choices_is_never_hidden(recorder, client, server):
    """Compatible servers send the usage beside the finish reason; Azure begins with a chunk without choices."""
    recorder.instrument(ASK_USAGE)
    first = {**chat_chunk(), "prompt_filter_results": []}
    server.reply_with(chat_stream(first, *SAID[:-1], chat_chunk(reason="stop", usage=COUNTED)))
    assert len(list(stream(client))) == 5


# --- the generations of metrics -----------------------------------------------------------------------

RELEASED = {"gen_ai.client.operation.duration", "gen_ai.client.token.usage", FIRST, GAPS}
LATEST = {
    "gen_ai.client.inference.duration",
    "gen_ai.client.inference.time_to_first_chunk",
    "gen_ai.client.inference.time_per_output_chunk",
    "gen_ai.client.inference.operation.input_tokens",
    "gen_ai.client.inference.operation.output_tokens",
    "gen_ai.client.inference.usage.input_tokens",
    "gen_ai.client.inference.usage.output_tokens",
}


@pytest.mark.parametrize(
    ("generation", "names"),
    [
        (MetricGeneration.RELEASED, RELEASED),
        (MetricGeneration.LATEST, LATEST),
        (MetricGeneration.BOTH, RELEASED | LATEST),
    ],
)
async def test_the_generations(recorder, api, server, durations, generation, names):
    recorder.instrument(Settings(metrics=generation))
    server.reply_with(chat_stream(*SAID, chat_chunk(usage=COUNTED)))
    await api.drain(lambda client: stream(client, **WITH_USAGE))
    assert {name for name in RELEASED | LATEST if recorder.points(name)} == names
    assert durations() == []
    if generation is not MetricGeneration.RELEASED:
        (tokens,) = recorder.points("gen_ai.client.inference.usage.output_tokens")
        assert (tokens.value, tokens.attributes["gen_ai.token.modality"]) == (3, "unknown")


def test_usage_by_its_modality(recorder, client):
    recorder.instrument(Settings(metrics=MetricGeneration.BOTH))
    client.images.edit(model="gpt-image-1", image=("a.png", b"png", "image/png"), prompt="A hat")
    points = recorder.points("gen_ai.client.inference.usage.input_tokens")
    assert {point.attributes["gen_ai.token.modality"]: point.value for point in points} == {"text": 2, "image": 194}


def test_embeddings_keep_the_released_duration(recorder, client, durations):
    recorder.instrument(Settings(metrics=MetricGeneration.LATEST))
    client.embeddings.create(model="text-embedding-3-small", input="a")
    assert len(recorder.points("gen_ai.client.operation.duration")) == 1
    assert recorder.points("gen_ai.client.inference.duration") == []
    assert durations() == []


def test_a_stream_that_fails_is_timed_so_far(recorder, client, server):
    server.reply_with(chat_stream(*SAID[:2], {"error": {"message": "no", "code": "server_error"}}))
    with pytest.raises(openai.APIError):
        list(stream(client))
    (first,), (gaps,) = recorder.points(FIRST), recorder.points(GAPS)
    assert (first.count, gaps.count) == (1, 1)
