"""A duration metric beside a span equals the span's duration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.sdk.metrics.export import Metric, MetricsData, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan

# Duration metrics, and whether a span is one they measure.
_INFERENCE = ("chat", "generate_content", "text_completion")
DURATIONS: dict[str, Any] = {
    "gen_ai.client.inference.duration": lambda span: _operation(span) in _INFERENCE,
    "gen_ai.client.operation.duration": lambda span: span.kind.name == "CLIENT",
    "gen_ai.execute_tool.duration": lambda span: _operation(span) == "execute_tool",
    "gen_ai.invoke_agent.duration": lambda span: _operation(span) == "invoke_agent" and span.kind.name == "INTERNAL",
    "gen_ai.workflow.duration": lambda span: _operation(span) == "invoke_workflow",
    "gen_ai.invoke_workflow.duration": lambda span: _operation(span) == "invoke_workflow",
}
_UNMEASURED = ("fetch_response", "plan")


def durations_match(spans: Iterable[ReadableSpan], metrics: MetricsData | None) -> list[str]:
    """Where a duration metric differs from the spans beside it: in number, or by over a microsecond in their sum.

    A point stands for the spans with the same values of the metric's dimensions. Every span must be measured by some
    metric, save the operations that have none.
    """
    spans = [span for span in spans if _operation(span)]
    found: list[str] = []
    measured: set[int] = set()
    for name, measures in DURATIONS.items():
        points = [
            point for _, metric in metrics_of(metrics) if metric.name == name for point in metric.data.data_points
        ]
        keys = sorted({key for point in points for key in point.attributes or {}})
        groups: dict[tuple[Any, ...], tuple[int, float]] = {}
        for point in points:
            assert not isinstance(point, NumberDataPoint), f"{name} is no histogram"
            group = tuple((point.attributes or {}).get(key) for key in keys)
            count, total = groups.get(group, (0, 0.0))
            groups[group] = (count + point.count, total + point.sum)
        for group, (count, total) in groups.items():
            beside = [s for s in spans if measures(s) and tuple((s.attributes or {}).get(k) for k in keys) == group]
            measured.update(id(span) for span in beside)
            lasted = sum(((span.end_time or 0) - (span.start_time or 0)) / 1e9 for span in beside)
            if count != len(beside) or abs(total - lasted) > 1e-6:
                where = {key: value for key, value in zip(keys, group, strict=True) if value is not None}
                found.append(f"{name} {where}: {count} in {total:.9f} s, but {len(beside)} spans in {lasted:.9f} s")
    unmeasured = (s for s in spans if id(s) not in measured and _operation(s) not in _UNMEASURED)
    return found + [f"span {span.name!r} is in no duration metric" for span in unmeasured]


def _operation(span: ReadableSpan) -> Any:
    return (span.attributes or {}).get("gen_ai.operation.name")


def metrics_of(data: MetricsData | None) -> Iterator[tuple[Any, Metric]]:
    """Every metric with the scope that recorded it."""
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield scope.scope, metric
