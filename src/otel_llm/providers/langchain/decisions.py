"""Decision models (langchain-core 1.8): typed questions about a state, answered with probabilities.

On the span they are what the Decisions API of OpenAI is, so that a model that calls it is one span with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv as s
from ...content.encoding import Json, utf8
from ...content.messages import Content, text
from ...core.request import Request, Response
from . import answers, content, models


def request(asked: Any, metadata: Mapping[str, Any], model: Any, capture_media: bool) -> Request:
    """``asked`` is a ``ClassifierRequest``: a state, and questions by name."""

    def give() -> Content:
        return Content(
            messages=_state(_get(asked, "state"), capture_media),
            instructions=[text({name: question}) for name, question in (_get(asked, "questions") or {}).items()],
        )

    made = models.request(s.GENERATE_CONTENT, {}, metadata, model, give)
    made.attributes[s.LLM_OPERATION_NAME] = "decisions"
    made.attributes[s.OUTPUT_TYPE] = "json"
    made.choices = 0  # no answer to a question has a finish reason
    return made


def response(answer: Any) -> Response:
    """``answer`` is a ``ClassifierResponse``; ``None`` where none came."""
    made = Response(usage=answers.usage(getattr(answer, "usage", None)))
    if isinstance(model := getattr(answer, "model", None), str) and model:
        made.model = utf8(model)
    if isinstance(identifier := getattr(answer, "request_id", None), str) and identifier:
        made.attributes[s.LLM_REQUEST_ID] = utf8(identifier)
    made.output = lambda: _output(getattr(answer, "answers", None))
    return made


def _output(given: Any) -> list[Json]:
    parts = [text({name: one}) for name, one in given.items()] if isinstance(given, Mapping) else []
    return [{"role": "assistant", "parts": parts}] if parts else []


def _state(value: Any, capture_media: bool) -> list[Json]:
    """Messages as such; any other state as one message."""
    if hasattr(value, "content") or (
        isinstance(value, list | tuple) and value and all(hasattr(one, "content") for one in value)
    ):
        return content.state(value, capture_media)
    return [{"role": "user", "parts": [text(_plain(value, capture_media))]}]


def _plain(value: Any, capture_media: bool) -> Json:
    """A part of a state in plain types; its media, if they are not captured, are described."""
    if hasattr(value, "content") and hasattr(value, "type"):
        return content.message(value, capture_media)
    if isinstance(value, Mapping):
        if value.get("type") in content.MEDIA and not capture_media:
            return content.part(dict(value), capture_media)
        return {str(name): _plain(one, capture_media) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, capture_media) for one in value]
    return value


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
