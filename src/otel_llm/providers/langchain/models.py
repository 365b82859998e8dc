"""Reads the requests of chat models and text LLMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ... import semconv as s
from ...content.messages import Content, text
from ...core.request import AttributeValue, Request, real
from . import content

#: Providers that have another name in the conventions than in LangChain.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "google_anthropic_vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
    "ibm": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai",
    "sagemakerendpoint": "aws.sagemaker",
    "sagemaker": "aws.sagemaker",
}
_NUMBERS = (
    ("temperature", "ls_temperature", s.REQUEST_TEMPERATURE),
    ("top_p", "ls_top_p", s.REQUEST_TOP_P),
    ("frequency_penalty", "ls_frequency_penalty", s.REQUEST_FREQUENCY_PENALTY),
    ("presence_penalty", "ls_presence_penalty", s.REQUEST_PRESENCE_PENALTY),
)
_INTEGERS = (("seed", s.REQUEST_SEED), ("top_k", s.REQUEST_TOP_K))
_LIMITS = ("max_completion_tokens", "max_tokens", "max_tokens_to_sample", "max_output_tokens")
_MODELS = ("model", "model_name", "model_id", "endpoint_name")
#: The fields in which the integrations keep the address of the provider.
_ADDRESSES = (
    "anthropic_api_url",
    "openai_api_base",
    "azure_endpoint",
    "endpoint_url",
    "base_url",
    "api_base",
    "mistral_api_base",
    "groq_api_base",
    "xai_api_base",
    "endpoint",
)
_PORTS = {"https": 443, "http": 80}


def provider_name(name: str) -> str:
    """The name in the conventions of the provider that LangChain calls ``name``."""
    return _PROVIDERS.get(name.lower(), name.lower())


def request(
    operation: str, params: Mapping[str, Any], metadata: Mapping[str, Any], model: Any, give: Callable[[], Content]
) -> Request:
    """The request of a model, from what LangChain's callbacks give. ``model`` is the object, or ``None``."""
    provider = metadata.get("ls_provider")
    attributes: dict[str, AttributeValue] = {
        s.OPERATION_NAME: operation,
        s.PROVIDER_NAME: provider_name(provider) if isinstance(provider, str) and provider else "langchain",
    }
    name = metadata.get("ls_model_name") or next((params[key] for key in _MODELS if params.get(key)), None)
    if isinstance(name, str):
        attributes[s.REQUEST_MODEL] = name
    if model is not None:
        attributes.update(server(model))
    choices = _sampling(params, metadata, attributes)
    return Request(operation, name if isinstance(name, str) else None, attributes, choices, give)


def _sampling(params: Mapping[str, Any], metadata: Mapping[str, Any], attributes: dict[str, AttributeValue]) -> int:
    for name, told, attribute in _NUMBERS:
        value: Any = params[name] if name in params else metadata.get(told)
        if type(value) in (int, float) and (number := real(value)) is not None:
            attributes[attribute] = number
    for name, attribute in _INTEGERS:
        if type(value := params.get(name)) is int:
            attributes[attribute] = value
    limit = next((params[name] for name in _LIMITS if type(params.get(name)) is int), metadata.get("ls_max_tokens"))
    if type(limit) is int:
        attributes[s.REQUEST_MAX_TOKENS] = limit
    stop = params.get("stop") or metadata.get("ls_stop")
    stop = [stop] if isinstance(stop, str) else stop
    if isinstance(stop, list) and stop and all(isinstance(one, str) for one in stop):
        attributes[s.REQUEST_STOP_SEQUENCES] = stop
    effort = params.get("reasoning_effort") or _get(params.get("reasoning"), "effort")
    effort = effort or _get(params.get("output_config"), "effort") or params.get("effort")
    if isinstance(effort, str):
        attributes[s.REQUEST_REASONING_LEVEL] = effort
    kind = _get(params.get("response_format"), "type")
    if kind in ("json_object", "json_schema"):
        attributes[s.OUTPUT_TYPE] = "json"
    choices = params.get("n")
    if type(choices) is not int or choices < 2:
        return 1
    attributes[s.REQUEST_CHOICE_COUNT] = choices
    return choices


def server(model: Any) -> Mapping[str, AttributeValue]:
    """The server that the LangChain object ``model`` is configured to call."""
    fields = getattr(model, "__dict__", {})
    for name in _ADDRESSES:
        if isinstance(address := fields.get(name), str) and "//" in address:
            return _server(address)
    return {}


@lru_cache(256)
def _server(address: str) -> Mapping[str, AttributeValue]:
    url = urlsplit(address)
    if not url.hostname:
        return {}
    port = url.port or _PORTS.get(url.scheme)
    return {s.SERVER_ADDRESS: url.hostname} | ({s.SERVER_PORT: port} if port else {})


def chat_content(messages: Any, params: Mapping[str, Any], capture_media: bool) -> Content:
    return Content(messages=content.messages(messages, capture_media), tools=content.tools(params.get("tools")))


def text_content(prompts: Any) -> Content:
    return Content(messages=[{"role": "user", "parts": [text(prompt)]} for prompt in prompts])


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
