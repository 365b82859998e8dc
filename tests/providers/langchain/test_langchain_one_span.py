"""A model call through an instrumented SDK is one span, which knows what both know, and counts once."""

from __future__ import annotations

import asyncio
import json

import openai as sdk
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAI, OpenAIEmbeddings
from shapes import ASKED, WHO
from traces import named, tokens, tree

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.core.errors import described
from standin.wire import Reply

DETAILS = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}
USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, **DETAILS}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Wide."}, "finish_reason": "stop"}],
    "usage": USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}


def test_a_chain_is_one_inference_with_the_knowledge_of_both(recorder, server, model):
    server.reply_with(Reply(body=ANSWER))
    chain = WHO | model.bind(temperature=0.5) | StrOutputParser()
    config = {"run_name": "ask", "tags": ["blue", "langsmith:nostream"], "metadata": {"customer": "acme"}}
    assert chain.invoke(ASKED, config) == "Wide."
    assert tree(recorder) == ["invoke_workflow ask", "  chat gpt-4o-mini"]
    (known,) = named(recorder, "chat")
    assert {name: value for name, value in known.items() if not name.endswith((".run_id", "request.id", ".port"))} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "openai.api.type": "chat_completions",
        "openai.response.service_tier": "default",
        "openai.response.system_fingerprint": "fp_1",
        "server.address": "127.0.0.1",
        "otel_llm.langchain.metadata": '{"customer":"acme"}',
        "otel_llm.langchain.tags": ("blue",),
        "otel_llm.tags": ("blue",),
        "otel_llm.prompt.template.hash": known["otel_llm.prompt.template.hash"],
        "otel_llm.prompt.variables.count": 2,
    }
    assert known["otel_llm.request.id"].startswith("req_")
    assert tokens(recorder) == {"input": 12, "output": 5}
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.count == 1
    assert duration.attributes["server.address"] == "127.0.0.1"


@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_every_way_to_call_is_one_span_and_one_count(recorder, openai, responses, streamed, asynchronous, durations):
    async def ask(model):
        if not asynchronous:
            return list(model.stream("hi")) if streamed else model.invoke("hi")
        return [chunk async for chunk in model.astream("hi")] if streamed else await model.ainvoke("hi")

    asyncio.run(ask(ChatOpenAI(model="gpt-4o-mini", use_responses_api=responses, stream_usage=True, **openai)))
    known = dict(recorder.span.attributes)
    assert known["openai.api.type"] == ("responses" if responses else "chat_completions")
    assert known["gen_ai.response.id"].startswith("resp_" if responses else "chatcmpl-")
    assert ("gen_ai.response.time_to_first_chunk" in known) is streamed
    assert known.get("gen_ai.request.stream") is (True if streamed else None)
    assert tokens(recorder) == {
        "input": known["gen_ai.usage.input_tokens"],
        "output": known["gen_ai.usage.output_tokens"],
    }
    assert len(recorder.points("gen_ai.client.operation.time_to_first_chunk")) == streamed
    assert durations() == []


def test_chunks_are_timed_once(recorder, model):
    chunks = list(model.stream("hi"))
    (gaps,) = recorder.points("gen_ai.client.operation.time_per_output_chunk")
    # LangChain may add a chunk of its own; the SDK tells of those that came over the wire.
    assert gaps.count in (len(chunks) - 2, len(chunks) - 1, len(chunks))


def test_a_model_that_streams_within_invoke(recorder, openai):
    ChatOpenAI(model="gpt-4o-mini", streaming=True, **openai).invoke("hi")
    assert recorder.span.attributes["gen_ai.request.stream"] is True
    assert recorder.span.attributes["gen_ai.response.time_to_first_chunk"] > 0


def test_events_of_the_newest_protocol(recorder, model):
    stream = model.stream_events("hi", version="v3")
    assert str(stream.text)
    assert recorder.span.attributes["gen_ai.response.id"].startswith("chatcmpl-")


async def test_astream_events(recorder, openai):
    model = ChatOpenAI(model="gpt-4o-mini", **openai)
    events = [event async for event in (WHO | model).astream_events(ASKED)]
    assert events[-1]["event"] == "on_chain_end"
    assert tree(recorder) == ["invoke_workflow", "  chat gpt-4o-mini"]


