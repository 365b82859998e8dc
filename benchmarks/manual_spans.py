"""What a span by ``observe`` costs, in the SDK's own ``start_as_current_span`` with the same attributes."""

from __future__ import annotations

from typing import Any

import harness
import otel_llm
from harness import Result, Work, compare
from otel_llm import Settings

_ATTRIBUTES = {"otel_llm.operation.name": "step"}


def _nothing() -> None: ...


_observed = otel_llm.observe(_nothing)


def _items() -> Any:
    yield from range(200)


_observed_items = otel_llm.observe(_items)


def _block() -> None:
    with otel_llm.step_span("nothing"):
        pass


def run(quick: bool = False) -> list[Result]:
    """Every measurement; ``quick`` takes few rounds, to see that they run."""
    tracers, meters = harness.tracer_provider(), harness.meter_provider()
    tracer = tracers.get_tracer("floor")
    calls = 100 if quick else 4000

    def floor() -> None:
        with tracer.start_as_current_span("nothing", attributes=_ATTRIBUTES):
            _nothing()

    results = []

    def measure(
        name: str, limit: float | None, work: Work, bare: Work = _nothing, units: int = 1, **given: Any
    ) -> None:
        if given:
            otel_llm.instrument(settings=Settings(), meter_provider=meters, **given)
        results.append(compare(name, bare, work, floor, limit, calls // units if units > 1 else calls, units))
        otel_llm.uninstrument()

    measure("observe, no SDK configured", 0.3, _observed)
    measure("observe", 1.3, _observed, tracer_provider=tracers)
    measure("observe, unsampled", 0.3, _observed, tracer_provider=harness.tracer_provider(sampled=False))
    measure("with step(...)", None, _block, tracer_provider=tracers)
    measure(
        "observe, an item of a generator",
        None,
        lambda: list(_observed_items()),
        lambda: list(_items()),
        200,
        tracer_provider=tracers,
    )

    def inside() -> None:
        with otel_llm.propagate_attributes(session_id="s-1", user_id="u-1", tags=["rag"]):
            _observed()

    measure("observe inside of a context of its own", None, inside, tracer_provider=tracers)
    return results
