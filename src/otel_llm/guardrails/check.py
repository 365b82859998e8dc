"""What a check is: a name, a function, and what happens if the function fails or takes too long."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Literal

from .. import guard
from ..background import forks
from ..background.time_limit import Share
from .result import Action, Result

#: What happens with a text whose check failed: it is blocked, or it passes.
Fail = Literal["open", "closed"]
Source = Literal["input", "output", "tool_input", "tool_output"]
_LONGEST_NAME = 128


#: The most calls of one check that may be overdue: further ones fail at once.
MOST_OVERDUE = 8


class Late:
    """The calls of one check that are under way although their time was up."""

    def __init__(self) -> None:
        #: Those on threads.
        self.share = Share(MOST_OVERDUE)
        #: Those of coroutine functions that ignore their cancellation.
        self.tasks: set[asyncio.Future[Any]] = set()
        forks.SHARED.add(self)

    def start_afresh(self) -> None:
        """In a child process: the tasks are the parent's."""
        self.tasks.clear()


class Check:
    """A check of a text: ``Check("tone", is_rude, provider="my_company")``.

    ``function`` takes the text and returns a :class:`.Result`, or ``None`` if the text passes. It may be a coroutine
    function. ``name`` is the component in telemetry.

    ``timeout`` is the time limit in seconds, and ``fail`` says what happens if the function raises, returns something
    else or takes too long: ``"closed"`` blocks the text, ``"open"`` passes it. Both default to those of the
    :class:`.Guardrails`. A function that is not a coroutine function runs on a thread of this package.

    ``provider`` names the service that the function calls, if it does; then each call is a span. In a stream the
    function gets the text piece by piece, or all of it at the end if ``stream`` is ``"whole"``: then nothing is passed
    on before.

    :raises ValueError: for a name that is empty or too long, or another ``timeout``, ``fail`` or ``stream``.
    :raises TypeError: if ``function`` is not callable.
    """

    #: Whether it is done before all others.
    first = False
    #: Whether it takes little time for any text, and never hangs: then it runs where it is called.
    quick = False

    def __init__(
        self,
        name: str,
        function: Callable[[str], Any],
        *,
        timeout: float | None = None,
        fail: Fail | None = None,
        provider: str | None = None,
        stream: Literal["windows", "whole"] = "windows",
    ) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise ValueError(f"name must be a text of 1 to {_LONGEST_NAME} characters, not {name!r}")
        if not callable(function):
            raise TypeError(f"function must be callable, not {function!r}")
        checked_limits(timeout, fail)
        if stream not in ("windows", "whole"):
            raise ValueError(f"stream must be 'windows' or 'whole', not {stream!r}")
        self.name, self.function = name, function
        self.timeout, self.fail, self.provider = timeout, fail, provider
        self.whole = stream == "whole"
        called = getattr(function, "__call__", None)  # noqa: B004
        self.awaits = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
        self.late = Late()
        self.told = guard.Once()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def opened(self) -> Callable[[str], Result | None] | None:
        """For a check that adds up over a stream: what gets each piece of one; ``None`` for other checks."""
        return None


class QuickCheck(Check):
    """A check by patterns or counts, which takes linear time. Where it redacts, it says where."""

    quick = True


def checked_limits(timeout: float | None, fail: str | None) -> None:
    """Check a time limit and what happens after it.

    :raises ValueError: if one is none.
    """
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
    if fail not in (None, "open", "closed"):
        raise ValueError(f"fail must be 'open' or 'closed', not {fail!r}")


def known_action(action: Any, among: Iterable[Action]) -> Action:
    """``action``, if it is one of those that a check can take.

    :raises ValueError: if it is not.
    """
    if action not in tuple(among):
        raise ValueError(f"action must be {' or '.join(str(one) for one in among)}, not {action!r}")
    return action  # type: ignore[no-any-return]


def understood(returned: Any, text: str) -> Result:
    """What the function of a check ``returned`` of ``text``.

    :raises TypeError: if that is no result.
    """
    if returned is None:
        return Result(text=text)
    if not isinstance(returned, Result) or not isinstance(returned.action, Action):
        raise TypeError(f"a check must return a Result or None, not {type(returned).__name__}")
    if returned.action is Action.REDACT:
        if not isinstance(returned.text, str):
            raise TypeError("a check that redacts must return the redacted text")
        return returned
    return _with_text(returned, text if returned.action is Action.PASS else "")


def _with_text(result: Result, text: str) -> Result:
    return result if result.text == text else Result(
        result.action, result.reason, text, result.category, result.score, result.rule, found=result.found
    )  # fmt: skip
