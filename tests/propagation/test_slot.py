"""The slot through which the SDK calls this package's span processors."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from otel_llm.propagation.slot import CONTEXT, EVALUATION, SCRUBBING, IdleProcessor, ProcessorSlot


class Noting(IdleProcessor):
    def __init__(self, name: str, told: list[str]) -> None:
        self._name, self._told = name, told

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._told.append(f"{self._name} starts {span.name}")

    def on_end(self, span: Any) -> None:
        self._told.append(f"{self._name} ends {span.name}")


def test_processors_come_and_go_while_spans_do() -> None:
    told: list[str] = []
    slot = ProcessorSlot()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(slot)  # type: ignore[arg-type]
    tracer = provider.get_tracer("test")

    def names_after() -> list[str]:
        told.clear()
        tracer.start_span("s").end()
        return told

    assert names_after() == []
    slot.put(EVALUATION, 1, lambda: Noting("evaluation", told))
    assert names_after() == ["evaluation starts s", "evaluation ends s"]
    slot.put(CONTEXT, 1, lambda: Noting("context", told))
    slot.put(SCRUBBING, 1, IdleProcessor)
    assert names_after() == ["context starts s", "evaluation starts s", "context ends s", "evaluation ends s"]
    slot.take_out(EVALUATION)
    assert names_after() == ["context starts s", "context ends s"]
    slot.take_out(CONTEXT)
    assert names_after() == []
