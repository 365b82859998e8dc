"""Whether OpenTelemetry's global providers are set. An application may set them at any time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import _logs, metrics, trace

from .. import guard


class GlobalProvider:
    """The global provider of one signal."""

    __slots__ = ("_get", "_name", "_variables", "_waiting")

    def __init__(self, get: Callable[[], Any], name: str) -> None:
        """``get`` is the API's function that returns the provider, ``name`` the variable in its module."""
        self._get = get
        self._variables = get.__globals__
        self._name = name
        self._waiting: list[Callable[[Any], None]] = []

    def is_set(self) -> bool:
        """Whether the provider is set. If it is, the actions that wait for it are called.

        The public function reads the environment first, which takes longer than everything else that a call does when
        nothing listens. A variable that a later version of the API lacks counts as set.
        """
        if self._variables.get(self._name, self) is None:
            return False
        if self._waiting:
            self._call_waiting()
        return True

    def get(self) -> Any:
        """The provider; before it is set, OpenTelemetry's stand-in for it."""
        return self._get()

    def when_set(self, action: Callable[[Any], None]) -> None:
        """Call ``action`` with the provider: now, or when :meth:`is_set` first finds it set. Its errors are logged."""
        self._waiting.append(action)
        self.is_set()

    def notice(self) -> None:
        """Call the actions that wait for the provider, if it is set. If none waits, this costs next to nothing."""
        if self._waiting:
            self.is_set()

    def _call_waiting(self) -> None:
        while self._waiting:
            try:
                action = self._waiting.pop(0)
            except IndexError:  # another thread took it
                return
            guard.never_raise(action)(self._get())


TRACER_PROVIDER = GlobalProvider(trace.get_tracer_provider, "_TRACER_PROVIDER")
METER_PROVIDER = GlobalProvider(metrics.get_meter_provider, "_METER_PROVIDER")
LOGGER_PROVIDER = GlobalProvider(_logs.get_logger_provider, "_LOGGER_PROVIDER")
