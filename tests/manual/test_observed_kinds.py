"""An observed function stays what it was, for Python, for pickle and for frameworks."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import re
from typing import Any
from unittest.mock import AsyncMock

import pytest
from observed_kinds import (
    AsyncCallable,
    Callable,
    GeneratorCallable,
    Thing,
    async_generator,
    coroutine,
    generator,
    plain,
)
from opentelemetry import trace

import otel_llm

KINDS = [
    plain,
    coroutine,
    generator,
    async_generator,
    functools.partial(plain, 1),
    functools.partial(coroutine, 1),
    functools.partial(generator, 1),
    functools.partial(async_generator, 1),
    Callable(),
    AsyncCallable(),
    GeneratorCallable(),
    len,
]
QUESTIONS = [
    inspect.iscoroutinefunction,
    asyncio.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
]


@pytest.mark.parametrize("function", KINDS, ids=lambda function: re.sub(r" at 0x\w+", "", repr(function)))
def test_it_is_what_it_was(function: Any) -> None:
    observed = otel_llm.observe(function)
    assert [ask(observed) for ask in QUESTIONS] == [ask(function) for ask in QUESTIONS]
    assert inspect.signature(observed) == inspect.signature(function)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        if inspect.isfunction(function):
            assert getattr(observed, name) == getattr(function, name)


@pytest.mark.parametrize("name", ["coroutine", "generator", "async_generator", "method"])
def test_a_method_is_one(name: str) -> None:
    bound = getattr(Thing(), name)
    assert inspect.ismethod(bound) or name == "method"
    assert inspect.iscoroutinefunction(bound) == (name == "coroutine")
    assert inspect.isgeneratorfunction(bound) == (name == "generator")
    assert inspect.isasyncgenfunction(bound) == (name == "async_generator")
    assert "self" not in inspect.signature(bound).parameters


@otel_llm.observe
def pickled(a: int) -> int:
    return a


@otel_llm.observe
def pickled_generator(a: int) -> Any:
    yield a


def test_it_can_be_pickled() -> None:
    """As a process pool does."""
    assert pickle.loads(pickle.dumps(pickled)) is pickled
    assert pickle.loads(pickle.dumps(pickled_generator)) is pickled_generator


def test_nothing_in_it_is_beyond_pickling() -> None:
    """Ray, Dask and Spark send a function of the program's own with all that its closure holds."""

    def reach(function: Any) -> Any:
        for cell in getattr(function, "__closure__", None) or ():
            value = cell.cell_contents
            if inspect.isfunction(value):
                yield from reach(value)
            else:
                yield value

    held = list(reach(otel_llm.observe(capture=True)(pickled)))
    assert held
    assert len(pickle.loads(pickle.dumps(held))) == len(held)


def test_it_can_be_copied() -> None:
    """As the settings or defaults that it is part of are."""
    for function in (pickled, pickled_generator, otel_llm.observe(Callable())):
        assert copy.copy(function) is function
        assert copy.deepcopy([function])[0] is function


def test_a_method_is_pickled_and_copied_with_its_object() -> None:
    thing = Thing()
    thing.value = 8
    for bound in (thing.method, thing.generator):
        made = [pickle.loads(pickle.dumps(bound)), copy.copy(bound), copy.deepcopy(bound)]
        assert [one.__self__.value for one in made] == [8, 8, 8]
        assert [one.__self__ is thing for one in made] == [False, True, False]
    assert list(copy.deepcopy(thing.generator)()) == [8]


def test_an_object_that_is_called_stays_one(recorder: Any) -> None:
    observed = otel_llm.observe(AsyncCallable())
    assert isinstance(observed, AsyncCallable)
    assert observed.limit == 9
    assert isinstance(pickle.loads(pickle.dumps(observed)), AsyncCallable)
    for kind in (AsyncCallable, GeneratorCallable, Callable):  # as frameworks ask whether to await it
        asked, observed = kind().__call__, otel_llm.observe(kind()).__call__
        assert [ask(observed) for ask in QUESTIONS] == [ask(asked) for ask in QUESTIONS]

    class Holder:
        size = otel_llm.observe(len)
        call = otel_llm.observe(Callable())
        bound = otel_llm.observe(Thing().generator)

    held: Any = Holder()  # none of these becomes a method
    assert (held.size("four"), held.call(3), list(held.bound())) == (4, 3, [7])
    assert len(recorder.spans) == 4  # the observed generator was one already


@pytest.mark.filterwarnings("ignore:functools.partial will be a method descriptor:FutureWarning")
def test_a_partial_in_a_class_is_a_method_where_python_makes_it_one(recorder: Any) -> None:
    class Holder:
        bare = functools.partial(plain, 1)
        observed = otel_llm.observe(functools.partial(plain, 1))

    held = Holder()
    assert held.observed(2) == held.bare(2)
    assert len(recorder.spans) == 1


def test_a_cached_function_can_be_emptied(recorder: Any) -> None:
    class Thing:
        @otel_llm.observe
        @functools.lru_cache  # noqa: B019
        def twice(self, a: int) -> int:
            return 2 * a

    thing: Any = Thing()
    assert (thing.twice(2), thing.twice(2), Thing.twice(thing, 2)) == (4, 4, 4)
    assert Thing.twice.cache_info().hits == 2
    Thing.twice.cache_clear()
    assert Thing.twice.cache_info().hits == 0
    assert len(recorder.spans) == 3


async def test_an_object_that_says_it_is_a_coroutine_function(recorder: Any) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return trace.get_current_span().get_span_context().span_id

    assert await otel_llm.observe(AsyncMock(side_effect=answer))() == recorder.span.context.span_id


async def test_a_framework_awaits_it(recorder: Any) -> None:
    background = pytest.importorskip("starlette.background")
    await background.BackgroundTask(otel_llm.observe(AsyncCallable()), 3)()
    assert recorder.span.name == "AsyncCallable"
