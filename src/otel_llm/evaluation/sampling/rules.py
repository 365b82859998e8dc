"""Rules: traces to evaluate in addition to those of the rate, because of what happened in them.

A rule holds for a trace if one span of it meets all of the rule's conditions. The local root stands for the whole: its
tokens are the sum of all model calls.

    - {name: errors, error: true}
    - {name: slow agents, operation: invoke_agent, latency_over: 30, rate: 0.5}
    - {name: thumbs down, feedback: negative}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import documents
from ...config.values import above_zero, checked, share
from .accounting import RATE
from .conditions import CONDITIONS, OfFeedback, Seen, Test, baggage_entries, of_feedback, text, texts
from .feedback import Said
from .rate import bound

_MAX_NAME = 64
#: The conditions that are not on a span.
_OTHER_KEYS = ("feedback", "service", "baggage")

#: Told of each part of a document that can't be used; the part is left out, unless this raises.
Refuse = Callable[[ValueError], object]


def _raise(error: ValueError) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions on a trace, and the share of the matching traces that is sampled. Made by :meth:`of`."""

    name: str
    rate: float
    services: frozenset[str] | None
    baggage: Mapping[str, str]
    _bound: int
    _tests: tuple[Test, ...]
    _of_feedback: OfFeedback | None = None

    @classmethod
    def of(cls, given: Any, number: int = 1) -> Rule:
        """Make the rule that the mapping ``given`` describes; ``docs/evaluation.md`` lists its keys.

        ``number`` is its place in the list, for the name of a rule without one.

        :raises ValueError: if it can't be used; the message names the rule, the key and the reason.
        """
        name = f"rule {number}"
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} must be a mapping of conditions, not {given!r:.80}")
        rest = dict(given)
        named = text(given_name := rest.pop("name", name))
        if not named or len(named) > _MAX_NAME:
            raise ValueError(f"{name}: name must be a string of at most {_MAX_NAME} characters, not {given_name!r:.80}")
        if named == RATE:
            raise ValueError(f"{name}: name must be another than {RATE!r}, which is that of the rate")
        rate = rest.pop("rate", 1.0)
        if not rest:
            raise ValueError(f"rule {named!r} has no condition; for a share of all traces give the rate")
        services, baggage, tests, feedback = None, {}, [], None
        key = "rate"
        try:
            limit = bound(rate)
            for key, value in rest.items():
                if key == "service":
                    services = texts(value)
                elif key == "baggage":
                    baggage = baggage_entries(value)
                elif key == "feedback":
                    feedback = of_feedback(value)
                elif key in CONDITIONS:
                    tests.append(CONDITIONS[key](value))
                else:
                    raise ValueError(
                        f"is no condition; there are {', '.join([*CONDITIONS, 'feedback', 'service', 'baggage'])}"
                    )
        except ValueError as error:
            raise ValueError(f"rule {named!r}: {key} {error}") from None
        return cls(named, float(rate), services, baggage, limit, tuple(tests), feedback)

    @property
    def early(self) -> bool:
        """Whether the rule is decided when a trace starts."""
        return not self._tests and self._of_feedback is None

    @property
    def awaits_feedback(self) -> bool:
        """Whether the rule has a condition on feedback, which may come after the trace has ended."""
        return self._of_feedback is not None

    def concerns(self, position: int, service: str | None) -> bool:
        """Whether the rule may match a trace at ``position`` (see :mod:`.rate`) in ``service``."""
        return position < self._bound and (self.services is None or service in self.services)

    def carried(self, baggage: Mapping[str, object]) -> bool:
        """Whether ``baggage`` has the entries that the rule requires."""
        return all(baggage.get(name) == wanted for name, wanted in self.baggage.items())

    def heard(self, feedback: Iterable[Said]) -> bool:
        """Whether one of ``feedback`` is what the rule asks for, if it asks for any."""
        return self._of_feedback is None or any(map(self._of_feedback, feedback))

    def holds(self, spans: Iterable[Seen]) -> bool:
        """Whether one of ``spans`` meets every condition on spans."""
        return not self._tests or any(all(test(seen) for test in self._tests) for seen in spans)


@dataclass(frozen=True, slots=True)
class Rules:
    """The content of a rules document.

    :param rules: the rules, in the order of the document.
    :param rate: the share of traces to sample, 0 to 1; ``None`` if the document has none.
    :param max_per_minute: the most traces to sample in a minute; ``None`` if the document has none.
    """

    rules: tuple[Rule, ...] = ()
    rate: float | None = None
    max_per_minute: float | None = None

    @classmethod
    def of(cls, given: Any, refuse: Refuse = _raise) -> Rules:
        """Read ``given``: a list of rules, or a mapping with the keys ``rules``, ``rate`` and ``max_per_minute``.

        ``refuse`` is called with the error of each rule or key that can't be used. If it returns, that rule or key is
        left out and the rest holds; by default it raises.

        :raises ValueError: that says what is wrong, and where.
        """
        document = {"rules": given} if isinstance(given, list | tuple) else given
        if not isinstance(document, Mapping):
            raise ValueError(f"rules must be a list, or a mapping with the key rules, not {given!r:.80}")
        if unknown := sorted(map(str, set(document) - {"rules", "rate", "max_per_minute"})):
            refuse(ValueError(f"unknown key {', '.join(unknown)}; there are rules, rate and max_per_minute"))
        numbers: dict[str, float | None] = {}
        for key, check in (("rate", share), ("max_per_minute", above_zero)):
            try:
                value: Any = document.get(key)
                numbers[key] = value if value is None else checked(key, value, check)
            except ValueError as error:
                refuse(error)
        return cls(cls._listed(document.get("rules") or [], refuse), **numbers)

    @staticmethod
    def _listed(listed: Any, refuse: Refuse) -> tuple[Rule, ...]:
        if not isinstance(listed, list | tuple):
            refuse(ValueError(f"rules must be a list, not {listed!r:.80}"))
            return ()
        rules: dict[str, Rule] = {}
        for number, one in enumerate(listed, 1):
            try:
                rule = one if isinstance(one, Rule) else Rule.of(one, number)
                if rule.name in rules:
                    raise ValueError(f"more than one rule is named {rule.name}")
                rules[rule.name] = rule
            except ValueError as error:
                refuse(error)
        return tuple(rules.values())

    @classmethod
    def parse(cls, text: str, refuse: Refuse = _raise) -> Rules:
        """Read ``text``, which is JSON, or YAML if PyYAML is installed. ``refuse`` is as for :meth:`of`.

        :raises ValueError: as for :meth:`of`, and if ``text`` is neither.
        """
        return cls.of(documents.parse(text, "evaluation"), refuse)

    @classmethod
    def load(cls, path: str | Path, refuse: Refuse = _raise) -> Rules:
        """Read the file at ``path``, which is JSON or YAML. ``refuse`` is as for :meth:`of`.

        :raises ValueError: as for :meth:`parse`, and if the file can't be read.
        """
        return cls.parse(documents.read(path), refuse)
