"""Making an OpenTelemetry context current for a while, wherever that begins and ends."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context


class Frame:
    """Makes a context current, as often as it is entered.

    It may be left elsewhere than it was entered: an asynchronous generator that is dropped is closed by another task, a
    framework runs both ends of a dependency in threads of its own. There is nothing to take back there, nor to log.
    """

    __slots__ = ("_inside", "_token")

    def __init__(self, inside: Context) -> None:
        self._inside = inside

    def __enter__(self) -> None:
        self._token: Any = otel_context.attach(self._inside)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is GeneratorExit and not self._is_current():
            return  # closed wherever the garbage collector runs
        token = self._token
        try:
            token.var.reset(token)  # what detach() does, which logs an error where this fails
        except AttributeError:  # of another implementation of the context
            otel_context.detach(token)
        except ValueError:
            if self._is_current():
                outside = token.old_value
                otel_context.attach(Context() if outside is Token.MISSING else outside)

    def _is_current(self) -> bool:
        return otel_context.get_current() is self._inside


class Resumed(Frame):
    """That of a generator, which goes on in the context that it was suspended in."""

    __slots__ = ()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        suspended = otel_context.get_current()
        super().__exit__(kind, error, trace)
        self._inside = suspended
