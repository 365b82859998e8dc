"""The guard swallows our own errors, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from exits import Interrupt

from otel_llm import guard


def _fail(error: BaseException) -> str:
    raise error


def test_what_a_function_returns_is_returned() -> None:
    @guard.never_raise
    def add(one: int, *, other: int) -> int:
        """Add."""
        return one + other

    assert add(1, other=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError("x"), StopIteration("x")])
def test_an_error_of_ours_is_swallowed(quiet: Any, error: Exception) -> None:
    assert guard.never_raise(_fail)(error) is None
    (record,) = quiet.records
    assert (record.name, record.levelno) == ("otel_llm", logging.WARNING)
    quiet.clear()


@pytest.mark.parametrize(
    "error", [Interrupt(), KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()]
)
def test_what_is_no_error_of_ours_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        guard.never_raise(_fail)(error)
    assert caught.value is error


def test_an_error_is_a_warning_once_a_place_and_kind(quiet: Any) -> None:
    quiet.set_level(logging.DEBUG, logger="otel_llm")
    for where, error in [("a", ValueError()), ("a", ValueError()), ("a", TypeError()), ("b", ValueError())]:
        guard.report(where, error)
    assert [record.levelname for record in quiet.records] == ["WARNING", "DEBUG", "WARNING", "WARNING"]
    assert [record.getMessage().split(";")[0] for record in quiet.records[:3:2]] == [
        "otel-llm failed in a (ValueError)",
        "otel-llm failed in a (TypeError)",
    ]
    quiet.clear()


def test_the_log_has_the_frames_and_not_the_text(quiet: Any) -> None:
    guard.never_raise(_fail)(ValueError("words of a prompt"))
    told = quiet.records[0].getMessage()
    assert told.startswith("otel-llm failed in _fail (ValueError); the application's call is not affected\n")
    lines = told.splitlines()[1:]
    assert [line.rpartition(", in ")[2] for line in lines] == ["never_raise.<locals>.guarded", "_fail"]
    assert all(line.startswith('  File "') and ", line " in line for line in lines)
    assert "words of a prompt" not in told
    quiet.clear()


def test_only_the_innermost_frames_are_logged() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        dive(80)
    told = guard.frames(caught.value.__traceback__).splitlines()
    assert len(told) == 50
    assert not any("test_only_the_innermost" in line and "dive" not in line for line in told)


def test_no_traceback_is_no_frame() -> None:
    assert guard.frames(None) == ""


def test_a_log_handler_that_raises_is_not_the_callers_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError

    handler = Raising()
    logger = logging.getLogger("otel_llm")
    monkeypatch.setattr(guard, "REPORTED", guard.Once())
    logger.addHandler(handler)
    try:
        assert guard.never_raise(_fail)(ValueError()) is None
    finally:
        logger.removeHandler(handler)


def test_what_is_remembered_is_bounded() -> None:
    once = guard.Once(limit=3)
    assert [once.first(number) for number in (1, 1, 2, 3, 4, 4, 1)] == [True, False, True, True, False, False, False]
    assert len(once) == 3


def test_a_thousand_kinds_are_told_once_and_no_more() -> None:
    once = guard.Once()
    assert all(once.first(number) for number in range(1000))
    assert not once.first(1000)
