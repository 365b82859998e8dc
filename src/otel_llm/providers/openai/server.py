"""The server of a client: the provider's name in the conventions, host and port."""

from __future__ import annotations

import re
from typing import Any

from ...protocols.openai.endpoint import Server

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
_MODULE_CLIENTS = frozenset({"_ModuleClient", "_AzureModuleClient"})
_BEDROCK_CLIENTS = frozenset({"BedrockOpenAI", "AsyncBedrockOpenAI"})
#: The route by which an endpoint of SageMaker speaks OpenAI's protocol.
_SAGEMAKER_ROUTE = re.compile(r"/endpoints/([^/]+)/(?:[^/]+/){0,2}openai/v1(?:/|$)")
_MOST_KNOWN = 256


class Servers:
    """The servers of clients. Each is computed once for each base URL."""

    def __init__(self) -> None:
        #: By the id of a base URL object, which the entry keeps alive. Each client has its own.
        self._known: dict[int, tuple[Any, Server]] = {}

    def of(self, client: Any) -> Server:
        """The server of ``client``."""
        # The property of openai 3 imports a module each time; only the module-level client has another one behind it.
        url = client.__dict__.get("_base_url")
        known = self._known.get(id(url))
        if known is not None:
            return known[1]
        if url is None or type(client).__name__ in _MODULE_CLIENTS:
            url = client.base_url
            if (known := self._known.get(id(url))) is not None:
                return known[1]
        server = _server(client, url)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[id(url)] = (url, server)
        return server


def _server(client: Any, url: Any) -> Server:
    # The host differs (VPC endpoints, private links), the path does not.
    sagemaker = _SAGEMAKER_ROUTE.match(url.path)
    return Server(
        _provider(client, url.host),
        url.host or None,
        url.port or _DEFAULT_PORTS.get(url.scheme),
        sagemaker[1] if sagemaker else None,
    )


_DEFAULT_PORTS = {"https": 443, "http": 80}


def _provider(client: Any, host: str) -> str:
    classes = {kind.__name__ for kind in type(client).__mro__}
    if classes & _AZURE_CLIENTS:
        return "azure.ai.openai"
    if classes & _BEDROCK_CLIENTS or (".bedrock" in f".{host}" and host.endswith(".amazonaws.com")):
        return "aws.bedrock"
    dotted = f".{host}"
    return next((name for suffix, name in _PROVIDERS if dotted.endswith(suffix)), "openai")
