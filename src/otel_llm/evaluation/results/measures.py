"""The metrics of verdicts. They have no ids; what is chosen freely, such as a label, is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import semconv as s
from .verdict import Verdict

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

    from ...core.scopes import ScopeState


class Measures:
    """The instruments of one meter, within the bounds of their scope's ``state``."""

    def __init__(self, state: ScopeState, meter: Meter) -> None:
        self._dimensions = state.dimensions
        bounded = state.series.on(meter)
        self._scores = bounded.create_histogram(
            s.METRIC_LLM_EVALUATION_SCORE,
            unit="1",
            description="Scores of evaluations and feedback, by their scale.",
            explicit_bucket_boundaries_advisory=s.SCORE_BUCKETS,
        )
        self._results = bounded.create_counter(
            s.METRIC_LLM_EVALUATION_RESULTS,
            unit="{result}",
            description="Results of evaluations and feedback, by label and by whether they met the threshold.",
        )
        self._errors = bounded.create_counter(
            s.METRIC_LLM_EVALUATION_ERRORS,
            unit="{error}",
            description="Evaluations that failed. They have no result.",
        )

    def record(self, verdict: Verdict, kind: str, context: Context) -> None:
        """Record ``verdict`` of an evaluator of ``kind``; exemplars are of the span in ``context``."""
        by: dict[str, str | bool] = {
            s.EVALUATION_NAME: verdict.name,
            s.LLM_EVALUATION_EVALUATOR_ID: verdict.evaluator_id,
            s.LLM_EVALUATION_EVALUATOR_TYPE: kind,
        }
        if verdict.error_type is not None:
            self._errors.add(1, self._dimensions.bounded({**by, s.ERROR_TYPE: verdict.error_type}), context)
            return
        if verdict.score is not None:
            scaled = {**by, s.LLM_EVALUATION_SCALE: verdict.scale}
            self._scores.record(float(verdict.score), self._dimensions.bounded(scaled), context)
        if verdict.label is not None:
            by[s.EVALUATION_SCORE_LABEL] = verdict.label
        if verdict.passed is not None:
            by[s.LLM_EVALUATION_PASSED] = verdict.passed
        self._results.add(1, self._dimensions.bounded(by), context)
