"""Who is called: Azure, compatible hosts, the module's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from either import Either, settled
from replies import ASK, ASKED, CHAT

from otel_llm.providers.openai.server import Servers

VERSION = "2025-04-01-preview"


@pytest.fixture(params=[openai.AzureOpenAI, openai.AsyncAzureOpenAI])
async def azure(request, server):
    client = request.param(azure_endpoint=server.url, api_key="azure", api_version=VERSION, max_retries=0)
    yield Either(client)
    await settled(client.close())


async def test_azure(recorder, azure, server, durations):
    await azure(lambda client: client.chat.completions.create(**CHAT))
    assert server.requests[-1].path == "/openai/deployments/gpt-4o-mini/chat/completions"
    assert recorder.span.name == "chat gpt-4o-mini"
    given = recorder.attributes
    assert given["gen_ai.provider.name"] == "azure.ai.openai"
    assert (given["server.address"], given["server.port"]) == ("127.0.0.1", server.port)
    assert given["openai.api.type"] == "chat_completions"
    assert durations() == []


async def test_other_calls_and_streams_of_azure(recorder, azure):
    await azure.drain(lambda client: client.chat.completions.create(**CHAT, stream=True))
    await azure(lambda client: client.embeddings.create(model="text-embedding-3-small", input="a"))
    await azure(lambda client: client.responses.create(**ASKED))
    assert [span.name for span in recorder.spans] == [
        "chat gpt-4o-mini",
        "embeddings text-embedding-3-small",
        "chat gpt-4.1",
    ]
    assert {(span.attributes or {})["gen_ai.provider.name"] for span in recorder.spans} == {"azure.ai.openai"}


def test_azure_with_its_deployment_in_the_client(recorder, server):
    options: dict[str, Any] = {"api_key": "azure", "api_version": VERSION, "azure_deployment": "mine"}
    with openai.AzureOpenAI(azure_endpoint=server.url, **options) as client:
        client.chat.completions.create(**CHAT)
    assert server.requests[-1].path == "/openai/deployments/mine/chat/completions"
    assert recorder.attributes["gen_ai.request.model"] == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("url", "provider", "port"),
    [
        ("https://api.openai.com/v1", "openai", 443),
        ("https://eu.api.openai.com/v1", "openai", 443),
        ("https://me.openai.azure.com/openai/v1/", "azure.ai.openai", 443),
        ("https://me.cognitiveservices.azure.com/openai", "azure.ai.openai", 443),
        ("https://me.services.ai.azure.com/models", "azure.ai.inference", 443),
        ("https://api.deepseek.com", "deepseek", 443),
        ("https://api.groq.com/openai/v1", "groq", 443),
        ("https://api.mistral.ai/v1", "mistral_ai", 443),
        ("https://api.moonshot.ai/v1", "moonshot_ai", 443),
        ("https://api.perplexity.ai", "perplexity", 443),
        ("https://api.x.ai/v1", "x_ai", 443),
        ("https://api.cohere.ai/compatibility/v1", "cohere", 443),
        ("https://api.anthropic.com/v1/", "anthropic", 443),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gcp.gemini", 443),
        ("https://europe-west1-aiplatform.googleapis.com/v1", "gcp.vertex_ai", 443),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws.bedrock", 443),
        ("https://openrouter.ai/api/v1", "openai", 443),
        ("https://notx.ai/v1", "openai", 443),
        ("https://deepseek.com.example.org/v1", "openai", 443),
        ("http://localhost:11434/v1", "openai", 11434),
        ("http://gateway.internal/v1", "openai", 80),
        ("https://gateway.internal:8443/v1", "openai", 8443),
        ("http://[::1]:8000/v1", "openai", 8000),
    ],
)
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
def test_the_provider_by_its_host(kind, url, provider, port):
    server = Servers().of(kind(base_url=url, api_key="any"))
    assert (server.provider, server.port) == (provider, port)
    assert server.address == url.partition("://")[2].partition("/")[0].removesuffix(f":{port}").strip("[]")


def test_a_base_url_that_is_changed(recorder, client, server):
    client.chat.completions.create(**CHAT)
    client.base_url = server.base_url.replace("127.0.0.1", "localhost")
    client.chat.completions.create(**CHAT)
    client.with_options(base_url=server.base_url).chat.completions.create(**CHAT)
    addresses = [(span.attributes or {})["server.address"] for span in recorder.spans]
    assert addresses == ["127.0.0.1", "localhost", "127.0.0.1"]


def test_bedrock_by_its_client():
    if not hasattr(openai, "BedrockOpenAI"):
        pytest.skip("this SDK has no BedrockOpenAI")
    client = openai.BedrockOpenAI(base_url="https://gateway.internal/v1", api_key="any", aws_region="us-east-1")
    assert Servers().of(client).provider == "aws.bedrock"


@pytest.fixture
def module_client(server, monkeypatch) -> Iterator[None]:
    """The client that ``openai.chat...`` makes of the module's variables."""
    monkeypatch.setattr(openai, "base_url", f"{server.base_url}/")
    monkeypatch.setattr(openai, "api_key", "any")
    monkeypatch.setattr(openai, "max_retries", 0)
    reset = openai._reset_client  # type: ignore[attr-defined]
    reset()
    yield
    reset()


@pytest.mark.usefixtures("module_client")
def test_calls_by_the_module(recorder, server):
    openai.chat.completions.create(model="gpt-4o", messages=ASK)
    list(openai.chat.completions.create(model="gpt-4o", messages=ASK, stream=True))
    openai.embeddings.create(model="text-embedding-3-small", input="a")
    names = ["chat gpt-4o", "chat gpt-4o", "embeddings text-embedding-3-small"]
    if hasattr(openai, "responses"):
        openai.responses.create(**ASKED)
        names.append("chat gpt-4.1")
    assert [span.name for span in recorder.spans] == names
    assert {(span.attributes or {})["server.port"] for span in recorder.spans} == {server.port}
