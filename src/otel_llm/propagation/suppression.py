"""Suppresses instrumentation in a given context, with OpenTelemetry's keys."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context

#: The public functions set and read these two, but only in the current context.
_KEY, _PLAIN_KEY = _SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"
_QUIET: Mapping[str, object] = {_KEY: True, _PLAIN_KEY: True}


def suppresses(context: Context) -> bool:
    """Whether ``context`` suppresses instrumentation."""
    return bool(context.get(_KEY) or context.get(_PLAIN_KEY))


def quiet(context: Context) -> Context:
    """A copy of ``context`` that suppresses instrumentation."""
    return Context({**context, **_QUIET})
