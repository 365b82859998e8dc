"""Makes an OpenTelemetry context current for a while, even if that ends in another thread or task."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context


class Frame:
    """Makes a context current. It can be entered many times.

    It may be left in another place than it was entered: another task closes an asynchronous generator that was dropped,
    and a framework may run the two ends of a dependency in different threads. There, nothing has to be restored.
    """

    __slots__ = ("_inside", "_token")

    def __init__(self, inside: Context) -> None:
        self._inside = inside

    def __enter__(self) -> None:
        self._token: Any = otel_context.attach(self._inside)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is GeneratorExit and not self._is_current():
            return  # the garbage collector closes a generator in any place
        token = self._token
        try:
            token.var.reset(token)  # like detach(), which also logs an error if this fails
        except AttributeError:  # of another implementation of the context
            otel_context.detach(token)
        except ValueError:
            if self._is_current():
                outside = token.old_value
                otel_context.attach(Context() if outside is Token.MISSING else outside)

    def _is_current(self) -> bool:
        return otel_context.get_current() is self._inside


class Resumed(Frame):
    """The frame of a generator, which continues in the context in which it was suspended."""

    __slots__ = ()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        suspended = otel_context.get_current()
        super().__exit__(kind, error, trace)
        self._inside = suspended
