"""The manual API takes any Python value as data: it never raises, and never changes what the application does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import otel_llm
from fuzz.odd import VALUES
from otel_llm import ContentCapture, Settings


@pytest.fixture(autouse=True)
def _captured(recorder: Any) -> Iterator[None]:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
    yield
    # Odd values are left out or written as text: which attributes there are is no matter here.
    recorder.span_exporter.clear()
    recorder.log_exporter.clear()


def arguments(function: Callable[..., Any], *, but: tuple[str, ...] = ()) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in but and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]


SPANS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (otel_llm.chat_span, ("m", "p")),
    (otel_llm.completion_span, ("m", "p")),
    (otel_llm.embeddings_span, ("m", "p")),
    (otel_llm.agent_span, ("a",)),
    (otel_llm.workflow_span, ("w",)),
    (otel_llm.tool_span, ("t",)),
    (otel_llm.retrieval_span, ("r",)),
    (otel_llm.step_span, ("s",)),
]


def names(spans: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> list[str]:
    return [function.__name__ for function, _ in spans]


@pytest.mark.parametrize(("span", "given_first"), SPANS, ids=names(SPANS))
@given(data=st.data())
def test_any_value_for_a_span(span: Callable[..., Any], given_first: tuple[Any, ...], data: Any) -> None:
    known = arguments(span)
    first = dict(zip(known, given_first, strict=False))
    chosen = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    made = span(**{**first, **{name: data.draw(VALUES) for name in chosen}})
    with made as operation:
        for told in ("update", "request", "response", "result", "documents", "output"):
            method = getattr(operation, told, None)
            if not callable(method):
                continue
            parameters = inspect.signature(method).parameters.values()
            positional = [
                one for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
            ]
            others = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
            picked = data.draw(st.lists(st.sampled_from(others), max_size=3, unique=True)) if others else []
            method(*(data.draw(VALUES) for _ in positional), **{name: data.draw(VALUES) for name in picked})


@given(data=st.data())
def test_any_value_for_the_context(data: Any) -> None:
    known = arguments(otel_llm.propagate_attributes)
    chosen = data.draw(st.lists(st.sampled_from(known), max_size=4, unique=True))
    told = {name: data.draw(VALUES) for name in chosen}
    with otel_llm.propagate_attributes(**told), otel_llm.step_span("s"):
        otel_llm.current_ids()


@given(data=st.data())
def test_any_value_for_the_current_span(data: Any) -> None:
    known = arguments(otel_llm.update_current_span)
    chosen = data.draw(st.lists(st.sampled_from(known), max_size=4, unique=True))
    told = {name: data.draw(VALUES) for name in chosen}
    with otel_llm.workflow_span("w"):
        otel_llm.update_current_span(**told)


@given(value=VALUES, result=VALUES)
def test_any_value_through_an_observed_function(value: Any, result: Any) -> None:
    @otel_llm.observe(operation="workflow", capture=True)
    def plain(first: Any, *, second: Any) -> Any:
        return result

    @otel_llm.observe(operation="tool", capture=True)
    async def waiting(first: Any) -> Any:
        return result

    @otel_llm.observe(capture=True)
    def generating(first: Any) -> Any:
        yield value
        yield result

    assert plain(value, second=value) is result
    assert asyncio.run(waiting(value)) is result
    first, second = generating(value)
    assert first is value
    assert second is result
