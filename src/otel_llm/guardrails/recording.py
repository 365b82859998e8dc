"""Records results of the guardrails of other libraries, in their own words."""

from __future__ import annotations

from opentelemetry import context as otel_context

from .. import guard
from .. import semconv as s
from .check import Source
from .result import label
from .telemetry import SHARED


@guard.never_raise
def record_result(
    component: str,
    *,
    type: str | None = None,  # noqa: A002 - as the conventions have it
    value: str | bool | float | None = None,
    source: Source | str | None = None,
    reason: str | None = None,
    category: str | None = None,
    score: float | None = None,
    policy: str | None = None,
    version: str | None = None,
    rule: str | None = None,
    provider: str | None = None,
    error: BaseException | None = None,
    seconds: float | None = None,
) -> None:
    """Record a result of a guardrail that another library has applied: as an event and in the metrics.

    ``component`` is the name of the guardrail. ``type`` and ``value`` are the result in the words of the library, such
    as ``"tripwire_triggered"`` and ``True``; the value makes a time series, so it must be one of few. ``source`` is
    what was checked (``input``, ``output``, ``tool_input``, ``tool_output``), ``reason`` a label, which must not quote
    content, ``category`` and ``score`` the risk, ``policy``, ``version`` and ``rule`` the configuration and the part of
    it that decided, ``provider`` whose service it is, ``error`` with what it failed, and ``seconds`` how long it took.

    It raises nothing, and records nothing if no OpenTelemetry SDK is configured.
    """
    if isinstance(value, bool):
        value = "true" if value else "false"
    kind = None if error is None else error.__class__
    attributes = {
        s.GUARDRAIL_COMPONENT_NAME: str(component),
        s.GUARDRAIL_RESULT_TYPE: type,
        s.GUARDRAIL_RESULT_VALUE: None if value is None else str(value),
        s.GUARDRAIL_SOURCE: source,
        s.GUARDRAIL_RESULT_REASON: label(reason),
        s.GUARDRAIL_RISK_SCORE: None if score is None else float(score),
        s.GUARDRAIL_POLICY_ID: policy,
        s.GUARDRAIL_POLICY_VERSION: version,
        s.GUARDRAIL_POLICY_RULE_ID: rule,
        s.PROVIDER_NAME: provider,
        s.ERROR_TYPE: kind
        and (kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"),
    }
    context = otel_context.get_current()
    if (reporter := SHARED.listening(context)) is not None:
        told = {name: one for name, one in attributes.items() if one is not None}
        reporter.record(told, [category], {}, seconds, context)
