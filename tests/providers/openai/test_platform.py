"""Moderations and batches: spans without anything of GenAI."""

from __future__ import annotations

import openai
import pytest
from reading import CONTENT, exactly

from standin.server import Reply

BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def of_genai(recorder):
    spans = [
        name for span in recorder.spans for name in span.attributes or {} if name.startswith(("gen_ai.", "openai."))
    ]
    metrics = recorder.metrics
    return spans + [
        metric.name
        for r in (metrics.resource_metrics if metrics else ())
        for s in r.scope_metrics
        for metric in s.metrics
    ]


async def test_a_moderation_that_flags_nothing(recorder, api):
    recorder.instrument(CONTENT)
    await api(lambda client: client.moderations.create(model="omni-moderation-latest", input="Xyzzy"))
    assert recorder.span.name == "moderation omni-moderation-latest"
    assert exactly(
        recorder.attributes,
        {
            "otel_llm.operation.name": "moderation",
            "otel_llm.request.model": "omni-moderation-latest",
            "otel_llm.moderation.flagged": False,
            "server.address": "127.0.0.1",
        },
    )
    assert "Xyzzy" not in recorder.span.to_json()
    assert of_genai(recorder) == []


async def test_a_moderation_that_flags(recorder, api, server):
    results = [
        {"flagged": True, "categories": {"violence": True, "hate": False}, "category_scores": {}},
        {"flagged": False, "categories": {"violence": False}, "category_scores": {}},
        {"flagged": True, "categories": {"hate/threatening": True, "violence": True}, "category_scores": {}},
    ]
    body = {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": results}
    server.reply_with(Reply(body=body), Reply(body=body))
    await api(lambda client: client.moderations.create(input=["a", "b", "c"]))
    await api(lambda client: client.moderations.with_raw_response.create(input=["a", "b", "c"]))
    parsed, raw = (dict(span.attributes or {}) for span in recorder.spans)
    for given in (parsed, raw):
        assert given["otel_llm.moderation.flagged"] is True
        assert given["otel_llm.moderation.categories"] == ("hate/threatening", "violence")


async def test_batches(recorder, api):
    made = await api(lambda client: client.batches.create(**BATCH))
    for _ in range(2):
        await api(lambda client: client.batches.retrieve(made.id))
    await api(lambda client: client.batches.cancel(made.id))
    names = ["create_batch", "retrieve_batch", "retrieve_batch", "cancel_batch"]
    assert [span.name for span in recorder.spans] == names
    counts = {"otel_llm.batch.requests.total": 0, "otel_llm.batch.requests.completed": 0}
    plain = {"otel_llm.batch.id": made.id, "otel_llm.batch.endpoint": BATCH["endpoint"], "server.address": "127.0.0.1"}
    plain |= {**counts, "otel_llm.batch.requests.failed": 0}
    finished = {"otel_llm.batch.requests.total": 2, "otel_llm.batch.requests.completed": 2}
    states = [("validating", {}), ("in_progress", {}), ("completed", finished), ("cancelling", finished)]
    for span, name, (status, more) in zip(recorder.spans, names, states, strict=True):
        known = {**plain, "otel_llm.operation.name": name, "otel_llm.batch.status": status, **more}
        assert exactly(dict(span.attributes or {}), known)
    assert of_genai(recorder) == []


def test_a_batch_that_is_not_there(recorder, client):
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_0")
    assert recorder.attributes["error.type"] == "openai.NotFoundError"
    assert recorder.attributes["otel_llm.batch.id"] == "batch_0"
    assert of_genai(recorder) == []


async def test_lists_and_files_are_not_traced(recorder, api, server):
    server.reply_with(*[Reply(body={"object": "list", "data": [], "has_more": False})] * 3)
    await api.drain(lambda client: client.batches.list())
    await api.drain(lambda client: client.models.list())
    await api.drain(lambda client: client.files.list())
    assert recorder.spans == []


@pytest.mark.filterwarnings("error")
def test_a_malformed_answer_warns_of_nothing(recorder, client, server):
    categories = {"hate": True, "hate/threatening": {"a": None}}
    results = [{"flagged": True, "categories": categories, "category_scores": {}, "category_applied_input_types": {}}]
    server.reply_with(Reply(body={"id": "modr-1", "model": "m", "results": results}))
    client.moderations.create(input="a")
    assert recorder.attributes["otel_llm.moderation.categories"] == ("hate",)
