"""What is asked of a GenAI operation, and what it answers: all that a provider has to tell of a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import SpanKind

from .. import semconv as s
from ..content.encoding import Json
from ..content.messages import Content
from ..propagation.state import Describes
from . import finish_reasons

#: The usage of an answer as its provider sent it, and the service tier.
Billed = tuple[Any, str | None]
AttributeValue = str | bool | int | float | Sequence[str]

#: More finish reasons than this are not listed; the number asked for is the caller's, unchecked.
MAX_CHOICES = 2048


def real(value: float) -> float | None:
    """``value`` as a float; ``None`` for a whole number that no float holds."""
    try:
        return float(value)
    except OverflowError:
        return None


@dataclass(slots=True)
class Request:
    """What the caller asked for.

    ``operation`` and ``subject`` (the model, tool, agent, ...) name the span; ``attributes`` is all that is known at
    the start, operation and provider included (a sampler sees it). ``choices`` is how many finish reasons are
    expected. ``content`` is called only when content is captured. ``texts`` is the input in which the text of a prompt
    is looked for: messages, texts, or a body that has them under OpenAI's names. ``prompt`` is the prompt behind it, if
    the provider knows one. ``input_kept`` says that ``content`` reads a copy, which the caller can't change.
    """

    operation: str
    subject: str | None
    attributes: dict[str, AttributeValue]
    choices: int = 1
    content: Callable[[], Content] | None = None
    kind: SpanKind = SpanKind.CLIENT
    texts: Any = None
    prompt: Describes | None = None
    input_kept: bool = False


@dataclass(slots=True)
class Response:
    """What the provider answered; what it left out is ``None`` or absent.

    ``usage`` maps usage attributes to tokens. ``attributes`` go on the span, ``metric_attributes`` on the metrics.
    ``finish_reasons`` is in the provider's words and has ``None`` where a reason is missing; ``provider_reasons`` has
    these words where ``finish_reasons`` comes in those of a layer above the provider. ``output`` gives the output
    messages, each with its reason as ``finish_reason``, and is called only when content is captured. ``error`` is the
    code of an error that came as an answer. ``billed`` has the usage of each answer as the provider sent it, with the
    service tier that it named. ``cost`` is an amount and its currency that were told beside the answers.
    """

    id: str | None = None
    model: str | None = None
    finish_reasons: list[str | None] | None = None
    usage: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    metric_attributes: dict[str, AttributeValue] = field(default_factory=dict)
    output: Callable[[], list[Json]] | None = None
    error: str | None = None
    provider_reasons: list[str | None] | None = None
    billed: tuple[Billed, ...] = ()
    cost: tuple[float, str] | None = None

    def describe(self, request: Request, failed: bool, attributes: dict[str, AttributeValue]) -> None:
        """Add to the ``attributes`` of a span what this answer to ``request`` says, except its usage."""
        attributes.update(self.attributes)
        if self.id is not None:
            attributes[s.RESPONSE_ID] = self.id
        if self.model is not None:
            attributes[s.RESPONSE_MODEL] = self.model
        reasons = self.finish_reasons
        if reasons is None and failed and request.operation in s.INFERENCE_OPERATIONS:
            reasons = [None] * min(request.choices, MAX_CHOICES)
        if reasons and (told := finish_reasons.recorded(reasons, failed)):
            attributes[s.RESPONSE_FINISH_REASONS] = told
            given = self.provider_reasons or reasons
            if given != [*told] and (in_their_words := finish_reasons.as_given(given, failed)) != told:
                attributes[s.LLM_RESPONSE_FINISH_REASONS] = in_their_words
