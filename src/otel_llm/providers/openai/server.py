"""Who a client talks to: the provider's name in the conventions, host and port."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from .endpoint import Server

#: Hosts of providers that speak OpenAI's protocol and have a name in the conventions, by the end of the host's name.
_PROVIDERS = (
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    (".deepseek.com", "deepseek"),
    (".groq.com", "groq"),
    (".mistral.ai", "mistral_ai"),
    (".moonshot.ai", "moonshot_ai"),
    (".moonshot.cn", "moonshot_ai"),
    (".perplexity.ai", "perplexity"),
    (".x.ai", "x_ai"),
    (".cohere.ai", "cohere"),
    (".cohere.com", "cohere"),
    (".anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
)
_AZURE_CLIENTS = frozenset({"AzureOpenAI", "AsyncAzureOpenAI"})
_BEDROCK_CLIENTS = frozenset({"BedrockOpenAI", "AsyncBedrockOpenAI"})
_known: WeakKeyDictionary[Any, tuple[Any, Server]] = WeakKeyDictionary()


def server_of(client: Any) -> Server:
    """The server of ``client``, worked out once for each base URL it has."""
    url = client.base_url
    known = _known.get(client)
    if known is not None and known[0] is url:
        return known[1]
    server = Server(_provider(client, url.host), url.host or None, url.port or _DEFAULT_PORTS.get(url.scheme))
    _known[client] = (url, server)
    return server


_DEFAULT_PORTS = {"https": 443, "http": 80}


def _provider(client: Any, host: str) -> str:
    classes = {kind.__name__ for kind in type(client).__mro__}
    if classes & _AZURE_CLIENTS:
        return "azure.ai.openai"
    if classes & _BEDROCK_CLIENTS or (".bedrock" in f".{host}" and host.endswith(".amazonaws.com")):
        return "aws.bedrock"
    dotted = f".{host}"
    return next((name for suffix, name in _PROVIDERS if dotted.endswith(suffix)), "openai")
