"""Prompts, experiments, the prompt log and bound contexts take any Python value, or refuse it as documented."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import otel_llm
from fuzz.odd import VALUES
from fuzz.values import JSON, TEXTS
from otel_llm import ContentCapture, Experiment, Prompt, Settings

#: What the constructors are documented to raise for data that can't be used.
REFUSED = (TypeError, ValueError)
TEMPLATES = st.one_of(
    st.sampled_from(["{x}", "{x!r:>9}", "{x[0]}", "{x.a}", "{x:.2f}", "{{}}", "{", "{}", "{x}{y}"]), TEXTS, VALUES
)


@pytest.fixture(autouse=True)
def _captured(recorder: Any) -> Iterator[None]:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
    yield
    recorder.span_exporter.clear()
    recorder.log_exporter.clear()


@given(data=st.data())
def test_any_value_for_a_prompt(data: Any) -> None:
    with contextlib.suppress(*REFUSED), otel_llm.step_span("s"):
        made = Prompt(
            data.draw(st.one_of(st.just("n"), VALUES)),
            data.draw(st.one_of(st.just("1"), VALUES)),
            data.draw(TEMPLATES),
            data.draw(st.one_of(st.none(), VALUES)),
            notation=data.draw(st.one_of(st.just("format"), VALUES)),
        )
        made.format(**{name: data.draw(VALUES) for name in made.variables})
        made.format(**data.draw(st.dictionaries(TEXTS, VALUES, max_size=2)))


@given(value=VALUES)
def test_any_variable_of_a_prompt(value: Any) -> None:
    """What it becomes is what ``str.format`` makes of it; an error of the value's own passes."""
    try:
        expected = f"Say {value}"
    except RuntimeError:
        with pytest.raises(RuntimeError):
            Prompt("n", "1", "Say {x}").format(x=value)
        return
    with otel_llm.chat_span("m", "p") as call, contextlib.suppress(*REFUSED):
        words = Prompt("n", "1", "Say {x}").format(x=value)
        assert words == expected
        call.request(messages=words)


@given(messages=st.lists(st.one_of(st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}), VALUES), max_size=2))
def test_any_messages_of_a_prompt(messages: list[Any]) -> None:
    with contextlib.suppress(*REFUSED):
        made = Prompt("n", "1", messages)
        made.format(**dict.fromkeys(made.variables, "x"))


@given(data=st.data())
def test_any_value_for_an_experiment(data: Any) -> None:
    names = st.one_of(
        st.lists(st.one_of(TEXTS, VALUES), max_size=3), st.dictionaries(TEXTS, VALUES, max_size=3), VALUES
    )
    weights = st.one_of(
        st.none(), st.lists(st.floats(), max_size=3), st.dictionaries(TEXTS, VALUES, max_size=3), VALUES
    )
    with contextlib.suppress(*REFUSED):
        made = Experiment(data.draw(st.one_of(st.just("e"), VALUES)), data.draw(names), data.draw(weights))
        key = data.draw(st.one_of(TEXTS, VALUES))
        with otel_llm.step_span("s"):
            assert made.assign(key) is made.assign(key)
        with otel_llm.propagate_attributes(experiment=made.assignment(key)), otel_llm.chat_span("m", "p"):
            pass


@given(value=VALUES)
def test_any_variant_of_an_experiment(value: Any) -> None:
    assert Experiment("e", {"only": value}).assign("key") is value


@given(target=VALUES, most=st.one_of(st.just(10), VALUES))
def test_any_target_of_the_prompt_log(target: Any, most: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("log")
    with (
        contextlib.suppress(*REFUSED, OSError),
        contextlib.chdir(folder),
        otel_llm.log_prompts(target, most),
        otel_llm.chat_span("m", "p", messages="hi") as call,
    ):
        call.response("hello")


@given(value=VALUES, said=st.one_of(JSON, VALUES))
def test_any_value_in_the_prompt_log(value: Any, said: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "prompts.jsonl"
    with (
        otel_llm.log_prompts(path) as log,
        otel_llm.propagate_attributes(metadata={"any": value}, tags=[value]),
        otel_llm.chat_span("m", "p", messages=said) as call,
    ):
        call.response(said, finish_reason=value)
    assert log.dropped == 0
    assert len(Path(path).read_text(encoding="utf-8").splitlines()) == 1


@given(value=VALUES)
def test_any_value_through_a_bound_function(value: Any) -> None:
    async def waiting(given: Any) -> Any:
        return given

    def failing() -> Any:
        raise LookupError

    assert otel_llm.bind_context(lambda given: given)(value) is value
    assert asyncio.run(otel_llm.bind_context(waiting)(value)) is value
    with pytest.raises(LookupError):
        otel_llm.bind_context(failing)()


@given(value=VALUES)
def test_any_value_in_place_of_a_function(value: Any) -> None:
    with contextlib.suppress(TypeError):
        otel_llm.bind_context(value)
    with contextlib.suppress(TypeError):
        otel_llm.propagate_attributes(session_id="s")(value)
