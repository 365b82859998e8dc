"""Chat models, text LLMs: LangChain's word for request and answer to ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ... import semconv as s
from ...content.encoding import Json, utf8
from ...content.messages import Content, text
from ...core.request import AttributeValue, Request, Response
from . import content

#: LangChain's names of providers that the conventions name otherwise.
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
    ("temperature", s.REQUEST_TEMPERATURE),
    ("top_p", s.REQUEST_TOP_P),
    ("frequency_penalty", s.REQUEST_FREQUENCY_PENALTY),
    ("presence_penalty", s.REQUEST_PRESENCE_PENALTY),
)
_INTEGERS = (("seed", s.REQUEST_SEED), ("top_k", s.REQUEST_TOP_K))
_LIMITS = ("max_completion_tokens", "max_tokens", "max_tokens_to_sample", "max_output_tokens")
_MODELS = ("model", "model_name", "model_id", "endpoint_name")
#: Where the classes of the integrations keep the address they call.
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
#: Counts of tokens, by OpenAI's names and Anthropic's.
_COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_PORTS = {"https": 443, "http": 80}


def provider_name(name: str) -> str:
    """The conventions' name of the provider that LangChain calls ``name``."""
    return _PROVIDERS.get(name.lower(), name.lower())


def request(
    operation: str, params: Mapping[str, Any], metadata: Mapping[str, Any], model: Any, give: Callable[[], Content]
) -> Request:
    """``params`` and ``metadata`` as LangChain's callbacks have them; ``model`` is the object if it is known."""
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
    for name, attribute in _NUMBERS:
        value = params.get(name, metadata.get(f"ls_{name}"))
        if type(value) in (int, float):
            attributes[attribute] = float(value)
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
    """The host that ``model``, a LangChain object, is set to call."""
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


def response(result: Any, capture_media: bool) -> Response:
    """An ``LLMResult``: the generations that are one run's."""
    batches = getattr(result, "generations", None) or []
    generations = [one for batch in batches[:1] for one in batch]
    told = getattr(result, "llm_output", None) or {}
    made = Response(finish_reasons=[_reason(one) for one in generations] or None)
    reported: dict[str, int] = {}
    for generation in generations:
        message = getattr(generation, "message", None)
        about = {
            **(getattr(generation, "generation_info", None) or {}),
            **(getattr(message, "response_metadata", None) or {}),
        }
        made.id = made.id or _response_id(message, about)
        made.model = made.model or _string(about.get("model_name") or about.get("model"))
        for name, count in usage(getattr(message, "usage_metadata", None)).items():
            made.usage.setdefault(name, count)  # each choice of one answer has the usage of all
        reported = reported or _reported(about)
    if not made.usage and not _was_cached(generations):
        made.usage = reported or _reported(told)
    made.id = made.id or _string(told.get("id"))
    made.model = made.model or _string(told.get("model_name") or told.get("model"))
    made.output = lambda: [said for one in generations if (said := _output(one, capture_media))["parts"]]
    return made


def _output(generation: Any, capture_media: bool) -> Json:
    message = getattr(generation, "message", None)
    made = (
        content.message(message, capture_media)
        if message is not None
        else {"role": "assistant", "parts": [text(getattr(generation, "text", ""))]}
    )
    return {**made, "finish_reason": content.message_reason(_reason(generation))}


def _reason(generation: Any) -> str | None:
    message = getattr(generation, "message", None)
    for about in (getattr(generation, "generation_info", None), getattr(message, "response_metadata", None)):
        for key in ("finish_reason", "stop_reason", "stopReason", "done_reason"):
            if (reason := _string(_get(about, key))) is not None:
                return reason
    status = _string(_get(getattr(message, "response_metadata", None), "status"))  # OpenAI's Responses API
    return {"completed": "stop", "incomplete": "length"}.get(status or "")


def _response_id(message: Any, about: Mapping[str, Any]) -> str | None:
    """The provider's id; an id that LangChain made up is none."""
    found = _string(about.get("id")) or _string(getattr(message, "id", None))
    return None if found is None or found.startswith(("run-", "lc_run-", "lc_")) else found


def usage(told: Any) -> dict[str, int]:
    """LangChain's ``usage_metadata``, whose totals include cached and reasoning tokens."""
    if not isinstance(told, dict) or told.get("total_cost") == 0:  # an answer out of LangChain's cache costs nothing
        return {}
    counts = {s.USAGE_INPUT_TOKENS: told.get("input_tokens"), s.USAGE_OUTPUT_TOKENS: told.get("output_tokens")}
    given, came = told.get("input_token_details"), told.get("output_token_details")
    details = {
        s.USAGE_CACHE_READ_INPUT_TOKENS: _get(given, "cache_read"),
        s.USAGE_CACHE_WRITE_INPUT_TOKENS: _get(given, "cache_creation"),
        "gen_ai.usage.audio.input_tokens": _get(given, "audio"),
        s.USAGE_REASONING_OUTPUT_TOKENS: _get(came, "reasoning"),
        "gen_ai.usage.audio.output_tokens": _get(came, "audio"),
    }
    found = {name: count for name, count in counts.items() if type(count) is int and count >= 0}
    return found | {name: count for name, count in details.items() if type(count) is int and count > 0}


def _was_cached(generations: list[Any]) -> bool:
    return any(
        _get(getattr(getattr(one, "message", None), "usage_metadata", None), "total_cost") == 0 for one in generations
    )


def _reported(about: Mapping[str, Any]) -> dict[str, int]:
    """The usage an integration passes on as the provider has it, OpenAI or Anthropic, by its metadata ``about``."""
    told = next((found for key in ("token_usage", "usage") if (found := about.get(key))), None)
    counts = {name: count for name in _COUNTS if type(count := _get(told, name)) is int and count >= 0}
    given = _get(told, "prompt_tokens_details") or _get(told, "input_tokens_details")
    came = _get(told, "completion_tokens_details") or _get(told, "output_tokens_details")
    read, written = counts.get("cache_read_input_tokens", 0), counts.get("cache_creation_input_tokens", 0)
    found = {}
    if "prompt_tokens" in counts:
        found[s.USAGE_INPUT_TOKENS] = counts["prompt_tokens"]
    elif "input_tokens" in counts:  # Anthropic's leave out what is read from the cache and written to it
        found[s.USAGE_INPUT_TOKENS] = counts["input_tokens"] + read + written
    if (output := counts.get("completion_tokens", counts.get("output_tokens"))) is not None:
        found[s.USAGE_OUTPUT_TOKENS] = output
    details = {
        s.USAGE_CACHE_READ_INPUT_TOKENS: read or _get(given, "cached_tokens"),
        s.USAGE_CACHE_WRITE_INPUT_TOKENS: written,
        s.USAGE_REASONING_OUTPUT_TOKENS: _get(came, "reasoning_tokens"),
    }
    return found | {name: count for name, count in details.items() if type(count) is int and count > 0}


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _string(value: Any) -> str | None:
    return utf8(value) if isinstance(value, str) and value else None
