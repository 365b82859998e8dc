"""Suppresses instrumentation in a given context, with OpenTelemetry's keys."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context

#: The public functions set and read these two, but only in the current context.
_KEYS = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
_QUIET: Mapping[str, object] = dict.fromkeys(_KEYS, True)


def suppresses(context: Context) -> bool:
    """Whether ``context`` suppresses instrumentation."""
    return any(map(context.get, _KEYS))


def quiet(context: Context) -> Context:
    """A copy of ``context`` that suppresses instrumentation."""
    return Context({**context, **_QUIET})
