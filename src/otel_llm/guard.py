"""The only place that swallows this package's own errors.

The package runs in the request path of an application: whatever goes wrong in it must not reach the caller. The first
error of a kind at a place is logged at WARNING, later ones at DEBUG. The log has the frames, never the error's text,
which may quote a prompt.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

_logger = logging.getLogger("otel_llm")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_MAX_FRAMES = 50  # a RecursionError has a thousand


class Once:
    """Remembers keys, so that something is done once for each.

    It holds at most ``limit`` keys. Nothing is done for any beyond: so many are no news.
    """

    __slots__ = ("_keys", "_limit")

    def __init__(self, limit: int = 1000) -> None:
        self._keys: set[Any] = set()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._keys)

    def first(self, key: Any) -> bool:
        """Whether this is the first time for ``key``."""
        if key in self._keys or len(self._keys) >= self._limit:
            return False
        self._keys.add(key)
        return True


#: One for the process: the places and kinds of the errors that have been logged at WARNING.
REPORTED = Once()


def never_raise(function: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """Wrap a function of this package, so that its errors are logged and it returns ``None`` instead.

    Other kinds of ``BaseException`` (cancellation, ``KeyboardInterrupt``) pass: they are the application's.
    """

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            report(function.__qualname__, error)
            return None

    return guarded


def report(where: str, error: BaseException) -> None:
    """Log an error of this package that was swallowed at ``where``."""
    try:
        level = logging.WARNING if REPORTED.first((where, type(error).__qualname__)) else logging.DEBUG
        _logger.log(level, "otel-llm failed in %s (%s); the application's call is not affected\n%s",
                    where, type(error).__name__, frames(error.__traceback__))  # fmt: skip
    except Exception:  # from a log handler of the application
        return


def frames(trace: TracebackType | None) -> str:
    """The innermost frames of a traceback, without source lines: those are read from disk, and may hold a prompt."""
    return "".join(
        f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_qualname}\n'
        for frame, line in deque(traceback.walk_tb(trace), _MAX_FRAMES)
    )
