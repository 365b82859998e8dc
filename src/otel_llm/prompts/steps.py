"""Records on the application's own step which prompt, or which variant of an experiment, was used in it."""

from __future__ import annotations

from typing import Protocol, cast

from opentelemetry import context as otel_context

from .. import guard
from .use import Assignment, PromptUse

#: The context's key for the application's nearest :class:`Step`.
NEAREST_STEP = otel_context.create_key("otel_llm-nearest-operation")


class Step(Protocol):
    """A span that the application opened itself."""

    @property
    def under_way(self) -> bool: ...

    def update(self, *, prompt: PromptUse | Assignment) -> None: ...


@guard.never_raise
def note(what: PromptUse | Assignment) -> None:
    """Record ``what`` on the nearest step of the current context, if there is one that has not ended."""
    step = cast(Step | None, otel_context.get_value(NEAREST_STEP))
    if step is not None and step.under_way:
        step.update(prompt=what)
