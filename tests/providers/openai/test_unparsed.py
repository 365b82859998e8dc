"""Answers that the SDK can't parse: the caller gets an error, and the answer that was paid for is on the span."""

from __future__ import annotations

import json

import openai
import pytest
from either import needs, settled
from opentelemetry.trace import StatusCode
from pydantic import BaseModel, ValidationError
from replies import ASKED, CHAT, chat_reply, message, response

from otel_llm import ContentCapture, Settings
from standin.server import Reply


class Place(BaseModel):
    city: str


def chat(api):
    return api.helper("parse")(**CHAT, response_format=Place)


def responses(api):
    parse = getattr(api.client.responses, "parse", None)
    needs(parse, "text_format")
    return parse(**ASKED, text_format=Place)


FILTERED = chat_reply(reasons=("content_filter",))
CASES = {
    "cut off": (chat, chat_reply(reasons=("length",)), openai.LengthFinishReasonError, "length"),
    "filtered": (
        chat,
        chat_reply(reasons=("content_filter",)),
        openai.ContentFilterFinishReasonError,
        "content_filter",
    ),
    "no JSON": (chat, chat_reply(), ValidationError, "stop"),
    "no JSON in a response": (responses, Reply(body=response(message())), ValidationError, "stop"),
}


@pytest.mark.parametrize("case", CASES)
async def test_an_answer_that_was_paid_for(recorder, api, server, case):
    ask, reply, error, reason = CASES[case]
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    server.reply_with(reply)
    with pytest.raises(error):
        await settled(ask(api))
    known = recorder.attributes
    assert recorder.span.status.status_code is StatusCode.ERROR
    assert known["error.type"].endswith(error.__name__)
    assert known["gen_ai.response.finish_reasons"] == (reason,)
    assert (known["gen_ai.usage.input_tokens"], known["gen_ai.usage.output_tokens"]) == (12, 3)
    assert known["gen_ai.response.id"] == reply.body["id"]
    (said,) = json.loads(known["gen_ai.output.messages"])
    assert said["parts"][0]["content"] == "Paris."
    assert sum(point.sum for point in recorder.points("gen_ai.client.token.usage")) == 15


async def test_embeddings_that_a_gateway_refuses_with_status_200(lenient, api, server):
    """The SDK looks for vectors, and raises an error of its own that says nothing of the gateway's."""
    server.reply_with(Reply(body={"error": {"message": "Say hello", "type": "server_error", "code": "overloaded"}}))
    with pytest.raises((ValueError, TypeError)) as raised:  # the first SDKs walk over None
        await api(lambda client: client.embeddings.create(model="m", input="a"))
    assert lenient.attributes["error.type"] == raised.type.__name__
    assert lenient.attributes["otel_llm.error.code"] == "overloaded"
    assert "hello" not in lenient.span.to_json()


async def test_vectors_are_parsed_as_before(recorder, api):
    answer = await api(lambda client: client.embeddings.create(model="m", input="a"))
    assert all(type(one) is float for one in answer.data[0].embedding)
    raw = await api(lambda client: client.embeddings.with_raw_response.create(model="m", input="a"))
    assert raw.parse().data[0].embedding == answer.data[0].embedding
    assert [span.attributes["gen_ai.embeddings.dimension.count"] for span in recorder.spans] == [
        len(answer.data[0].embedding)
    ] * 2


async def test_what_the_application_sends_itself_stays_as_it_is(lenient, api):
    """The options of a request may be used again: nothing of ours stays in them."""
    from openai._models import FinalRequestOptions

    def parse(answer):
        return answer

    options = FinalRequestOptions.construct(
        method="post", url="/embeddings", json_data={"model": "m", "input": "a"}, post_parser=parse
    )
    for _ in range(2):
        await api(lambda client: client.request(openai.types.CreateEmbeddingResponse, options))
    assert options.post_parser is parse
    assert len(lenient.spans) == 2
