"""Reads the invocation of an endpoint: its target, and the request in its body.

An endpoint may serve anything. The body decides whether it is a language model: JSON with ``messages``, ``prompt``,
``inputs``, ``input`` or ``text_inputs``. Classifiers and embedding models take some of these bodies, too. In that case
the answer decides.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ... import semconv as s
from ...content.messages import Content
from ...core import nesting
from ...core.request import MAX_CHOICES, AttributeValue, Request
from ...protocols.openai import chat, embeddings
from ...protocols.openai.endpoint import Exchange, Server
from ...protocols.openai.fields import string
from ...protocols.openai.items import CONVERTERS, ItemConverter

PROVIDER = "aws.sagemaker"
#: The operation of a call that only starts an inference.
ASYNC_OPERATION = "invoke_endpoint_async"

#: A body for a language model has one of these keys, and ``inputs`` are not numbers. Searching a long body for them is
#: cheaper than parsing it, as it may be a matrix.
_SHORT = 4096
_KEYS = re.compile(r'"(?:(?:messages|prompt)"|(?:inputs?|text_inputs)"\s*:[\s\[]*["{])')
_KEYS_BYTES = re.compile(_KEYS.pattern.encode())
#: Parameters that only text generation has. With one of them, ``inputs`` are the input of a language model.
_GENERATION = frozenset(
    (
        *("best_of", "decoder_input_details", "details", "do_sample", "max_completion_tokens", "max_new_tokens"),
        *("max_tokens", "num_beams", "repetition_penalty", "return_full_text", "stop", "stop_sequences"),
        *("stream", "temperature", "top_k", "top_p", "typical_p", "watermark"),
    )
)
#: Names of parameters in text generation servers -> OpenAI's names, which the shared readers know.
_SYNONYMS = (("max_new_tokens", "max_tokens"), ("stop_sequences", "stop"), ("num_return_sequences", "n"))
#: Arguments of an invocation -> attributes.
_TARGET = (
    ("EndpointName", s.LLM_SAGEMAKER_ENDPOINT),
    ("InferenceComponentName", s.LLM_SAGEMAKER_INFERENCE_COMPONENT),
    ("TargetModel", s.LLM_SAGEMAKER_TARGET_MODEL),
    ("TargetVariant", s.LLM_SAGEMAKER_TARGET_VARIANT),
    ("TargetContainerHostname", s.LLM_SAGEMAKER_TARGET_CONTAINER),
)
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(slots=True)
class Invocation(Exchange):
    """An :class:`Exchange` whose ``body`` has OpenAI's names. ``target`` are the attributes of the endpoint.

    ``settled`` says whether the request alone shows the operation. If not, the answer shows it, or shows that this is
    no language model.
    """

    target: dict[str, str] | None = None
    operation: str = s.TEXT_COMPLETION
    settled: bool = True
    #: The content of the request, if the answer has to show the operation first.
    waiting: Callable[[], Content] | None = None
    #: Attributes of the response's metadata.
    told: dict[str, AttributeValue] = field(default_factory=dict)

    def attributes(self, operation: str | None) -> dict[str, AttributeValue]:
        # No super(): dataclass(slots=True) makes a second class, which super() in a method does not find.
        attributes = Exchange.attributes(self, operation)
        if self.target:
            attributes.update(self.target)
        return attributes


def narrowest(target: dict[str, str]) -> str | None:
    """Return the most specific name in ``target``, as the name of a model whose body has none."""
    for attribute in (s.LLM_SAGEMAKER_INFERENCE_COMPONENT, s.LLM_SAGEMAKER_TARGET_MODEL, s.LLM_SAGEMAKER_ENDPOINT):
        if attribute in target:
            return target[attribute]
    return None


@lru_cache(maxsize=64)
def server_of(url: str) -> Server:
    """Host and port of a client's endpoint URL."""
    parts = urlsplit(url)
    return server_at(parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme))


def server_at(address: str | None, port: int | None) -> Server:
    """A server of the user's own models. It may use OpenAI's protocol, but is not OpenAI."""
    return Server(PROVIDER, address, port, is_openai=False)


def target_of(arguments: dict[str, Any]) -> dict[str, str]:
    """The attributes of the endpoint, component, model or variant that is called."""
    target: dict[str, str] = {}
    for name, attribute in _TARGET:
        if (given := arguments.get(name)) is not None and (value := string(given)):
            target[attribute] = value
    return target


