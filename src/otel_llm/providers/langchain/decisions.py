"""Decision models (langchain-core 1.8), which answer typed questions about a state with probabilities.

Their spans look like those of OpenAI's Decisions API, so that a model that calls this API is one span with it.
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
    """Read the ``ClassifierRequest`` ``asked``: a state, and questions by name."""

    def give() -> Content:
        return Content(
            messages=_state(_get(asked, "state"), capture_media),
            instructions=[text({name: question}) for name, question in (_get(asked, "questions") or {}).items()],
        )

    made = models.request(s.GENERATE_CONTENT, {}, metadata, model, give)
    made.attributes[s.LLM_OPERATION_NAME] = "decisions"
    made.attributes[s.OUTPUT_TYPE] = "json"
    made.choices = 0  # decisions have no finish reasons
    return made


def response(answer: Any) -> Response:
    """Read the ``ClassifierResponse`` ``answer``; ``None`` if the model failed."""
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
    """The messages of a state. Any other state becomes one message."""
    if hasattr(value, "content") or (
        isinstance(value, list | tuple) and value and all(hasattr(one, "content") for one in value)
    ):
        return content.state(value, capture_media)
    return [{"role": "user", "parts": [text(_plain(value, capture_media))]}]


def _plain(value: Any, capture_media: bool) -> Json:
    """A value of a state with its messages converted. Media that are not captured are only described."""
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
