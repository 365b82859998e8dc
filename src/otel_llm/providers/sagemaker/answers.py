"""Recognises the formats in which model containers answer, and reads them.

TGI, LMI, vLLM, TEI and the containers of JumpStart have several formats each, and one route of a container may use more
than one. So the answer decides, not the endpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import semconv as s
from ...content.encoding import Json
from ...content.messages import text
from ...core.request import Response
from ...protocols.openai import chat, embeddings
from ...protocols.openai.fields import count, items, string
from .invocation import Invocation


def read(invocation: Invocation, answer: Any) -> tuple[str, Response] | None:
    """Return the operation and the response that ``answer`` stands for; ``None`` if it is not a language model's."""
    if isinstance(answer, dict):
        if isinstance(answer.get("choices"), list):
            return _openai(invocation, answer)
        data = items(answer.get("data"))
        if data and isinstance(data[0], dict) and "embedding" in data[0]:
            return s.EMBEDDINGS, embeddings.response(invocation, answer)
    if (length := _vector_length(answer)) is not None:
        return s.EMBEDDINGS, Response(attributes={s.EMBEDDINGS_DIMENSION_COUNT: length})
    generations = _generations(answer)
    if not generations:
        return None
    return s.CHAT if invocation.operation == s.CHAT else s.TEXT_COMPLETION, generated(generations)


def is_classification(answer: Any) -> bool:
    """Whether ``answer`` has labels and scores. Classifiers answer so to requests of text generation."""
    while isinstance(answer, list) and answer:
        answer = answer[0]
    return isinstance(answer, dict) and "score" in answer


def _openai(invocation: Invocation, answer: dict[str, Any]) -> tuple[str, Response]:
    choices = answer["choices"]
    if choices and isinstance(choices[0], dict) and "text" in choices[0]:
        return s.TEXT_COMPLETION, chat.completion_response(invocation, answer)
    return s.CHAT, chat.response(invocation, answer)


# --- text generation ---------------------------------------------------------------------------


class Generation:
    """One generated text, and the details that the container sends."""

    __slots__ = ("output_tokens", "prompt_tokens", "reason", "words")

    def __init__(self, words: str, details: Any = None) -> None:
        self.words = words
        self.reason: str | None = None
        self.output_tokens: int | None = None
        self.prompt_tokens: int | None = None
        self.add_details(details)

    def add_details(self, details: Any) -> None:
        if not isinstance(details, dict):
            return
        # LMI writes it with a space if the answer is not a stream.
        names = ("finish_reason", "finish reason", "finishReason")
        self.reason = next((reason for name in names if (reason := string(details.get(name)))), None)
        self.output_tokens = count(details.get("generated_tokens"))
        self.prompt_tokens = count(details.get("input_length")) or len(items(details.get("prefill"))) or None


def _generations(answer: Any) -> list[Generation]:
    """The generated texts in ``answer``, in the format of any container. Empty if there are none."""
    if isinstance(answer, list):
        found = [generation for one in answer if (generation := _generation(one)) is not None]
        return found if len(found) == len(answer) else []
    if isinstance(answer, dict):
        texts = answer.get("generated_texts") or answer.get("outputs")
        if isinstance(texts, list) and all(isinstance(one, str) for one in texts):
            return [Generation(one) for one in texts]
        if isinstance(texts := answer.get("generated_text"), list) and all(isinstance(one, str) for one in texts):
            return [Generation(one) for one in texts]
    return [generation] if (generation := _generation(answer)) is not None else []


def _generation(value: Any) -> Generation | None:
    if isinstance(value, list) and len(value) == 1:  # a pipeline's answer to a batch: a list for each input
        value = value[0]
    if not isinstance(value, dict):
        return None
    words = value.get("generated_text", value.get("generation"))
    if isinstance(words, dict):  # the first Llama 2 of JumpStart answers a chat with a message
        words = words.get("content")
    elif isinstance(words, list) and words and isinstance(words[-1], dict):
        words = words[-1].get("content")  # a pipeline returns the whole conversation; its last message is the answer
    return Generation(words, value.get("details")) if isinstance(words, str) else None


def generated(generations: Sequence[Generation]) -> Response:
    """Return the response that consists of ``generations``."""
    reasons = [one.reason for one in generations]
    usage: dict[str, int] = {}
    _add_total(usage, s.USAGE_INPUT_TOKENS, [one.prompt_tokens for one in generations])
    _add_total(usage, s.USAGE_OUTPUT_TOKENS, [one.output_tokens for one in generations])

    def output() -> list[Json]:
        return [{"role": "assistant", "parts": [text(one.words)], "finish_reason": one.reason} for one in generations]

    failed = "error" if "error" in reasons else None  # LMI reports an error after the first token only by this reason
    return Response(finish_reasons=reasons if any(reasons) else None, usage=usage, output=output, error=failed)


def _add_total(usage: dict[str, int], attribute: str, counts: list[int | None]) -> None:
    """Add the sum to ``usage``, if all counts are known."""
    known = [number for number in counts if number is not None]
    if known and len(known) == len(counts):
        usage[attribute] = sum(known)


# --- embeddings --------------------------------------------------------------------------------

#: No embedding model has fewer dimensions.
_SHORTEST_VECTOR = 16


def _vector_length(answer: Any) -> int | None:
    """The length of the vectors in ``answer``: lists from TEI, or a field from JumpStart and others.

    A list of only a few numbers holds the scores of a classifier.
    """
    shortest = _SHORTEST_VECTOR
    if isinstance(answer, dict):
        answer = next((answer[field] for field in ("embedding", "embeddings", "vectors") if field in answer), None)
        shortest = 1
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        answer = answer[0].get("embedding")
        shortest = 1
    for _ in range(4):  # a text, a batch of texts, the tokens of each
        if not isinstance(answer, list) or not answer:
            return None
        if type(answer[0]) in (int, float):
            return len(answer) if len(answer) >= shortest else None
        answer = answer[0]
    return None
