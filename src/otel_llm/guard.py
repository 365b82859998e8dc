"""The only place that swallows our own errors.

We live in other people's request path: whatever goes wrong in here must not reach the caller. An
error is logged once a place and kind at WARNING, then at DEBUG. The log carries the frames, never
the error's text, which may hold words of a prompt.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

_logger = logging.getLogger("otel_llm")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_seen: set[tuple[str, type[Exception]]] = set()
_MAX_FRAMES = 50  # a RecursionError has a thousand


def never_raise(function: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """Wrap one of our own functions so that its errors are logged and it returns ``None`` instead.

    ``BaseException`` (cancellation, ``KeyboardInterrupt``) is not ours and passes.
    """

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            report(function.__qualname__, error)
            return None

    return guarded


def report(where: str, error: Exception) -> None:
    """Log an error of ours that was swallowed at ``where``."""
    try:
        key = (where, type(error))
        level = logging.DEBUG if key in _seen else logging.WARNING
        _seen.add(key)
        _logger.log(level, "otel-llm failed in %s (%s); the application's call is not affected\n%s",
                    where, type(error).__name__, frames(error.__traceback__))  # fmt: skip
    except Exception:  # a log handler of the application's that raises
        return


def frames(trace: TracebackType | None) -> str:
    """The innermost frames of a traceback, without source lines: those are read from disk, and may hold a prompt."""
    return "".join(
        f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_qualname}\n'
        for frame, line in deque(traceback.walk_tb(trace), _MAX_FRAMES)
    )
