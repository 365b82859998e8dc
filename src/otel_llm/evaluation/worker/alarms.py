"""Alarms: told when verdicts give enough evidence that a bound is passed. Workers on the same verdicts share them."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from ... import guard
from ... import semconv as s
from ...version import __version__
from ..analysis.evidence import ALARM, Evidence
from ..dataset.database import Database
from ..judges.evaluator import Evaluator
from ..judges.tally import Bound
from ..results.emission import SCOPE
from ..results.verdict import Verdict

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_WEBHOOK_SECONDS = 10.0


class AlarmError(ValueError):
    """A bound can't be an alarm. The message says which one, and why."""


@dataclass(slots=True)
class _Alarm:
    bound: Bound
    evaluator: Evaluator
    strength: float = 0.0

    @classmethod
    def of(cls, bound: Bound, evaluators: Iterable[Evaluator]) -> _Alarm:
        evaluator = next((one for one in evaluators if one.name == bound.name), None)
        if evaluator is None:
            raise AlarmError(f"{bound.text}: that evaluator is not among those that judge")
        if not bound.of_mean and bound.comparison.startswith("<"):
            raise AlarmError(f"{bound.text}: an alarm is for a share of failed verdicts that is too high, as with >")
        alarm = cls(bound, evaluator)
        try:
            alarm.evidence()
        except ValueError as error:
            raise AlarmError(f"{bound.text}: {error}") from None
        return alarm

    @property
    def key(self) -> str:
        """Evidence of another revision of the evaluator does not count."""
        return f"{self.bound.text} {self.evaluator.revision}"

    def evidence(self, bets: Sequence[float] = ()) -> Evidence:
        above = self.bound.comparison.startswith(">")
        if not self.bound.of_mean:
            return Evidence(self.bound.number, bets=list(bets))
        scale = self.evaluator.scale
        return Evidence(self.bound.number, above, scale.low, scale.high, list(bets))

    def scores(self, verdicts: Iterable[Verdict]) -> list[float]:
        mine = [one for one in verdicts if one.evaluator_id == self.evaluator.name]
        if self.bound.of_mean:
            return [one.score for one in mine if one.score is not None]
        return [float(not one.passed) for one in mine if one.passed is not None]


class Alarms:
    """Alarms on ``bounds``, whose evidence is kept in the database at ``path``.

    The evidence may be looked at after each verdict (:mod:`otel_llm.evaluation.analysis.evidence`). When it is enough,
    the alarm rings once and starts to collect anew, so it rings again if the bound stays passed. ``webhook`` is a URL
    that gets a POST with ``{"text": "..."}``, as Slack takes it, and the alarm's fields.

    :raises AlarmError: if a bound can't be an alarm.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        bounds: Iterable[Bound],
        evaluators: Sequence[Evaluator],
        *,
        webhook: str | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._alarms = [_Alarm.of(bound, evaluators) for bound in bounds]
        self._database = Database(Path(path).absolute())
        self._webhook = webhook
        meter = metrics.get_meter(SCOPE, __version__, meter_provider)
        self._rung = meter.create_counter(
            s.METRIC_LLM_EVALUATION_ALARMS, unit="{alarm}", description="Alarms of bounds that verdicts have passed."
        )
        meter.create_observable_gauge(
            s.METRIC_LLM_EVALUATION_EVIDENCE,
            [self._observe],
            unit="1",
            description="Evidence that a bound is passed, on a logarithmic scale: an alarm rings at 1.",
        )
        for alarm in self._alarms:
            self._rung.add(0, _dimensions(alarm))  # so that the first alarm is an increase

    def add(self, verdicts: Sequence[Verdict]) -> list[str]:
        """Count new verdicts; return what to tell of the alarms that ring."""
        return [said for alarm in self._alarms if (said := self._count(alarm, alarm.scores(verdicts))) is not None]

    def _count(self, alarm: _Alarm, scores: list[float]) -> str | None:
        if not scores:
            return None
        with self._database.transaction() as database:
            database.execute("begin immediate")
            found = database.execute("select bets from evidence where bound = ?", (alarm.key,)).fetchone()
            evidence = alarm.evidence(json.loads(found[0]) if found else ())
            rings = evidence.add(scores) >= ALARM
            alarm.strength = evidence.strength
            if rings:
                evidence.restart()
            given = (alarm.key, json.dumps(evidence.bets))
            database.execute("insert or replace into evidence values (?, ?)", given)
        if not rings:
            return None
        self._rung.add(1, _dimensions(alarm))
        said = f"ALARM {alarm.bound.text}: the verdicts of {alarm.evaluator.name} are beyond it"
        guard.never_raise(self._post)(alarm, said)
        return said

    def _post(self, alarm: _Alarm, said: str) -> None:
        if self._webhook is None:
            return
        body = {"text": said, "bound": alarm.bound.text, "evaluator": alarm.evaluator.name}
        body["revision"] = alarm.evaluator.revision
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._webhook, json.dumps(body).encode(), headers, method="POST")
        urllib.request.urlopen(request, timeout=_WEBHOOK_SECONDS).close()

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(alarm.strength, _dimensions(alarm)) for alarm in self._alarms]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _dimensions(alarm: _Alarm) -> dict[str, str]:
    return {s.EVALUATION_NAME: alarm.evaluator.name, s.LLM_EVALUATION_BOUND: alarm.bound.text}
