"""A sink, or code of ours, that fails: nothing reaches the application, and every item is counted."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest
from evaluating import Evaluated, balanced, empty

from otel_llm.evaluation import EvaluationSampler
from otel_llm.evaluation.dataset import delivery

Make = Callable[..., Evaluated]


def test_a_sink_that_fails_for_a_while_loses_nothing(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.0, 0.0))
    tried: list[str] = []
    stored: list[str] = []

    def sink(item: dict[str, Any]) -> None:
        tried.append(item["id"])
        if len(tried) % 3:
            raise ConnectionError(f"secret words of the item, {len(tried)}")
        stored.append(item["id"])

    made = evaluated(1.0, sink=sink)
    for _ in range(5):
        made.chat()
    made.flushed()
    assert made.accounts.stored == len(stored) == len(set(stored)) == 5
    assert len(tried) == 15
    said = [record.getMessage() for record in quiet.records]
    assert len(said) == 1
    assert "can't be stored" in said[0]
    assert "ConnectionError" in said[0]
    assert "secret" not in said[0]
    quiet.clear()


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
def test_a_sink_that_wants_to_end_the_thread(
    error: type[BaseException], evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", ())
    stored: list[str] = []

    def sink(item: dict[str, Any]) -> None:
        if "wrong" in item["calls"][0]["model"]:
            raise error
        stored.append(item["id"])

    made = evaluated(1.0, sink=sink)
    for model in ("wrong", "m"):
        made.chat(gen_ai__request__model=model)
        made.flushed()
    assert made.accounts.stored == len(stored) == 1
    assert made.accounts.dropped_by == {"sink_error": 1}
    empty(made)
    made.provider.shutdown()
    assert error.__name__ in quiet.text
    quiet.clear()


async def _async_sink(item: dict[str, Any]) -> None:
    """Nobody would await it."""


class _AsyncSink:
    __call__ = staticmethod(_async_sink)


@pytest.mark.parametrize("sink", [_async_sink, functools.partial(_async_sink), _AsyncSink()])
def test_a_sink_that_nobody_would_await(sink: Any) -> None:
    with pytest.raises(TypeError, match="must not be async"):
        EvaluationSampler(1.0, sink=sink)


def test_a_sink_that_fails_is_counted_and_said_once_without_the_words(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.0, 0.0))

    def sink(item: dict[str, Any]) -> None:
        raise ValueError(f"can't take {item}")

    made = evaluated(1.0, sink=sink)
    for _ in range(5):
        made.chat(gen_ai__input__messages="the words of the prompt")
    made.flushed()
    assert made.accounts.dropped_by == {"sink_error": 5}
    balanced(made)
    made.provider.shutdown()
    said = [record.getMessage() for record in quiet.records if record.levelno >= logging.WARNING]
    assert len(said) == 2
    assert "ValueError" in said[0]
    assert "5 (sink_error)" in said[1]
    assert "of the prompt" not in quiet.text
    quiet.clear()


def test_errors_of_ours_do_not_reach_the_application(
    evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evaluated(1.0)
    monkeypatch.setattr(made.sampler, "_begin", lambda *args: 1 / 0)
    monkeypatch.setattr(made.sampler, "_end_unkept", lambda *args: 1 / 0)
    made.chat()
    assert {record.getMessage().partition(";")[0] for record in quiet.records} == {
        "otel-llm failed in EvaluationSampler.on_start (ZeroDivisionError)",
        "otel-llm failed in EvaluationSampler.on_end (ZeroDivisionError)",
    }
    monkeypatch.undo()
    quiet.clear()


@pytest.mark.parametrize("place", ["model_calls", "seen", "build"])
def test_an_item_that_can_not_be_made_is_counted(
    place: str, evaluated: Make, quiet: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otel_llm.evaluation.dataset import item
    from otel_llm.evaluation.sampling import decision

    monkeypatch.setattr(decision if place == "seen" else item, place, lambda *args, **named: 1 / 0)
    made = evaluated(1.0, rules=[{"name": "failed", "error": True}])
    made.chat()
    made.flushed()
    assert made.accounts.dropped_by == {"build_error": 1}
    (said,) = [record.getMessage() for record in quiet.records]
    assert said.startswith("otel-llm failed in EvaluationSampler (ZeroDivisionError);")
    balanced(made)
    empty(made)
    made.provider.shutdown()
    quiet.clear()
