"""The counters that the settings name, in their order. What is loaded is loaded when it is first needed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase

from .. import guard
from ..config.estimation import Chain, Entry, chain
from .counters import Counter, FunctionCounter, UnavailableError, counter_of
from .models import hides_reasoning
from .rendering import Texts

_logger = logging.getLogger("otel_llm")


class Counters:
    """Counts with the first counter that knows a model."""

    def __init__(self, asked: Chain) -> None:
        self._entries: tuple[Entry, ...] = ()
        #: The counters that have been loaded, by entry; ``None`` for one that can't be.
        self._loaded: dict[Entry, Counter | None] = {}
        self._function: Counter | None = None
        self._said = guard.Once()
        if isinstance(asked, str):
            self._entries = chain(asked)
        else:
            self._function = FunctionCounter(asked)

    def count(self, asked: Texts, said: Texts, names: Iterable[str]) -> tuple[int, int] | None:
        """The tokens of the input and of the output of a model that is called any of ``names``, its own name first.

        ``None`` if no counter knows both.
        """
        names = [name for name in names if name]
        model = names[0] if names else ""
        hidden = any(map(hides_reasoning, names))
        for counter in self._for(names):
            if hidden and not counter.sees_reasoning:
                continue
            given = self._total(counter, asked, model)
            came = None if given is None else self._total(counter, said, model)
            if given is not None and came is not None:
                return given, came
        return None

    def _for(self, names: list[str]) -> Iterable[Counter]:
        if self._function is not None:
            yield self._function
        for entry in self._entries:
            if entry.pattern == "*" or any(fnmatchcase(name.lower(), entry.pattern.lower()) for name in names):
                if entry not in self._loaded:
                    self._loaded[entry] = self._load(entry)
                if (counter := self._loaded[entry]) is not None:
                    yield counter

    def _load(self, entry: Entry) -> Counter | None:
        try:
            return counter_of(entry)
        except Exception as error:  # whatever the import of the application's module raises
            self._say(f"{entry.source} can't be imported ({type(error).__name__})")
            return None

    def _total(self, counter: Counter, asked: Texts, model: str) -> int | None:
        """The tokens of all texts. If a counter fails, that is said once, and the next counter is asked."""
        total = asked.around
        try:
            for text in asked.texts:
                if (tokens := counter.count(text, model)) is None:
                    return None
                total += tokens
        except UnavailableError as error:
            self._say(str(error))
            return None
        except Exception as error:
            guard.report("a counter of tokens", error)
            return None
        return total

    def _say(self, reason: str) -> None:
        if self._said.first(reason):
            _logger.warning("a counter of tokens is left out: %s", reason)
