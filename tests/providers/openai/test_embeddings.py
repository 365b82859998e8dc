"""Embeddings: attributes only, neither the texts nor the vectors."""

from __future__ import annotations

import base64
import struct

import pytest
from reading import CONTENT, exactly

from standin.server import Reply

ASKED = {"model": "text-embedding-3-small", "input": ["one", "Xyzzy"]}
PLAIN = {
    "gen_ai.operation.name": "embeddings",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "text-embedding-3-small",
    "server.address": "127.0.0.1",
    "gen_ai.response.model": "text-embedding-3-small",
    "gen_ai.usage.input_tokens": 3,
}


@pytest.mark.parametrize(
    ("asked", "encoding", "size"),
    [
        ({}, "base64", 1536),  # what the SDK asks for by itself
        ({"encoding_format": "float"}, "float", 1536),
        ({"encoding_format": "base64", "dimensions": 256}, "base64", 256),
        ({"encoding_format": "float", "dimensions": 8}, "float", 8),
    ],
)
async def test_embeddings(recorder, api, server, durations, asked, encoding, size):
    recorder.instrument(CONTENT)
    await api(lambda client: client.embeddings.create(**ASKED, **asked))
    assert server.requests[-1].json["encoding_format"] == encoding
    assert recorder.span.name == "embeddings text-embedding-3-small"
    assert exactly(
        recorder.attributes,
        {**PLAIN, "gen_ai.request.encoding_formats": (encoding,), "gen_ai.embeddings.dimension.count": size},
    )
    assert "Xyzzy" not in recorder.span.to_json()
    assert durations() == []


async def test_raw_embeddings_have_the_same_attributes(recorder, api):
    answer = await api(lambda client: client.embeddings.with_raw_response.create(**ASKED, dimensions=8))
    assert len(answer.parse().data[0].embedding) == 8
    assert recorder.attributes["gen_ai.embeddings.dimension.count"] == 8
    assert recorder.attributes["gen_ai.usage.input_tokens"] == 3


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_the_length_of_a_vector_in_base64(recorder, client, server, size):
    packed = base64.b64encode(struct.pack(f"<{size}f", *range(size))).decode()
    data = [{"object": "embedding", "index": 0, "embedding": packed}]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    server.reply_with(Reply(body={"object": "list", "model": "m", "data": data, "usage": usage}))
    client.embeddings.create(**ASKED, encoding_format="base64")
    assert recorder.attributes["gen_ai.embeddings.dimension.count"] == size


def test_metrics_have_the_input_tokens_and_no_dimension(recorder, client):
    client.embeddings.create(**ASKED)
    (tokens,) = recorder.points("gen_ai.client.token.usage")
    assert (tokens.attributes["gen_ai.token.type"], tokens.sum) == ("input", 3)
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert "gen_ai.embeddings.dimension.count" not in {**duration.attributes, **tokens.attributes}


def test_an_answer_without_vectors_or_usage(recorder, client, server):
    recorder.missing |= {"gen_ai.usage.input_tokens", "gen_ai.response.model", "gen_ai.embeddings.dimension.count"}
    server.reply_with(Reply(body={"object": "list", "data": [{"embedding": None}]}))
    client.embeddings.with_raw_response.create(**ASKED)
    assert "gen_ai.embeddings.dimension.count" not in recorder.attributes