def test_raw_responses_and_structured_output(recorder, openai):
    schema = {"title": "Sea", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    model = ChatOpenAI(model="gpt-4o-mini", include_response_headers=True, **openai)
    model.invoke("hi")
    model.with_structured_output(schema, method="json_schema").invoke("name one")
    plain, structured = named(recorder, "chat")
    assert plain["gen_ai.response.id"]
    assert structured["gen_ai.output.type"] == "json"
    assert structured["gen_ai.response.id"]


def test_an_azure_model(recorder, server):
    model = AzureChatOpenAI(azure_endpoint=server.url, api_key="k", api_version="2024-10-21", azure_deployment="gpt-4o")
    model.invoke("hi")
    assert recorder.span.attributes["gen_ai.provider.name"] == "azure.ai.openai"


def test_a_text_llm(recorder, openai):
    OpenAI(model="gpt-3.5-turbo-instruct", **openai).invoke("hi")
    recorder.missing.add("openai.api.type")
    assert recorder.span.name == "text_completion gpt-3.5-turbo-instruct"
    assert recorder.span.attributes["gen_ai.response.id"].startswith("cmpl-")
    assert tokens(recorder)["input"] == recorder.span.attributes["gen_ai.usage.input_tokens"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_embeddings_in_several_requests(recorder, openai, asynchronous):
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small", chunk_size=2, check_embedding_ctx_length=False, **openai
    )
    texts = ["one", "two", "three", "four", "five"]
    vectors = asyncio.run(embeddings.aembed_documents(texts)) if asynchronous else embeddings.embed_documents(texts)
    known = dict(recorder.span.attributes)
    assert recorder.span.name == "embeddings text-embedding-3-small"
    assert known["gen_ai.embeddings.dimension.count"] == len(vectors[0])
    assert known["gen_ai.usage.input_tokens"] == tokens(recorder)["input"] > 2
    assert known["server.address"] == "127.0.0.1"


def test_without_the_sdks_instrumentation_langchain_tells_all_it_knows(recorder, openai):
    otel_llm.uninstrument("openai")
    recorder.missing |= {"openai.api.type", "gen_ai.response.id"}  # LangChain's chunks have no id of the provider's
    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True, **openai)
    model.invoke("hi")
    list(model.stream("hi"))
    whole, streamed = named(recorder, "chat")
    for known in (whole, streamed):
        assert known["gen_ai.provider.name"] == "openai"
        assert known["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
        assert known["gen_ai.response.finish_reasons"] == ("stop",)
        assert known["server.address"] == "127.0.0.1"
    assert whole["gen_ai.response.id"].startswith("chatcmpl-")
    assert "gen_ai.response.time_to_first_chunk" not in whole
    assert streamed["gen_ai.response.time_to_first_chunk"] > 0
    assert streamed["gen_ai.request.stream"] is True
    assert tokens(recorder) == {
        kind: whole[f"gen_ai.usage.{kind}_tokens"] + streamed[f"gen_ai.usage.{kind}_tokens"]
        for kind in ("input", "output")
    }


def test_an_error_of_the_provider(recorder, openai):
    with pytest.raises(sdk.RateLimitError) as failed:
        ChatOpenAI(model="error-429", **openai).invoke("hi")
    known = dict(recorder.span.attributes)
    assert (
        known["error.type"] == described(failed.value, ())["error.type"]
    )  # what the caller gets: the SDK's, or LangChain's own
    assert known["otel_llm.error.status_code"] == 429
    assert known["gen_ai.response.finish_reasons"] == ("error",)


def test_an_error_that_a_gateway_sends_with_status_200(recorder, server, openai):
    """The SDK raises an error of its own, which says nothing of the gateway's."""
    server.reply_with(Reply(body={"error": {"message": "Say hello", "code": "overloaded"}}))
    recorder.missing |= {"gen_ai.usage.input_tokens", "gen_ai.response.model", "gen_ai.embeddings.dimension.count"}
    with pytest.raises(ValueError, match="No embedding data"):
        OpenAIEmbeddings(model="e", check_embedding_ctx_length=False, **openai).embed_query("hi")
    assert recorder.attributes["error.type"] == "ValueError"
    assert recorder.attributes["otel_llm.error.code"] == "overloaded"


def test_fallbacks_and_retries_are_a_span_each(recorder, openai, model):
    failing = ChatOpenAI(model="error-500", **openai)
    chain = failing.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).with_fallbacks([model])
    chain.invoke("hi")
    assert [line.strip() for line in tree(recorder) if "chat" in line] == [
        "chat error-500 !",
        "chat error-500 !",
        "chat gpt-4o-mini",
    ]
    assert tokens(recorder)["input"] == named(recorder, "chat gpt-4o-mini")[0]["gen_ai.usage.input_tokens"]


def test_the_http_layer_below_is_inside_of_the_inference(recorder, openai):
    import httpx

    seen = []
    tracer = recorder.tracer_provider.get_tracer("http")

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request):
            with tracer.start_as_current_span("POST") as span:
                seen.append(span)
                return super().handle_request(request)

    with httpx.Client(transport=Transport()) as client:
        model = ChatOpenAI(model="gpt-4o-mini", http_client=client, **openai)
        model.invoke("hi")
        list(model.stream("hi"))
    assert tree(recorder) == ["chat gpt-4o-mini", "  POST", "chat gpt-4o-mini", "  POST"]


@pytest.mark.parametrize("capture", [ContentCapture.EVENT_ONLY, ContentCapture.SPAN_ONLY])
def test_a_template_inside_of_a_manual_span(recorder, model, capture):
    """The template and its variables are content of the one call, whichever layer knows them."""
    recorder.instrument(Settings(capture_content=capture, emit_event=True))
    with otel_llm.chat_span("gpt-4o-mini", "openai"):
        model.invoke(WHO.invoke(ASKED))
    (event,) = (log for log in recorder.logs if log.event_name == "gen_ai.client.inference.operation.details")
    inference = recorder.span
    content = event.attributes if capture is ContentCapture.EVENT_ONLY else inference.attributes
    assert "You are {who}." in content["otel_llm.prompt.template"]
    assert content["gen_ai.prompt.variable.who"] == "a poet"
    assert "What is the sea?" in json.dumps(content["gen_ai.input.messages"], default=str)
    assert inference.attributes["otel_llm.prompt.variables.count"] == 2
