"""langchain-aws: one span a call, LangChain's where that is instrumented too, with what SageMaker tells on it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import CHAT, CONTENT, messages

pytest.importorskip("langchain_aws", exc_type=ImportError)

from langchain_aws.chat_models.sagemaker_endpoint import ChatModelContentHandler, ChatSagemakerEndpoint
from langchain_aws.llms.sagemaker_endpoint import LLMContentHandler, SagemakerEndpoint
from langchain_core.messages import AIMessage


class Texts(LLMContentHandler):
    content_type = "application/json"
    accepts = "application/json"

    def transform_input(self, prompt: str, model_kwargs: dict[str, Any]) -> bytes:
        return json.dumps({"inputs": prompt, "parameters": model_kwargs}).encode()

    def transform_output(self, output: Any) -> str:
        if isinstance(output, bytes):
            return str(json.loads(output)["token"]["text"])
        return str(json.loads(output.read())[0]["generated_text"])


class Chats(ChatModelContentHandler):
    content_type = "application/json"
    accepts = "application/json"

    def transform_input(self, prompt: Any, model_kwargs: dict[str, Any]) -> bytes:
        return json.dumps({**CHAT, **model_kwargs}).encode()

    def transform_output(self, output: Any) -> Any:
        return AIMessage(content=json.loads(output.read())["choices"][0]["message"]["content"])


def one_call(recorder: Any) -> Any:
    """The one span of a model call; LangChain's own of a chain, should there be any, are not."""
    (span,) = [span for span in recorder.spans if span.kind.name == "CLIENT"]
    return span


def test_a_text_model(server: Any, session: Any, sparse: Any) -> None:
    model = SagemakerEndpoint(
        endpoint_name="tgi",
        client=session.client("sagemaker-runtime"),
        content_handler=Texts(),
        model_kwargs={"max_new_tokens": 20, "details": True},
    )
    assert model.invoke("Say hello.")
    span = one_call(sparse)
    assert span.attributes["gen_ai.operation.name"] == "text_completion"
    assert span.attributes["gen_ai.provider.name"] == "aws.sagemaker"
    assert span.attributes["gen_ai.usage.output_tokens"] > 0
    (duration,) = sparse.points("gen_ai.client.operation.duration")
    assert duration.count == 1


def test_a_finish_reason_that_no_one_gives_is_absent(server: Any, session: Any, sparse: Any) -> None:
    """As without LangChain: nothing was broken off."""
    sparse.instrument(CONTENT)
    client = session.client("sagemaker-runtime")
    assert SagemakerEndpoint(endpoint_name="tgi", client=client, content_handler=Texts()).invoke("Say hello.")
    span = one_call(sparse)
    assert "gen_ai.response.finish_reasons" not in span.attributes
    (message,) = messages(span.attributes, "output")
    assert message["finish_reason"] == "unknown"


def test_a_text_model_that_streams(server: Any, session: Any, sparse: Any) -> None:
    model = SagemakerEndpoint(
        endpoint_name="lmi",
        client=session.client("sagemaker-runtime"),
        content_handler=Texts(),
        streaming=True,
        model_kwargs={"max_new_tokens": 20, "details": True},
    )
    assert "".join(model.stream("Say hello."))
    span = one_call(sparse)
    assert span.attributes["gen_ai.usage.output_tokens"] > 0
    assert span.attributes["gen_ai.response.time_to_first_chunk"] > 0


def test_a_chat_model(server: Any, session: Any, sparse: Any) -> None:
    model = ChatSagemakerEndpoint(
        endpoint_name="chat", client=session.client("sagemaker-runtime"), content_handler=Chats()
    )
    assert model.invoke("Say hello.").content
    span = one_call(sparse)
    assert span.attributes["gen_ai.operation.name"] == "chat"
    assert span.attributes["gen_ai.usage.input_tokens"] > 0
    (duration,) = sparse.points("gen_ai.client.operation.duration")
    assert duration.count == 1
