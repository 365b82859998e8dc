"""Answers of every container that is known: what each tells, as attributes and as messages."""

from __future__ import annotations

from typing import Any

import pytest
from asking import CHAT, COMMON, CONTENT, GENERATE, answering, invoke, messages, same, told

CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "/opt/ml/model",
    "system_fingerprint": "3.0.1-native",
    "service_tier": None,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop", "logprobs": None}
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


def test_chat(client: Any, recorder: Any, durations: Any) -> None:
    recorder_reply(client, CHAT_ANSWER)
    invoke(client, "e", CHAT)
    expected = {
        **COMMON,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "e",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "/opt/ml/model",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "otel_llm.sagemaker.endpoint.name": "e",
        "otel_llm.sagemaker.invoked_variant": "AllTraffic",
    }
    assert same(told(recorder.attributes), expected)
    assert durations() == []
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in recorder.points("gen_ai.client.token.usage")
    }
    assert tokens == {"input": 12, "output": 3}


def test_the_reference_application(client: Any, recorder: Any) -> None:
    """Messages beside TGI's parameters, as the LLM Twin sends them."""
    parameters = {"max_new_tokens": 150, "temperature": 0.01, "top_p": 0.6, "stop": ["<|eot_id|>"]}
    invoke(client, "chat-llm-twin", {**CHAT, "parameters": {**parameters, "return_full_text": False}})
    assert told(recorder.attributes, "gen_ai.usage.").keys() == {
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
    assert recorder.attributes["gen_ai.request.max_tokens"] == 150


TOLD: dict[str, tuple[Any, Any, dict[str, Any], list[str]]] = {
    "completion": (
        {"prompt": "Once"},
        {
            "id": "cmpl-1",
            "model": "llama",
            "choices": [{"index": 0, "text": " upon", "finish_reason": "length"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        },
        {"id": "cmpl-1", "model": "llama", "finish_reasons": ("length",), "input_tokens": 1, "output_tokens": 1},
        [" upon"],
    ),
    "TGI without details": (GENERATE, [{"generated_text": "Hello."}], {}, ["Hello."]),
    "TGI with details": (
        GENERATE,
        [
            {
                "generated_text": "Hello.",
                "details": {
                    "finish_reason": "eos_token",
                    "generated_tokens": 3,
                    "prefill": [{"id": 1}, {"id": 2}],
                    "tokens": [{"id": 5, "text": "Hello", "special": False}],
                },
            }
        ],
        {"finish_reasons": ("stop",), "output_tokens": 3, "input_tokens": 2},
        ["Hello."],
    ),
    "TGI with details, no prefill": (
        GENERATE,
        [{"generated_text": "Hello.", "details": {"finish_reason": "length", "generated_tokens": 3, "prefill": []}}],
        {"finish_reasons": ("length",), "output_tokens": 3},
        ["Hello."],
    ),
    "a batch": (
        {"inputs": ["a", "b"], "parameters": {"max_new_tokens": 5}},
        [
            {"generated_text": "A", "details": {"finish_reason": "length", "generated_tokens": 5}},
            {"generated_text": "B", "details": {"finish_reason": "eos_token", "generated_tokens": 2}},
        ],
        {"finish_reasons": ("length", "stop"), "output_tokens": 7},
        ["A", "B"],
    ),
    "a batch of which one counts": (
        {"inputs": ["a", "b"], "parameters": {"max_new_tokens": 5}},
        [{"generated_text": "A", "details": {"generated_tokens": 5}}, {"generated_text": "B"}],
        {},
        ["A", "B"],
    ),
    "LMI, rolling batch": (
        GENERATE,
        {"generated_text": "Hello.", "details": {"finish reason": "eos_token", "generated_tokens": 3, "inputs": "x"}},
        {"finish_reasons": ("stop",), "output_tokens": 3},
        ["Hello."],
    ),
    "a container that writes camel case": (
        GENERATE,
        [{"generated_text": "Hello.", "details": {"finishReason": "length", "generated_tokens": 3}}],
        {"finish_reasons": ("length",), "output_tokens": 3},
        ["Hello."],
    ),
    "LMI, dynamic batch": (GENERATE, [{"generated_text": "Hello."}], {}, ["Hello."]),
    "a batch of pipelines": (
        {"inputs": ["a", "b"], "parameters": {"do_sample": True}},
        [[{"generated_text": "A"}], [{"generated_text": "B"}]],
        {},
        ["A", "B"],
    ),
    "JumpStart, texts": ({"text_inputs": "a", "top_p": 0.5}, {"generated_texts": ["A", "B"]}, {}, ["A", "B"]),
    "JumpStart, generation": (GENERATE, [{"generation": "Hello."}], {}, ["Hello."]),
    "JumpStart, generation alone": (GENERATE, {"generation": "Hello."}, {}, ["Hello."]),
}


@pytest.mark.parametrize("name", TOLD)
def test_text_generation(client: Any, sparse: Any, server: Any, name: str) -> None:
    asked, answer, expected, texts = TOLD[name]
    sparse.instrument(CONTENT)
    server.reply_with(answering(answer))
    invoke(client, "e", asked)
    given = told(sparse.attributes, "gen_ai.response.", "gen_ai.usage.")
    assert same({key.rpartition(".")[2]: value for key, value in given.items()}, expected)
    assert sparse.attributes["gen_ai.operation.name"] == "text_completion"
    assert [message["parts"][0]["content"] for message in messages(sparse.attributes, "output")] == texts


@pytest.mark.parametrize(
    ("asked", "answer", "dimensions"),
    [
        ({"inputs": "a"}, [[0.1, 0.2] * 8], 16),
        ({"inputs": "a"}, [0.1, 0.2] * 12, 24),
        ({"inputs": ["a"]}, [[[0.1, 0.2] * 9, [0.3, 0.4] * 9]], 18),
        ({"inputs": ["a"]}, {"embedding": [[1, 2]]}, 2),
        ({"text_inputs": "a"}, {"embedding": [1.0, 2.0]}, 2),
        ({"inputs": ["a"]}, {"vectors": [[1, 2, 3, 4]]}, 4),
        ({"inputs": ["a"]}, {"embeddings": [{"embedding": [1, 2]}]}, 2),
        ({"input": ["a"], "model": "m"}, {"data": [{"embedding": [0.5, 0.25], "index": 0}]}, 2),
    ],
)
@pytest.mark.parametrize("settings", [None, CONTENT])
def test_embeddings(
    client: Any, sparse: Any, server: Any, asked: Any, answer: Any, dimensions: int, settings: Any
) -> None:
    sparse.instrument(settings)
    server.reply_with(answering(answer))
    invoke(client, "e", asked)
    assert sparse.attributes["gen_ai.operation.name"] == "embeddings"
    assert sparse.attributes["gen_ai.embeddings.dimension.count"] == dimensions
    assert not told(sparse.attributes, "gen_ai.input", "gen_ai.output", "gen_ai.response.finish")


def test_a_first_llama_of_jumpstart_chats(client: Any, sparse: Any) -> None:
    sparse.instrument(CONTENT)
    invoke(client, "jumpstart", {"inputs": [CHAT["messages"]], "parameters": {"max_new_tokens": 9}})
    assert messages(sparse.attributes, "input") == [
        {"role": "user", "parts": [{"type": "text", "content": "Say hello."}]}
    ]
    assert messages(sparse.attributes, "output")[0]["parts"][0]["content"]


def test_all_events_at_once_where_the_route_cannot_stream(client: Any, recorder: Any, server: Any) -> None:
    chunk = '{"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}],'
    usage = '"usage":{"prompt_tokens":2,"completion_tokens":1}}'
    server.reply_with(answering(f"data: {chunk}{usage}\n\ndata: [DONE]\n\n".encode(), "text/event-stream"))
    invoke(client, "e", {**CHAT, "stream": True})
    assert recorder.attributes["gen_ai.usage.output_tokens"] == 1
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not json",
        b'{"choices": [',
        b"[" * 100000,
        {"choices": [None, 3, {"message": 5, "finish_reason": 7}], "usage": "many", "id": 4, "model": []},
        {"choices": {}},
        {"data": [None]},
        [None],
        [{"generated_text": 3}],
        [{"generated_text": "a", "details": {"finish_reason": 3, "generated_tokens": "x", "prefill": 7}}],
        {"generated_text": None},
        {"embedding": []},
        {"embedding": "x"},
        None,
        3,
        "text",
        "\ud800",
    ],
)
@pytest.mark.parametrize("asked", [CHAT, GENERATE, {"inputs": "a"}, {"input": "a"}])
def test_malformed_answers_reach_the_caller_and_leave_things_out(
    client: Any, sparse: Any, server: Any, answer: Any, asked: Any
) -> None:
    sparse.instrument(CONTENT)
    server.reply_with(reply := answering(answer))
    assert invoke(client, "e", asked) == reply.body
    assert len(sparse.spans) <= 1
    if asked in (CHAT, GENERATE):
        assert not told(sparse.attributes, "gen_ai.usage.", "gen_ai.response.id", "gen_ai.response.model")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": {"message": "The prompt is long.", "type": "too_long", "code": None}}, "too_long"),
        ({"error": {"message": "The prompt is long.", "code": 400}}, "400"),
        ({"error": "Input validation error", "error_type": "validation"}, "validation"),
        ({"error": "The prompt is long."}, "_OTHER"),
        ([{"generated_text": "He", "details": {"finish_reason": "error", "generated_tokens": 1}}], "error"),
    ],
)
def test_an_error_that_comes_as_an_answer(client: Any, sparse: Any, server: Any, answer: Any, kind: str) -> None:
    server.reply_with(answering(answer))
    invoke(client, "e", GENERATE)
    assert sparse.attributes["error.type"] == kind
    assert "long" not in str(sparse.attributes.values()).replace("too_long", "")


def recorder_reply(client: Any, answer: Any) -> None:
    """Answer by botocore's own hook: an endpoint of no server."""
    import io
    import json

    from botocore.awsrequest import AWSResponse

    class Raw(io.BytesIO):
        def stream(self, *args: Any, **kwargs: Any) -> Any:
            while data := self.read(1024):
                yield data

    headers = {"content-type": "application/json", "x-amzn-invoked-production-variant": "AllTraffic"}
    client.meta.events.register_first(
        "before-send.sagemaker-runtime.*",
        lambda request, **_: AWSResponse(request.url, 200, headers, Raw(json.dumps(answer).encode())),
    )
