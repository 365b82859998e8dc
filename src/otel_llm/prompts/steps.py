"""Records the prompt, or the variant of an experiment, on the nearest manual span."""

from __future__ import annotations

from typing import Protocol, cast

from opentelemetry import context as otel_context

from .. import guard
from .use import Assignment, PromptUse

#: The key of the nearest :class:`Step` in the OpenTelemetry context.
NEAREST_STEP = otel_context.create_key("otel_llm-nearest-operation")


class Step(Protocol):
    """A manual span."""

    @property
    def under_way(self) -> bool: ...

    def update(self, *, prompt: PromptUse | Assignment) -> None: ...


@guard.never_raise
def note(what: PromptUse | Assignment) -> None:
    """Record ``what`` on the nearest step of the current context, if there is one that has not ended."""
    step = cast(Step | None, otel_context.get_value(NEAREST_STEP))
    if step is not None and step.under_way:
        step.update(prompt=what)
