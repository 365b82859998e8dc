"""An endpoint's OpenAI route, called by the openai SDK, is OpenAI, marked with the endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from asking import CHAT

from standin.chat import chat

openai: Any = pytest.importorskip("openai")
if not hasattr(openai, "OpenAI"):
    pytest.skip("what was found is the directory of tests", allow_module_level=True)

ENDPOINT = "otel_llm.sagemaker.endpoint.name"


@pytest.mark.parametrize("path", ["chat-llama/openai/v1", "chat-llama/inference-components/a/openai/v1/"])
def test_the_endpoint_is_told(server: Any, recorder: Any, path: str) -> None:
    server.reply_with(lambda request: chat(request, "llama"))
    with openai.OpenAI(base_url=f"{server.url}/endpoints/{path}", api_key="token", max_retries=0) as client:
        client.chat.completions.create(model="llama", **CHAT)
    assert recorder.attributes["gen_ai.provider.name"] == "openai"
    assert recorder.attributes[ENDPOINT] == "chat-llama"
    assert recorder.attributes["gen_ai.usage.input_tokens"] > 0


def test_the_stand_in_has_the_route(server: Any, recorder: Any) -> None:
    url = f"{server.url}/endpoints/chat-llama/openai/v1"
    with openai.OpenAI(base_url=url, api_key="token", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="llama", stream=True, stream_options={"include_usage": True}, **CHAT
        )
        assert list(stream)
    assert recorder.attributes[ENDPOINT] == "chat-llama"


@pytest.mark.parametrize("path", ["v1", "endpoints/openai/v1", "openai/v1", "x/endpoints/y/openai/v1"])
def test_other_paths_are_none(path: str) -> None:
    from otel_llm.providers.openai.server import Servers

    with openai.OpenAI(base_url=f"http://localhost/{path}", api_key="token") as client:
        assert Servers().of(client).sagemaker_endpoint is None
