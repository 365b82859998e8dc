"""What a line of the prompt log has."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import openai
import pytest
from logged import MODEL, one
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import otel_llm
from otel_llm import ContentCapture, Experiment, Prompt, Settings
from otel_llm.content import capture
from otel_llm.core import listeners
from standin.server import Reply


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def log(records: list[dict[str, Any]]) -> Any:
    with otel_llm.log_prompts(records.append) as log:
        yield log
    assert not listeners.SHARED.all


def test_all_that_is_known(recorder: Any, client: Any, log: Any, records: Any) -> None:
    prompt = Experiment("greeting", {"warm": Prompt("greet", "2", "Hi {name}!", "production")}).assign("user-1")
    with otel_llm.propagate_attributes(
        session_id="s-1", user_id="u-1", conversation_id="c-1", tags=["rag"], metadata={"tenant": "t"}
    ):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt.format(name="Ada")}])
    record, span = one(records, log), recorder.span
    began = record.pop("timestamp")
    assert began.endswith("Z")
    assert abs(time.time() - datetime.fromisoformat(began).timestamp()) < 60
    assert record.pop("latency") == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-6)
    assert record == {
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "request_id": span.attributes["otel_llm.request.id"],
        "response_id": span.attributes["gen_ai.response.id"],
        "session_id": "s-1",
        "user_id": "u-1",
        "conversation_id": "c-1",
        "tags": ("rag",),
        "metadata": {"tenant": "t"},
        "operation": "chat",
        "provider": "openai",
        "request_model": MODEL,
        "response_model": span.attributes["gen_ai.response.model"],
        "prompt_name": "greet",
        "prompt_version": "2",
        "prompt_label": "production",
        "prompt_hash": prompt.hash,
        "experiment_id": "greeting",
        "experiment_variant": "warm",
        "input_tokens": span.attributes["gen_ai.usage.input_tokens"],
        "output_tokens": span.attributes["gen_ai.usage.output_tokens"],
        "finish_reasons": ["stop"],
        "status": "success",
    }


def test_a_prompt_that_only_the_context_says(recorder: Any, client: Any, log: Any, records: Any) -> None:
    assignment = Experiment("model", ["small"]).assignment("u-1")
    with otel_llm.propagate_attributes(prompt=Prompt("ask", "1", "x"), experiment=assignment):
        client.responses.create(model=MODEL, input="Why?")
    record = one(records, log)
    assert (record["prompt_name"], record["prompt_version"]) == ("ask", "1")
    assert (record["experiment_id"], record["experiment_variant"]) == ("model", "small")


def test_a_stream(recorder: Any, client: Any, log: Any, records: Any) -> None:
    ask = {"model": MODEL, "messages": [{"role": "user", "content": "Why?"}], "stream": True}
    list(client.chat.completions.create(**ask, stream_options={"include_usage": True}))
    record = one(records, log)
    assert 0 < record["time_to_first_chunk"] <= record["latency"]
    assert record["output_tokens"] > 0
    assert record["request_id"] == recorder.attributes["otel_llm.request.id"]


def test_a_stream_that_is_closed(recorder: Any, client: Any, log: Any, records: Any) -> None:
    recorder.instrument(sampler=ALWAYS_OFF)
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Why?"}], stream=True
    ) as stream:
        next(iter(stream))
    record = one(records, log)
    assert (record["status"], record["stream_outcome"]) == ("success", "closed")
    assert "output_tokens" not in record


def test_what_is_not_known_is_left_out(recorder: Any, client: Any, server: Any, log: Any, records: Any) -> None:
    recorder.missing |= {
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
    server.reply_with(Reply(body={"choices": []}))
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}])
    record = one(records, log)
    assert {
        "timestamp",
        "trace_id",
        "span_id",
        "operation",
        "provider",
        "request_model",
        "latency",
        "status",
    } == record.keys() - {"request_id"}


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("error-500", "error", None),
        ("error-429", "error", "rate_limit_exceeded"),
        ("error-content", "filtered", "content_filter"),
    ],
)
def test_a_call_that_fails(
    recorder: Any, client: Any, log: Any, records: Any, model: str, status: str, code: str | None, sampled: bool
) -> None:
    recorder.instrument(sampler=None if sampled else ALWAYS_OFF)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Why?"}])
    record = one(records, log)
    kind = type(raised.value)
    assert (record["status"], record["error_type"]) == (status, f"{kind.__module__}.{kind.__qualname__}")
    assert record.get("error_code") == code
    assert "input_tokens" not in record


def test_an_answer_that_was_filtered(recorder: Any, client: Any, server: Any, log: Any, records: Any) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}
    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    server.reply_with(Reply(body={"id": "c", "model": MODEL, "choices": [choice], "usage": usage}))
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}])
    record = one(records, log)
    assert (record["status"], record["output_tokens"]) == ("filtered", 0)


def test_a_call_that_times_out(recorder: Any, client: Any, server: Any, log: Any, records: Any) -> None:
    gate = server.hold()
    server.reply_with(Reply(delay=gate))
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}], timeout=0.2)
    gate.open()
    assert one(records, log)["status"] == "timeout"


def test_every_call_counts_sampled_or_not(recorder: Any, client: Any, log: Any, records: Any) -> None:
    recorder.instrument(sampler=ALWAYS_OFF)
    client.embeddings.create(model="text-embedding-3-small", input="Why?")
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why?"}])
    assert log.flush(30)
    assert [(record["operation"], record["input_tokens"] > 0) for record in records] == [
        ("embeddings", True),
        ("chat", True),
    ]
    assert recorder.spans == []


def test_only_calls_of_models_are_logged(recorder: Any, client: Any, log: Any, records: Any) -> None:
    response = client.responses.create(model=MODEL, input="Why?")
    client.responses.retrieve(response.id)
    client.moderations.create(input="Why?")
    with otel_llm.workflow_span("w"), otel_llm.step_span("s"):
        pass
    assert one(records, log)["response_id"] == response.id


def test_one_line_for_the_layers_of_a_call(recorder: Any, server: Any, log: Any, records: Any) -> None:
    from langchain_openai import ChatOpenAI

    ChatOpenAI(model=MODEL, base_url=server.base_url, api_key="sk-0123456789ab", max_retries=0).invoke("Why?")
    record = one(records, log)
    assert (record["provider"], record["input_tokens"] > 0) == ("openai", True)


@pytest.mark.parametrize("capture", ContentCapture)
def test_content_by_opt_in_only(recorder: Any, client: Any, log: Any, records: Any, capture: Any) -> None:
    recorder.instrument(Settings(capture_content=capture))
    prompt = Prompt("ask", "1", "Answer, Bob: {question}")
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt.format(question="Why?")}])
    record = one(records, log)
    content = {name: record.pop(name, None) for name in ("input_messages", "prompt_template", "prompt_variables")}
    answer = record.pop("output_messages", None)
    if capture is ContentCapture.NO_CONTENT:
        assert (answer, set(content.values())) == (None, {None})
    else:
        assert content == {
            "input_messages": [{"role": "user", "parts": [{"type": "text", "content": "Answer, Bob: Why?"}]}],
            "prompt_template": "Answer, Bob: {question}",
            "prompt_variables": {"question": "Why?"},
        }
        assert answer[0]["parts"][0]["content"]
    assert "Bob" not in json.dumps(record)


def test_content_that_is_captured_for_evaluation_alone_stays_out(
    recorder: Any, client: Any, log: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = capture.Wanted()
    wanted.add(lambda span: True)
    monkeypatch.setattr(capture, "WANTED", wanted)
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Why, Bob?"}])
    assert "Bob" in recorder.attributes["gen_ai.input.messages"]
    assert "Bob" not in json.dumps(one(records, log))
