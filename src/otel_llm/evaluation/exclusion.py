"""Excludes evaluators, and other code that runs for the evaluation, from being evaluated."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from opentelemetry.context import Context, create_key, get_value, set_value

from ..propagation.api import inside_of
from ..propagation.attach import Frame

_P = ParamSpec("_P")
_R = TypeVar("_R")
_KEY = create_key("otel_llm.not_evaluated")


class NotEvaluated:
    """What :func:`not_evaluated` returns: a context manager, ``with`` or ``async with``, and a decorator."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []

    def __enter__(self) -> None:
        frame = Frame(excluded(None))
        frame.__enter__()
        self._frames.append(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.pop().__exit__(kind, error, trace)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate ``function``, which may be a coroutine function: each call is not evaluated.

        :raises TypeError: if ``function`` is not callable, or a generator function.
        """
        inside: Callable[_P, _R] = inside_of(function, lambda: excluded(None))
        return inside


def not_evaluated() -> NotEvaluated:
    """Keep what runs inside out of the evaluation: ``with not_evaluated(): judge(item)``.

    ``async with`` works too, and ``@not_evaluated()`` for a function. A trace that begins inside is not sampled for
    evaluation. A span that begins inside a sampled trace is left out of its item, and its content is not captured for
    the evaluation. Both still have spans and metrics. It holds for this process; nothing goes into the baggage, so a
    service called from inside samples by its own settings.
    """
    return NotEvaluated()


def excluded(context: Context | None) -> Context:
    """``context`` (default: the current one), with what begins in it left out of the evaluation."""
    return set_value(_KEY, True, context)


def is_excluded(context: Context | None) -> bool:
    """Whether a span that begins in ``context`` (default: the current one) begins inside :func:`not_evaluated`."""
    return get_value(_KEY, context) is True
