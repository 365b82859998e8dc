"""Checks a stream of text piece by piece, so that nothing is passed on that has not been checked.

Text goes through two stages. In the first one, patterns are looked for in a window: what is held back, with some of the
text before it. A place of a pattern can be cut by the end of any chunk, so the last characters, and a word that has not
ended, are held back until more has come. In the second stage, functions of the application get what is about to be
passed on, in larger pieces that overlap.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import takewhile

from .check import Check
from .guardrails import Guardrails, Inspection, summary
from .result import Action, Found, Result, merged, replaced

#: Characters that are held back: the longest text with spaces that a pattern finds for certain.
OVERLAP = 256
#: Characters before them in which patterns look too.
CONTEXT = 512
#: New characters that functions of the application get at once.
WINDOW = 400
#: A word of more characters than this is blocked: it can't be held back for ever.
LONGEST = 65536

Steps = Generator[tuple[Check, str], tuple[Result, float], str]


class _Account:
    """What one check has said of the pieces of a stream so far."""

    def __init__(self) -> None:
        self.worst = Result()
        self.categories: dict[str, Found] = {}
        self.seconds = 0.0

    def add(self, result: Result, seconds: float) -> None:
        self.seconds += seconds
        for place in result.found:
            self.categories.setdefault(place.category, place)
        order = (Action.PASS, Action.REDACT, Action.BLOCK)
        graver = order.index(result.action) > order.index(self.worst.action)
        if graver or (result.error and not self.worst.error and result.action is self.worst.action):
            self.worst = result


class Stream:
    """One stream under check by the output checks of ``guardrails``."""

    def __init__(self, guardrails: Guardrails, overlap: int = OVERLAP) -> None:
        self.blocked: Result | None = None
        #: Whether nothing of what still comes can be passed on, as it would be too long.
        self.full = False
        self._inspection = Inspection(guardrails, "output")
        self._checks = checks = guardrails.output
        self._accounts = {check: _Account() for check in checks}
        #: Nothing is passed on before the end if a check needs all of it.
        self._whole = any(check.whole for check in checks)
        self._adding = [_Piece(check, piece) for check in checks if (piece := check.opened()) is not None]
        rest = [check for check in checks if all(check is not one.of for one in self._adding)]
        self._patterns = [check for check in rest if check.quick]
        self._functions = [check for check in rest if not check.quick]
        self._overlap = overlap
        #: The first stage: what has left it as it came in, and what is held back.
        self._before = self._held = ""
        #: The second stage: what waits for the functions, and how much of it they have seen.
        self._waiting, self._seen = "", 0
        self._ended = False

    # --- for whoever passes the stream on ------------------------------------------------------------

    def feed(self, text: str) -> str:
        """What may be passed on now that ``text`` has come."""
        return self._drive(self._fed(text))

    def finish(self) -> str:
        """What may be passed on at the end."""
        return self._drive(self._finished())

    async def afeed(self, text: str) -> str:
        """:meth:`feed` for coroutines."""
        return await self._adrive(self._fed(text))

    async def afinish(self) -> str:
        """:meth:`finish` for coroutines."""
        return await self._adrive(self._finished())

    def close(self) -> None:
        """Record the results. Nothing more comes: the stream is over, blocked, failed or left."""
        if self._ended:
            return
        self._ended = True
        for check, account in self._accounts.items():
            worst = account.worst
            told = Result(
                worst.action,
                worst.reason,
                category=worst.category,
                score=worst.score,
                rule=worst.rule,
                error=worst.error,
                found=tuple(account.categories.values()),
            )
            self._inspection.report(check, self._inspection.completed(check, told), None, account.seconds)
            if worst.action is Action.BLOCK:
                break

    # --- with and without waiting --------------------------------------------------------------------

    def _drive(self, steps: Steps) -> str:
        try:
            step = next(steps)
            while True:
                step = steps.send(self._inspection.run(*step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def _adrive(self, steps: Steps) -> str:
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._inspection.arun(*step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    # --- what happens to the text ----------------------------------------------------------------------

    def _fed(self, text: str) -> Steps:
        if self.blocked is not None:
            return ""
        text = yield from self._added(text)
        self._held += text
        if self._whole or self.blocked is not None:
            return ""
        released = yield from self._first(final=False)
        return (yield from self._second(released, final=False))

    def _finished(self) -> Steps:
        if self.blocked is not None:
            return ""
        if self._whole:
            return (yield from self._all())
        released = yield from self._first(final=True)
        return (yield from self._second(released, final=True))

    def _added(self, text: str) -> Steps:
        """Let the checks that add up have ``text``; return what they leave of it."""
        for check in self._adding:
            result, seconds = yield check, text
            if self._blocks(check, result, seconds):
                return ""
            if result.action is Action.REDACT:
                text, self.full = result.text, True
        return text

    def _first(self, *, final: bool) -> Steps:
        held = len(self._held)
        if not final and held <= self._overlap:
            return ""
        start = len(self._before)
        text = self._before + self._held
        found: list[Found] = []
        for check in self._patterns:
            result, seconds = yield check, text
            if self._blocks(check, result, seconds):
                return ""
            found += result.found
        places = merged(found)
        end = len(text) if final else _end(text, places, start, len(text) - self._overlap)
        if held - (end - start) > LONGEST:
            self._block(Result(Action.BLOCK, "too_long_to_hold", check=_named(self._patterns)))
            return ""
        released = replaced(text, places, start, end)
        self._before, self._held = text[:end][-CONTEXT:], text[end:]
        return released

    def _second(self, released: str, *, final: bool) -> Steps:
        self._waiting += released
        if self.blocked is not None:
            return ""
        if not self._functions:
            released, self._waiting = self._waiting, ""
            return released
        if not self._waiting or (not final and len(self._waiting) - self._seen < WINDOW):
            return ""
        text = self._waiting
        for check in self._functions:
            result, seconds = yield check, text
            if self._blocks(check, result, seconds):
                return ""
            if result.action is Action.REDACT:
                text = result.text
        end = len(text) if final else _unchanged(self._waiting, text, self._overlap)
        if len(self._waiting) > LONGEST and not end:
            self._block(Result(Action.BLOCK, "too_long_to_hold", check=_named(self._functions)))
            return ""
        rest = text[end:]
        self._waiting = rest if self._waiting.endswith(rest) else self._waiting[end:]
        self._seen = len(self._waiting)
        return text[:end]

    def _all(self) -> Steps:
        text, self._held = self._held, ""
        for check in self._patterns + self._functions:
            result, seconds = yield check, text
            if self._blocks(check, result, seconds):
                return ""
            text = result.text
        return text

    def _blocks(self, check: Check, result: Result, seconds: float) -> bool:
        check = check.of if isinstance(check, _Piece) else check
        self._accounts[check].add(result, seconds)
        if result.blocked:
            self._block(self._inspection.completed(check, result))
        return result.blocked

    def _block(self, result: Result) -> None:
        self.blocked = summary([result], "", "output")
        self._held = self._waiting = self._before = ""


class _Piece(Check):
    """A check that adds up, with what it has of one stream."""

    quick = True

    def __init__(self, check: Check, piece: object) -> None:
        super().__init__(check.name, piece, timeout=check.timeout, fail=check.fail)  # type: ignore[arg-type]
        self.of = check
        self.quick = check.quick


def _named(checks: Iterable[Check]) -> str | None:
    return next((check.name for check in checks), None)


def _end(text: str, places: Iterable[Found], start: int, end: int) -> int:
    """Where to cut ``text`` at or before ``end``, so that neither a word nor one of the ``places`` is cut."""
    while end > start and _in_word(text[end - 1]) and _in_word(text[end]):
        end -= 1
    for place in places:
        if place.start < end < place.end:
            return max(place.start, start)
    return max(end, start)


def _in_word(character: str) -> bool:
    """Whether it may be inside of a credential or an address. Chinese, say, has no spaces between its words."""
    return character.isascii() and not character.isspace()


def _unchanged(before: str, after: str, overlap: int) -> int:
    """Where to cut ``after``, which a function has made of ``before``, so that the rest is unchanged.

    That is ``overlap`` characters before the end if nothing was changed there, else in front of the first change.
    """
    behind = after[len(after) - overlap :] if len(after) > overlap else after
    if before.endswith(behind):
        return max(len(after) - overlap, 0)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    return min(same, max(len(after) - overlap, 0))
