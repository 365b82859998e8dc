"""The metrics of judging that no verdict has: what was not applicable, and what judges took and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics

from ... import semconv as s
from ...core.scopes import SCOPES
from ...version import __version__
from ..results.emission import SCOPE
from .evaluator import FIELDS

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from .judging import Judgement

#: For what functions of the application say of themselves.
_OTHER = "_OTHER"
_TOKENS = {s.USAGE_INPUT_TOKENS: "input", s.USAGE_OUTPUT_TOKENS: "output"}


class JudgeMeasures:
    """Records judgements on the global ``meter_provider``, if none is given."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        state = SCOPES.of(SCOPE)
        self._dimensions = state.dimensions
        meter = state.series.on(metrics.get_meter(SCOPE, __version__, meter_provider))
        self._not_applicable = meter.create_counter(
            s.METRIC_LLM_EVALUATION_NOT_APPLICABLE,
            unit="{item}",
            description="Items that an evaluator had nothing to say about, by what they lack.",
        )
        self._seconds = meter.create_histogram(
            s.METRIC_LLM_EVALUATION_JUDGE_DURATION,
            unit="s",
            description="How long judges took for an item, repairs included.",
            explicit_bucket_boundaries_advisory=s.DURATION_BUCKETS,
        )
        self._tokens = meter.create_counter(
            s.METRIC_LLM_EVALUATION_JUDGE_TOKENS, unit="{token}", description="Tokens of judges."
        )
        self._cost = meter.create_counter(
            s.METRIC_LLM_EVALUATION_JUDGE_COST, unit="{currency}", description="What judges cost."
        )
        self._unpriced = meter.create_counter(
            s.METRIC_LLM_EVALUATION_JUDGE_UNPRICED, unit="{call}", description="Calls of judges without a known price."
        )

    def record(self, judgement: Judgement) -> None:
        """Record what became of one item."""
        bounded = self._dimensions.bounded
        for name, lacking in judgement.not_applicable.items():
            known = lacking if lacking in FIELDS else _OTHER
            self._not_applicable.add(1, bounded({s.EVALUATION_NAME: name, s.LLM_EVALUATION_LACKING: known}))
        if not judgement.calls:
            return
        by = {s.LLM_EVALUATION_JUDGE_MODEL: judgement.model or _OTHER}
        self._seconds.record(judgement.seconds, bounded(by))
        for name, kind in _TOKENS.items():
            if count := judgement.usage.get(name, 0):
                self._tokens.add(count, bounded({**by, s.TOKEN_TYPE: kind}))
        for cost in judgement.costs:
            self._cost.add(cost.amount, bounded({**by, s.LLM_USAGE_COST_CURRENCY: cost.currency}))
        if judgement.unpriced:
            self._unpriced.add(judgement.unpriced, bounded(by))
