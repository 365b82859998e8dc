"""Somebody's span processor that raises is no concern of the application's functions."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_llm


class Processor:
    """Raises where it is told of a span's ``moment``."""

    def __init__(self, moment: str) -> None:
        self._moment = moment
        self.told = 0

    def _tell(self, moment: str) -> None:
        if moment == self._moment:
            self.told += 1
            raise RuntimeError(moment)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._tell("start")

    def _on_ending(self, span: Any) -> None: ...

    def on_end(self, span: Any) -> None:
        self._tell("end")

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@pytest.mark.parametrize("moment", ["start", "end"])
@pytest.mark.parametrize("operation", ["step", "workflow", "tool", "agent"])
def test_the_function_does_not_notice(recorder: Any, quiet: Any, operation: str, moment: str) -> None:
    provider, processor = TracerProvider(), Processor(moment)
    provider.add_span_processor(processor)  # type: ignore[arg-type]
    otel_llm.uninstrument()
    otel_llm.instrument(tracer_provider=provider)

    @otel_llm.observe(operation=operation)
    def divide(number: int, by: int) -> int:
        return number // by

    @otel_llm.observe(operation=operation)
    def count(up_to: int) -> Any:
        yield from range(up_to)

    assert divide(6, by=3) == 2
    with pytest.raises(ZeroDivisionError):
        divide(6, by=0)
    assert list(count(3)) == [0, 1, 2]
    assert processor.told == 3
    assert "otel-llm failed in" in quiet.text
    quiet.clear()
