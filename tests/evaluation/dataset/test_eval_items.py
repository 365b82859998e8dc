"""What becomes an item: of calls of the real SDKs, of the application's own steps, of LangChain; and what stays out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from evaluating import SCHEMA as VALID
from evaluating import Evaluated, message
from opentelemetry.trace import Status, StatusCode

import otel_llm
from conformance.check import violations
from otel_llm import ContentCapture, Settings
from otel_llm.evaluation import SCHEMA, Limits, json_schema

Make = Callable[..., Evaluated]
Instrument = Callable[..., Evaluated]

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Who wrote Faust?"}]}
WORDS = ("query", "answer", "context", "messages")


@pytest.fixture
def instrumented(evaluated: Make) -> Iterator[Instrument]:
    """A sampler, and everything instrumented with its provider."""

    all_made = []

    def make(capture: ContentCapture = ContentCapture.SPAN_ONLY, **kwargs: Any) -> Evaluated:
        made = evaluated(kwargs.pop("rate", 1.0), **kwargs)
        all_made.append(made)
        otel_llm.uninstrument()
        otel_llm.instrument(settings=Settings(capture_content=capture), tracer_provider=made.provider)
        return made

    yield make
    otel_llm.uninstrument()
    for made in all_made:
        # Which a retriever does not always tell.
        untold = {"gen_ai.data_source.id", "gen_ai.provider.name", "gen_ai.retrieval.top_k", "server.address"}
        assert violations(made.spans, made.reader.get_metrics_data(), allow=untold) == []


def test_a_call_of_the_openai_sdk(instrumented: Instrument, client: openai.OpenAI) -> None:
    made = instrumented(resource={"service.name": "twin", "deployment.environment.name": "staging"})
    completion: Any = client.chat.completions.create(**ASK)  # type: ignore[call-overload]
    (span,) = made.spans
    item = made.item
    answer = completion.choices[0].message.content
    usage = {"input_tokens": completion.usage.prompt_tokens, "output_tokens": completion.usage.completion_tokens}
    span_id = f"{span.context.span_id:016x}"
    trace_id = f"{span.context.trace_id:032x}"
    duration = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    assert item.pop("started_at").endswith("+00:00")
    assert item == {
        "schema": SCHEMA,
        "id": f"{trace_id}-{span_id}",
        "trace_id": trace_id,
        "span_id": span_id,
        "name": "chat gpt-4o-mini",
        "service": "twin",
        "environment": "staging",
        "duration": duration,
        "sampled_by": ["rate"],
        "rate": 1.0,
        "content_captured": True,
        "truncated": False,
        "spans": 1,
        "spans_left_out": 0,
        "query": "Who wrote Faust?",
        "answer": answer,
        "messages": [{"role": "user", "parts": [{"type": "text", "content": "Who wrote Faust?"}]}],
        "answered_by": {"span_id": span_id, "response_id": completion.id},
        "usage": usage,
        "calls": [
            {
                "span_id": span_id,
                "duration": duration,
                "operation": "chat",
                "provider": "openai",
                "model": "gpt-4o-mini",
                "response_model": completion.model,
                "response_id": completion.id,
                "finish_reasons": ["stop"],
                "usage": usage,
            }
        ],
    }
    made.items[0] = {**item, "started_at": "2026-11-21T14:00:00+00:00"}


def test_a_stream_has_its_times(instrumented: Instrument, client: openai.OpenAI) -> None:
    made = instrumented()
    stream: Any = client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})  # type: ignore[call-overload]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    (call,) = made.item["calls"]
    assert made.item["answer"] == text
    assert 0 < call["time_to_first_chunk"] <= call["duration"]
    assert "time_per_output_token" in call


def test_off_means_off(instrumented: Instrument, client: openai.OpenAI) -> None:
    made = instrumented(ContentCapture.NO_CONTENT)
    with otel_llm.workflow_span("twin", input="secret words") as step:
        client.chat.completions.create(**ASK)  # type: ignore[call-overload]
        step.update(output="secret words")
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**{**ASK, "model": "error-404"})  # type: ignore[call-overload]
    item = made.item
    assert item["content_captured"] is False
    assert not any(name in item for name in WORDS)
    assert "Faust" not in json.dumps(item)
    assert "secret" not in json.dumps(item)
    assert "does not exist" not in json.dumps(item)
    assert [call.get("error_type") for call in item["calls"]] == [None, "openai.NotFoundError"]
    assert item["error_type"] == "openai.NotFoundError"
    assert item["usage"]["input_tokens"] > 0


def test_an_event_is_no_place_for_an_item(instrumented: Instrument, client: openai.OpenAI) -> None:
    made = instrumented(ContentCapture.EVENT_ONLY)
    client.chat.completions.create(**ASK)  # type: ignore[call-overload]
    assert made.item["content_captured"] is False


def test_the_steps_of_an_application(instrumented: Instrument, client: openai.OpenAI) -> None:
    """The reference application: what its own step says is the question and the answer, is."""
    made = instrumented()
    documents = [{"id": "a", "content": "Goethe wrote Faust.", "score": 0.9}, {"id": "b", "content": "Marlowe, too."}]
    with (
        otel_llm.propagate_attributes(session_id="s-1", user_id="u-1", tags=["rag"], metadata={"k": 3}),
        otel_llm.workflow_span("llm_twin", input="Who wrote Faust?") as run,
    ):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Expand: Faust"}])
        with otel_llm.retrieval_span("articles", query="Faust", top_k=2) as search:
            search.documents(documents)
            with otel_llm.retrieval_span("vectors", query="Faust") as inner:
                inner.documents([*documents, {"id": "c", "content": "Not chosen."}])
        completion = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Notes: .."}])
        said = completion.choices[0].message.content
        run.update(output=said)
        client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Review it"}])
    item = made.item
    assert item["query"] == "Who wrote Faust?"
    assert item["answer"] == said
    assert item["answered_by"]["response_id"] == completion.id
    assert item["messages"][0]["parts"][0]["content"] == "Notes: .."
    assert item["context"] == documents
    assert item["name"] == "invoke_workflow llm_twin"
    assert (item["session_id"], item["user_id"], item["tags"], item["metadata"]) == ("s-1", "u-1", ["rag"], {"k": 3})
    assert [call["model"] for call in item["calls"]] == ["gpt-4o-mini", "gpt-4o", "gpt-5-mini"]
    assert item["usage"]["output_tokens"] == sum(call["usage"]["output_tokens"] for call in item["calls"])


def test_what_comes_before_and_after_the_answer_is_not_the_answer(
    instrumented: Instrument, client: openai.OpenAI
) -> None:
    """The step that says what it was asked and answered is the stage; of the documents, what the model saw counts."""
    made = instrumented()

    def ask(words: str) -> str:
        message: Any = {"role": "user", "content": words}
        return client.chat.completions.create(model="gpt-4o", messages=[message]).choices[0].message.content or ""

    with otel_llm.step_span("request"):
        ask("Is this a question?")
        with otel_llm.workflow_span("twin", input="Who wrote Faust?") as run:
            with otel_llm.step_span("retrieve"), otel_llm.retrieval_span("articles") as search:
                search.documents([{"id": name, "content": f"Note {name}."} for name in "abc"])
            with otel_llm.step_span("rerank", input=["a", "b", "c"]) as step:
                step.update(output=["c", "a"])
            said = ask("Notes: Note c. Note a. Question: Who wrote Faust?")
            run.update(output=said)
        with otel_llm.retrieval_span("others") as search:
            search.documents([{"id": "x", "content": "Another."}])
        ask("Judge it")
    item = made.item
    assert (item["query"], item["answer"]) == ("Who wrote Faust?", said)
    assert [document["id"] for document in item["context"]] == ["a", "c"]
    assert item["messages"][0]["parts"][0]["content"].startswith("Notes:")
    assert len(item["calls"]) == 3


def test_a_function_that_answers_with_its_context(instrumented: Instrument, client: openai.OpenAI) -> None:
    made = instrumented()

    @otel_llm.observe(operation="workflow", capture=True)
    def generate(query: str, enable_rag: bool = False) -> dict[str, str]:
        answer = client.chat.completions.create(**ASK).choices[0].message.content  # type: ignore[call-overload]
        return {"answer": answer, "context": "Goethe wrote Faust."}

    said = generate("Who was it?", enable_rag=True)
    item = made.item
    assert (item["query"], item["answer"]) == ("Who was it?", said["answer"])
    assert item["context"] == [{"content": "Goethe wrote Faust."}]


def test_a_prompt_with_its_template_and_variables(instrumented: Instrument, client: openai.OpenAI) -> None:
    made = instrumented()
    prompt = otel_llm.Prompt("writer", "7", "Notes:\n{context}\n\nQuestion: {question}")
    with otel_llm.workflow_span("twin"):
        text = prompt.format(context="Goethe wrote Faust.", question="Who wrote it?")
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    item = made.item
    assert item["query"] == "Who wrote it?"
    assert item["context"] == [{"content": "Goethe wrote Faust."}]
    assert item["prompt"] == {
        "name": "writer",
        "version": "7",
        "hash": prompt.hash,
        "template": prompt.template,
        "variables": {"context": "Goethe wrote Faust.", "question": "Who wrote it?"},
    }
    assert item["calls"][0]["prompt_version"] == "7"


def test_langchain_with_a_retriever(instrumented: Instrument, server: Any) -> None:
    pytest.importorskip("langchain_openai")
    from langchain_core.documents import Document
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough
    from langchain_openai import ChatOpenAI

    class Retriever(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document("Goethe wrote Faust.", id="a")]

    made = instrumented()
    model = ChatOpenAI(model="gpt-4o-mini", base_url=server.base_url, api_key="x", max_retries=0, timeout=31.7)  # type: ignore[arg-type]
    template = ChatPromptTemplate.from_messages([("system", "Use {context}"), ("user", "{question}")])
    found = Retriever() | RunnableLambda(lambda documents: documents[0].page_content)
    chain = {"context": found, "question": RunnablePassthrough()} | template | model | StrOutputParser()
    said = chain.invoke("Who wrote Faust?")
    item = made.item
    assert item["query"] == "Who wrote Faust?"
    assert item["answer"] == said
    assert [(one["id"], one["content"]) for one in item["context"]] == [("a", "Goethe wrote Faust.")]
    assert item["prompt"]["variables"] == {"context": "Goethe wrote Faust.", "question": "Who wrote Faust?"}
    assert len(item["calls"]) == 1


def test_the_last_thing_that_was_said_in_a_conversation_is_the_query(evaluated: Make) -> None:
    made = evaluated(1.0)
    said = json.dumps(
        [
            {"role": role, "parts": [{"type": "text", "content": text}]}
            for role, text in (("system", "Be brief"), ("user", "Hello"), ("assistant", "Hi"), ("user", "And now?"))
        ]
    )
    made.chat(
        gen_ai__input__messages=said, gen_ai__output__messages=message("assistant", "Later", finish_reason="stop")
    )
    assert (made.item["query"], made.item["answer"]) == ("And now?", "Later")


def test_the_messages_that_an_agent_was_given(evaluated: Make) -> None:
    made = evaluated(1.0)
    given = json.dumps(json.loads(message("user", "Plan it")) + json.loads(message("assistant", "Certainly")))
    with made.tracer.start_as_current_span("agent", attributes={"gen_ai.input.messages": given}):
        made.call(gen_ai__input__messages=message("user", "As a planner, plan it"))
    assert made.item["query"] == "Plan it"


def test_a_call_of_tools_is_no_answer(evaluated: Make) -> None:
    made = evaluated(1.0)
    calls = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "f"}], "finish_reason": "tool_calls"}]
    with made.tracer.start_as_current_span("request"):
        made.call(gen_ai__input__messages=message("user", "Plan it"), gen_ai__output__messages=json.dumps(calls))
        made.call(gen_ai__output__messages=message("assistant", "Planned"), gen_ai__response__id="second")
        made.call(gen_ai__output__messages=json.dumps(calls))
    assert (made.item["query"], made.item["answer"]) == ("Plan it", "Planned")
    assert made.item["answered_by"]["response_id"] == "second"


def test_content_that_is_broken_breaks_nothing(evaluated: Make) -> None:
    made = evaluated(1.0)
    for broken in (
        "{",
        "[1, null]",
        '[{"parts": 3}]',
        '[{"role": "user", "parts": [3, {"type": "text"}]}]',
        "null",
        "3",
    ):
        with made.tracer.start_as_current_span("r", attributes={"gen_ai.retrieval.documents": broken}):
            made.call(
                gen_ai__input__messages=broken,
                gen_ai__output__messages=broken,
                gen_ai__operation__name="retrieval",
                gen_ai__retrieval__documents=broken,
            )
            made.call(gen_ai__input__messages=broken, gen_ai__output__messages=broken)
    assert len(made.flushed()) == 6
    assert not any("answer" in item or "query" in item for item in made.items)


def test_numbers_that_are_none_are_left_out(evaluated: Make) -> None:
    made = evaluated(1.0, rules=[{"name": "big", "tokens_over": 1}])
    with made.tracer.start_as_current_span("request"):
        documents = '[{"content": "a", "score": NaN}, {"content": "b", "score": true}, {"content": "c", "score": 1}]'
        made.call(gen_ai__operation__name="retrieval", gen_ai__retrieval__documents=documents)
        for count in (float("nan"), float("inf"), True, 7):
            made.call(gen_ai__usage__input_tokens=count)
    assert made.item["usage"] == {"input_tokens": 7}
    assert made.item["context"] == [{"content": "a"}, {"content": "b"}, {"content": "c", "score": 1}]


def test_spans_beyond_the_limit_are_left_out_and_said_to_be(evaluated: Make) -> None:
    made = evaluated(1.0, limits=Limits(spans=5))
    with made.tracer.start_as_current_span("request"):
        for _ in range(10):
            made.call()
    item = made.item
    assert (item["spans"], item["spans_left_out"], item["truncated"]) == (6, 5, True)
    assert item["name"] == "request"
    large = evaluated(1.0, limits=Limits(trace_bytes=50_000))
    with large.tracer.start_as_current_span("request"):
        large.call(gen_ai__input__messages=message("user", "x" * 40_000))
        large.call(gen_ai__input__messages=message("user", "x" * 40_000))
    assert large.item["truncated"]
    assert len(large.item["calls"]) == 1


def test_content_that_was_cut_is_said_to_be(evaluated: Make) -> None:
    made = evaluated(1.0)
    made.chat(otel_llm__content__truncated=["gen_ai.input.messages"])
    assert made.item["truncated"]


def test_one_call_of_several_layers_counts_once(evaluated: Make) -> None:
    made = evaluated(1.0)
    with made.tracer.start_as_current_span(
        "chat m", attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3}
    ):
        made.call(gen_ai__usage__input_tokens=3)
    assert len(made.item["calls"]) == 1
    assert made.item["usage"] == {"input_tokens": 3}


def test_what_has_nothing_of_genai_is_no_item(evaluated: Make) -> None:
    made = evaluated(1.0)
    with made.tracer.start_as_current_span("GET /health", attributes={"http.route": "/health"}):
        pass
    assert made.flushed() == []
    assert made.accounts.dropped_by == {"nothing_to_evaluate": 1}


def test_the_schema_is_one_and_every_field_of_the_documentation_is_in_it() -> None:
    from pathlib import Path

    from jsonschema import Draft202012Validator

    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == schema["properties"]["schema"]["const"] == SCHEMA
    page = (Path(__file__).resolve().parents[3] / "docs" / "evaluation.md").read_text()
    assert {name for name in schema["properties"] if f"`{name}`" not in page} == set()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    VALID.validate(json.loads(example))


@pytest.mark.parametrize("root_error", [{}, {"error.type": "500"}])
def test_the_error_of_the_model_call_comes_before_the_web_frameworks(
    evaluated: Any, root_error: dict[str, str]
) -> None:
    made = evaluated(1.0)
    with made.tracer.start_as_current_span("POST /ask", attributes=root_error) as root:
        with made.tracer.start_as_current_span("answer") as step:
            _failing(made, "RateLimitError")
            step.set_status(Status(StatusCode.ERROR))
        root.set_status(Status(StatusCode.ERROR))
    assert made.item["error_type"] == "RateLimitError"


def test_a_model_call_that_was_tried_again_with_success_is_not_why_the_trace_failed(evaluated: Any) -> None:
    made = evaluated(1.0)
    with made.tracer.start_as_current_span("request", attributes={"error.type": "KeyError"}) as root:
        _failing(made, "RateLimitError")
        made.call()
        root.set_status(Status(StatusCode.ERROR))
    assert made.item["error_type"] == "KeyError"


def test_of_several_failed_model_calls_the_last_says_why(evaluated: Any) -> None:
    made = evaluated(1.0)
    with made.tracer.start_as_current_span("request") as root:
        _failing(made, "RateLimitError")
        _failing(made, "APITimeoutError")
        root.set_status(Status(StatusCode.ERROR))
    assert made.item["error_type"] == "APITimeoutError"


def _failing(made: Any, error_type: str) -> None:
    given = {"gen_ai.operation.name": "chat", "error.type": error_type}
    span = made.tracer.start_span("chat m", attributes=given)
    span.set_status(Status(StatusCode.ERROR))
    span.end()


def test_what_the_calls_cost(evaluated: Make) -> None:
    made = evaluated(1.0)

    def priced(amount: Any, currency: Any, **more: Any) -> None:
        told = {"otel_llm__usage__cost__amount": amount, "otel_llm__usage__cost__currency": currency}
        made.call(**told, otel_llm__usage__cost__source="local", **more)

    with made.tracer.start_as_current_span("request"):
        for amount in (0.1, 0.1, 0.1, float("nan"), -1.0, True):
            priced(amount, "USD")
        priced(2.5, "EUR", otel_llm__usage__estimated=True)
        priced(1.0, 7)
        made.call()
        made.call(otel_llm__unpriced__reason="unknown_model", otel_llm__tenant__id="acme")
    item = made.item
    assert item["tenant_id"] == "acme"
    assert item["cost"] == {"USD": 0.3, "EUR": 2.5}
    assert [call.get("unpriced") for call in item["calls"]] == [*[None] * 9, "unknown_model"]
    assert [call.get("cost") for call in item["calls"]] == [
        *[{"amount": 0.1, "currency": "USD", "source": "local"}] * 3,
        *[None] * 3,
        {"amount": 2.5, "currency": "EUR", "source": "local"},
        *[None] * 3,
    ]
    assert [call.get("usage_estimated") for call in item["calls"]] == [*[None] * 6, True, *[None] * 3]
    VALID.validate(item)


def test_a_background_response_costs_what_the_fetching_of_its_answer_says(evaluated: Make) -> None:
    made = evaluated(1.0)
    with made.tracer.start_as_current_span("request"):
        made.call(gen_ai__response__id="r1", otel_llm__unpriced__reason="pending")
        fetch = {"gen_ai.operation.name": "fetch_response", "gen_ai.response.id": "r1"}
        fetch |= {"otel_llm.usage.cost.amount": 0.5, "otel_llm.usage.cost.currency": "USD"}
        made.tracer.start_span("fetch_response", attributes=fetch).end()
    item = made.item

    assert item["cost"] == {"USD": 0.5}
    assert [(call["cost"], call.get("unpriced")) for call in item["calls"]] == [
        ({"amount": 0.5, "currency": "USD"}, None)
    ]
