"""What the tests of the evaluation share."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from otel_llm.evaluation import Accounts, EvaluationSampler, json_schema


def _strict(schema: Any) -> Any:
    """For others fields may be added; what we make has none that the schema does not name."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: _strict(one) for name, one in schema.items()}
    return {"additionalProperties": False, **inner} if isinstance(schema.get("properties"), dict) else inner


SCHEMA = Draft202012Validator(_strict(json_schema()), format_checker=Draft202012Validator.FORMAT_CHECKER)
SAMPLED = "otel_llm.eval.sampled"
RATE = "otel_llm.eval.rate"


class Ids(IdGenerator):
    """Ids that are the same in every process."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1


class Evaluated:
    """A tracer provider with a sampler, its items and metrics in memory. Takes what EvaluationSampler takes; a span is
    waited for no longer than it takes to end it."""

    def __init__(
        self,
        *args: Any,
        head: Sampler | None = None,
        exported: bool = True,
        ids: IdGenerator | None = None,
        resource: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.items: list[dict[str, Any]] = []
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        kwargs = {"sink": self.items.append, "grace": 0.0, "meter_provider": self.meters, **kwargs}
        self.sampler = EvaluationSampler(*args, **kwargs)
        self.provider = TracerProvider(
            sampler=head, id_generator=ids or Ids(), resource=Resource.create(resource or {"service.name": "twin"})
        )
        self.provider.add_span_processor(self.sampler)
        if exported:
            self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("application")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def flushed(self) -> list[dict[str, Any]]:
        """The items, when all that ended has been dealt with."""
        assert self.sampler.force_flush(20_000)
        return self.items

    @property
    def item(self) -> dict[str, Any]:
        (item,) = self.flushed()
        return item

    @property
    def accounts(self) -> Accounts:
        return self.sampler.accounts()

    def chat(self, **attributes: Any) -> None:
        """A trace of one model call."""
        with self.tracer.start_as_current_span("request"):
            self.call(**attributes)

    def call(self, **attributes: Any) -> None:
        given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
        given |= {name.replace("__", "."): value for name, value in attributes.items()}
        self.tracer.start_span("chat m", attributes=given).end()

    def metrics(self) -> dict[tuple[str, str, str], float]:
        """Values by metric, outcome and reason."""
        data = self.reader.get_metrics_data()
        return {
            (
                metric.name.removeprefix("otel_llm.eval."),
                str((point.attributes or {}).get("otel_llm.eval.outcome", "")),
                str((point.attributes or {}).get("otel_llm.eval.reason", "")),
            ): point.value
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    def check(self) -> None:
        for item in self.items:
            SCHEMA.validate(json.loads(json.dumps(item)))


def balanced(made: Evaluated) -> None:
    """What must hold at any time, in the accounts and in the metrics."""
    accounts = made.accounts
    assert accounts.offered == accounts.sampled + accounts.not_sampled
    assert accounts.sampled == accounts.stored + accounts.dropped + accounts.pending
    assert accounts.pending >= 0
    assert made.sampler._books.traces.bytes >= 0


def empty(made: Evaluated) -> None:
    """Nothing is kept when nothing is under way."""
    assert len(made.sampler._books.traces) == 0
    assert made.sampler._books.traces.bytes == 0
    assert made.sampler._books.worker.waiting == 0


def message(role: str, content: str, **others: Any) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}], **others}])


def interval(share: float, of: int) -> tuple[float, float]:
    """Where the number of successes lies in 99.9 % of all cases."""
    spread = 3.2905 * math.sqrt(of * share * (1 - share))
    return of * share - spread, of * share + spread


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What ``condition`` says as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    return result


class StuckSink:
    """A sink that does not come back until ``open`` is set."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.entered = threading.Event()
        self.open = threading.Event()

    def write(self, item: dict[str, Any]) -> None:
        self.entered.set()
        self.open.wait(30)
        self.items.append(item)

    def close(self) -> None:
        """Nothing to close."""

    def after_fork(self) -> None:
        """Nothing is open."""
