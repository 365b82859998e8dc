"""The invoice of an endpoint: the costs of its calls and the idle rest are the price of the hour, to the cent."""

from __future__ import annotations

import random
import sys
from decimal import Decimal
from typing import Any

import pytest

import otel_llm
from standin.sagemaker import SageMakerServer
from standin.server import Reply, Request

_SECOND = 1_000_000_000
_ENDPOINTS = "hosts: [{endpoint: llama-*, instance: ml.g5.2xlarge, count: %d}]"
_INSTANCES = "instances: {ml.g5.2xlarge: 1.515}\n"


class Hour:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1_790_000_000 * _SECOND

    def passes(self, seconds: float) -> None:
        self.now += round(seconds * _SECOND)


@pytest.fixture
def hour(monkeypatch: pytest.MonkeyPatch) -> Hour:
    clock = Hour()
    for name in ("core.recording", "cost.prices", "cost.pricing"):
        module = sys.modules.get(f"otel_llm.{name}") or __import__(f"otel_llm.{name}", fromlist=["time_ns"])
        for function in ("time_ns", "perf_counter_ns"):
            monkeypatch.setattr(module, function, lambda: clock.now, raising=False)
    return clock


@pytest.fixture
def invoke(recorder: Any) -> Any:
    """Calls an endpoint, while something happens."""
    session = pytest.importorskip("boto3").session.Session("x", "y", region_name="us-east-1")
    with SageMakerServer() as server:
        client = session.client("sagemaker-runtime", endpoint_url=server.url)

        def call(meanwhile: Any) -> None:
            def answer(request: Request) -> Reply:
                meanwhile()
                return Reply(body={"generated_text": "Five."})

            server.reply_with(answer)
            asked = {"EndpointName": "llama-prod", "ContentType": "application/json", "Body": b'{"inputs": "Hi"}'}
            answered = client.invoke_endpoint(**asked)
            answered["Body"].read()

        yield call
        client.close()


def _sum(recorder: Any) -> tuple[Decimal, Decimal]:
    """What the calls cost, and the idle rest."""
    assert otel_llm.flush()
    paid = sum((Decimal(str(span.attributes["otel_llm.usage.cost.amount"])) for span in recorder.spans), Decimal(0))
    return paid, sum((Decimal(str(one.value)) for one in recorder.points("otel_llm.host.idle_cost")), Decimal(0))


def test_an_hour(costs: Any, table: Any, hour: Hour, invoke: Any, lenient: Any) -> None:
    """2 x ml.g5.2xlarge x 1.515 = 3.03, with 40 calls, some of them during others."""
    costs.on(table(_INSTANCES + _ENDPOINTS % 2))
    dice, begun = random.Random(3), hour.now

    def busy() -> None:
        hour.passes(dice.uniform(0.1, 9))
        if dice.random() < 0.4:
            invoke(busy)
        hour.passes(dice.uniform(0.1, 9))

    while len(lenient.spans) < 40 and hour.now - begun < 3_000 * _SECOND:
        hour.passes(dice.uniform(0, 60))
        invoke(busy)
        assert otel_llm.flush()
    assert len(lenient.spans) >= 40
    hour.now = begun + 3_600 * _SECOND

    paid, idle = _sum(lenient)
    assert paid > Decimal("0.1")
    assert idle > Decimal("0.1")
    assert (paid + idle).quantize(Decimal("0.01")) == Decimal("3.03")
    assert abs(paid + idle - Decimal("3.03")) < Decimal("1e-9")
    assert costs.unpriced == {}


def test_an_hour_with_more_instances_from_its_middle(
    costs: Any, table: Any, hour: Hour, invoke: Any, lenient: Any
) -> None:
    """Half an hour of 1, and half an hour of 3: 1.515 x (1 + 3) / 2 = 3.03"""
    costs.on(table(_INSTANCES + _ENDPOINTS % 1))
    invoke(lambda: hour.passes(100))
    assert otel_llm.flush()
    hour.passes(1_700)
    table(_INSTANCES + _ENDPOINTS % 3)
    assert lenient.points("otel_llm.host.idle_cost")  # a collection looks at the table
    assert otel_llm.flush()
    invoke(lambda: hour.passes(900))
    hour.passes(900)

    paid, idle = _sum(lenient)
    assert abs(paid - (Decimal("1.515") * 100 + Decimal("4.545") * 900) / 3600) < Decimal("1e-9")
    assert abs(paid + idle - Decimal("3.03")) < Decimal("1e-9")