def start_attributes(arguments: dict[str, Any]) -> dict[str, str]:
    """The attributes of an asynchronous invocation."""
    attributes = {s.LLM_OPERATION_NAME: ASYNC_OPERATION}
    for name, attribute in (
        ("InferenceId", s.LLM_SAGEMAKER_INFERENCE_ID),
        ("InputLocation", s.LLM_SAGEMAKER_INPUT_LOCATION),
    ):
        if value := string(arguments.get(name)):
            attributes[attribute] = value
    return attributes


def is_json(content_type: Any) -> bool:
    """Whether a body of that type may be JSON. Many callers, and some containers, leave the type out.

    The local mode of the SDKs returns the requested type as the type of the answer, which may be ``*/*``.
    """
    if not isinstance(content_type, str):
        return content_type is None
    return content_type in ("", "*/*") or "json" in content_type.lower()


def is_readable(body: Any) -> bool:
    """Whether a request's body is in memory. A file must not be read, because the SDK will read it."""
    return isinstance(body, str | bytes | bytearray | io.BytesIO)


def read_body(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON object in the body, if it may be for a language model. Files are not read."""
    body = arguments.get("Body")
    if isinstance(body, io.BytesIO):
        body = body.getvalue()[body.tell() :]
    if not is_json(arguments.get("ContentType")):
        return None
    if not isinstance(body, str | bytes | bytearray):
        return None
    if len(body) > _SHORT and (_KEYS.search(body) if isinstance(body, str) else _KEYS_BYTES.search(body)) is None:
        return None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def read_request(
    server: Server,
    arguments: dict[str, Any],
    stream: bool = False,
    keeps_content: bool = False,
    content: ItemConverter = CONVERTERS[False],
) -> tuple[Invocation, Request] | None:
    """The invocation and request of ``invoke_endpoint(**arguments)``; ``None`` if they are not for a language model."""
    body = read_body(arguments)
    if body is None:
        return None
    known, target = _in_openais_names(body), target_of(arguments)
    # The model that the body names, or the most specific name of the target.
    model = string(body.get("model")) or narrowest(target)
    made = Invocation(server, "", known, model, stream, keeps_content, content, target=target)
    map_request = _recognise(made, body)
    if map_request is None:
        return None
    request = map_request(made)
    request.texts, request.input_kept = known, True
    made.choices = min(request.choices, MAX_CHOICES)
    if not made.settled and (outer := nesting.enclosing()) is not None:
        _settle(made, request, outer.request.operation)
    if not made.settled:
        made.waiting, request.content = request.content, None
    return made, request


def _settle(made: Invocation, request: Request, operation: str) -> None:
    """Take the operation from an enclosing layer, such as LangChain."""
    made.settled = True
    if operation == s.EMBEDDINGS:
        made.operation = request.operation = request.attributes[s.OPERATION_NAME] = operation
        request.content = None


def _in_openais_names(body: dict[str, Any]) -> dict[str, Any]:
    parameters = body.get("parameters")
    known = {**body, **parameters} if isinstance(parameters, dict) else dict(body)
    for theirs, openais in _SYNONYMS:
        if theirs in known and known.get(openais) is None:
            known[openais] = known[theirs]
    return known


def _recognise(made: Invocation, body: dict[str, Any]) -> Callable[[Exchange], Request] | None:
    """Return the reader of the request, chosen by the field that holds the input; ``None`` if there is none."""
    known: dict[str, Any] = made.body  # type: ignore[assignment]
    if _are_messages(body.get("messages")):
        made.operation = s.CHAT
        return chat.request
    inputs = body.get("inputs")
    if isinstance(inputs, list) and len(inputs) == 1 and _are_messages(inputs[0]):
        made.operation = s.CHAT  # the first Llama 2 of JumpStart
        known["messages"] = inputs[0]
        return chat.request
    for name in ("prompt", "inputs", "text_inputs"):
        if _is_text(asked := body.get(name)) or (name == "prompt" and _are_tokens(asked)):
            made.settled = made.stream or not _GENERATION.isdisjoint(known)
            known["prompt"] = asked
            return chat.completion_request
    if _is_text(body.get("input")):
        made.operation = s.EMBEDDINGS
        made.settled = False
        return embeddings.request
    return None


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "role" in value[0]


def _are_tokens(value: Any) -> bool:
    """Whether ``value`` is a list of token ids, or a batch of such lists."""
    first = value[0] if isinstance(value, list) and value else None
    return type(first[0] if isinstance(first, list) and first else first) is int


def _is_text(value: Any) -> bool:
    """Whether ``value`` is a text, or a batch of texts."""
    return isinstance(value, str) or (isinstance(value, list) and bool(value) and isinstance(value[0], str))
