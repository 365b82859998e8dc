"""Joins background responses to the calls that asked for them: together they are one call, with one cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from otel_llm.cli.cost.calls import Call
from otel_llm.cost.sheet import CUT_OFF, PENDING


def joined(calls: Iterable[Call]) -> Iterator[Call]:
    """Yield `calls`, with the cost of what was fetched on the call that asked for it.

    What was fetched of a call that is not among them is a call of its own.
    """
    asked: dict[str, Call] = {}
    fetched: dict[str, Call] = {}
    done: set[str] = set()
    for call in calls:
        name = call.response_id
        if name is None or not (call.fetched or call.unpriced in (PENDING, CUT_OFF)):
            yield call
        elif name not in done:
            (fetched if call.fetched else asked)[name] = call
            if name in fetched and name in asked:
                done.add(name)
                yield replace(asked.pop(name), cost=fetched.pop(name).cost, unpriced=None)
    yield from asked.values()
    yield from fetched.values()
