"""Bounds the dimensions of metrics: each new combination of values is one more time series of every metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import semconv as s
from ..content import boundary

#: The prompt and the variant behind a call. They are bounded together, as a version means nothing without its name.
PROMPT = (s.PROMPT_NAME, s.PROMPT_VERSION, s.LLM_EXPERIMENT_ID, s.LLM_EXPERIMENT_VARIANT)
#: The most values of one dimension, and the most prompts with version and variant, that are told apart.
MAX_VALUES = 200
#: The most combinations of all dimensions: the limit that OpenTelemetry's specification gives an instrument. The
#: series that they make are limited further by :mod:`.series`.
MAX_SERIES = 2000
#: The value in place of those beyond a limit.
OVERFLOW = "_OTHER"
#: What callers and providers choose freely. It is given up where there are too many combinations.
CHOSEN = frozenset(
    {
        *PROMPT,
        s.AGENT_NAME,
        s.ERROR_TYPE,
        s.EVALUATION_NAME,
        s.EVALUATION_SCORE_LABEL,
        s.LLM_EVALUATION_EVALUATOR_ID,
        s.LLM_EVALUATION_JUDGE_MODEL,
        s.LLM_EVALUATION_SCALE,
        s.GUARDRAIL_COMPONENT_NAME,
        s.LLM_TENANT_ID,
        s.PROVIDER_NAME,
        s.REQUEST_MODEL,
        s.RESPONSE_MODEL,
        s.SERVER_ADDRESS,
        s.SERVER_PORT,
        s.TOOL_NAME,
        s.WORKFLOW_NAME,
    }
)


class Fixed(dict[str, Any]):
    """Attributes of metrics that are made once for many measurements, and never change."""

    __slots__ = ("known",)

    def __init__(self, attributes: Any) -> None:
        super().__init__(attributes)
        #: What becomes of them, by who has found it out.
        self.known: dict[object, Mapping[str, Any] | None] = {}


class Dimensions:
    """The values that the metrics of one instrumentation scope have had."""

    def __init__(self) -> None:
        self._values: dict[str, set[Any]] = {}
        self._prompts: set[tuple[Any, ...]] = set()
        self._series: set[tuple[Any, ...]] = set()
        #: Results of :meth:`bounded` by its argument. Most calls are like an earlier one.
        self._known: dict[tuple[Any, ...], Fixed] = {}

    def bounded(self, attributes: Mapping[str, Any]) -> Fixed:
        """``attributes``, clean, with :data:`OVERFLOW` beyond a limit."""
        given = tuple(attributes.items())
        known = self._known.get(given)
        if known is None:
            known = self._bound(attributes)
            if len(self._known) < MAX_SERIES:
                self._known[given] = known
        return known

    def _bound(self, attributes: Mapping[str, Any]) -> Fixed:
        bounded = Fixed(
            (
                name,
                value
                if name in PROMPT or _admits(self._values.setdefault(name, set()), value, MAX_VALUES)
                else OVERFLOW,
            )
            for name, value in boundary.cleaned(attributes).items()
        )
        prompt = tuple((name, bounded[name]) for name in PROMPT if name in bounded)
        if prompt and not _admits(self._prompts, prompt, MAX_VALUES):
            bounded.update((name, OVERFLOW) for name, _ in prompt)
        if not _admits(self._series, tuple(bounded.items()), MAX_SERIES):
            bounded.update((name, OVERFLOW) for name in CHOSEN & bounded.keys())
        return bounded


def _admits(known: set[Any], value: Any, limit: int) -> bool:
    """Whether ``value`` is among the first ``limit`` values, which ``known`` keeps."""
    if value not in known:
        if len(known) >= limit:
            return False
        known.add(value)
    return True
