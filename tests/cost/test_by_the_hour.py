"""Hosts that are paid by the hour: what calls pay of it, and what nobody pays."""

from __future__ import annotations

import os
import random
import threading
from contextvars import copy_context
from decimal import Decimal
from time import time_ns
from typing import Any

import pytest

import otel_llm
from interpreter import python
from otel_llm.cost.clock import HostClock, _Use
from standin.server import Reply

_SECOND = 1_000_000_000
_TABLE = """
instances: {ml.g5.2xlarge: 1.515}
hosts:
  - {endpoint: llama-*, instance: ml.g5.2xlarge, count: 2}
  - {host: 127.0.0.1, per_hour: 3600}
"""


def test_an_hour_of_sagemaker_is_the_invoice() -> None:
    """2 x ml.g5.2xlarge x 1.515 = 3.03 an hour, whatever the calls do."""
    dice = random.Random(7)
    clock = HostClock(3.03, 0)
    calls = sorted(
        (begin, begin + dice.randrange(1, 90 * _SECOND))
        for begin in (dice.randrange(3_500 * _SECOND) for _ in range(400))
    )
    paid = Decimal(0)
    for begin, end in sorted(calls, key=lambda call: call[1]):
        others = [one for one, until in calls if one < end < until]
        paid += Decimal(str(clock.charge(begin, end, others)))
    idle = Decimal(str(clock.idle(3_600 * _SECOND, [])))

    assert idle > 0
    assert (paid + idle).quantize(Decimal("0.01")) == Decimal("3.03")
    assert abs(paid + idle - Decimal("3.03")) < Decimal("1e-9")


def test_calls_at_the_same_time_pay_equal_parts() -> None:
    clock = HostClock(3600, 0)  # one a second

    # From 0 to 10 and from 4 to 12 seconds.
    first = clock.charge(0, 10 * _SECOND, [4 * _SECOND])
    second = clock.charge(4 * _SECOND, 12 * _SECOND, [])

    assert (first, second) == pytest.approx((4 + 3, 3 + 2))
    assert clock.idle(15 * _SECOND, []) == pytest.approx(3)


def test_what_a_call_under_way_will_pay_is_not_idle_yet() -> None:
    clock = HostClock(3600, 0)

    assert clock.idle(10 * _SECOND, [2 * _SECOND]) == pytest.approx(2)
    assert clock.charge(2 * _SECOND, 11 * _SECOND, []) == pytest.approx(9)
    assert clock.idle(12 * _SECOND, []) == pytest.approx(3)


def test_a_call_that_is_heard_of_late_pays_nothing_twice() -> None:
    clock = HostClock(3600, 0)

    assert clock.idle(10 * _SECOND, []) == pytest.approx(10)
    assert clock.charge(2 * _SECOND, 11 * _SECOND, []) == pytest.approx(1)


def test_a_call_that_never_ends_keeps_no_more_and_more_of_the_past() -> None:
    clock = HostClock(3600, 0)
    for second in range(3_000):
        clock.charge(second * _SECOND, second * _SECOND + _SECOND // 2, [0])

    assert len(clock._uses) == 1


def test_what_calls_owe_that_are_gone_is_idle() -> None:
    """Calls that were discarded, or whose answer told what it cost."""
    clock = HostClock(3600, 0)

    assert clock.idle(10 * _SECOND, [2 * _SECOND, 4 * _SECOND]) == pytest.approx(2)
    assert clock.idle(20 * _SECOND, []) == pytest.approx(12)
    assert clock.idle(100 * _SECOND, []) == pytest.approx(100)
    assert clock._uses == {}


def test_calls_that_began_at_the_same_moment_pay_the_same() -> None:
    clock = HostClock(3600, 0)

    assert clock.charge(0, 10 * _SECOND, [0, 0]) == pytest.approx(10 / 3)
    assert clock.charge(0, 12 * _SECOND, [0]) == pytest.approx(10 / 3 + 1)
    assert clock.charge(0, 13 * _SECOND, []) == pytest.approx(10 / 3 + 1 + 1)
    assert clock.idle(14 * _SECOND, []) == pytest.approx(1)


def test_a_call_that_has_ended_pays_though_others_are_charged_first() -> None:
    clock = HostClock(3600, 0)
    clock.charge(1 * _SECOND, 4 * _SECOND, [0, 2 * _SECOND])  # 1 + 2 / 3 of 0, 2 / 3 of that at 2

    assert clock.charge(3 * _SECOND, 8 * _SECOND, [2 * _SECOND]) > 0  # that at 0 ends in between, and is late
    assert clock.charge(0, 5 * _SECOND, [2 * _SECOND]) == pytest.approx(1 + 1 / 2 + 1 / 3 + 1 / 3)
    assert len(clock._uses) == 1


def test_a_clock_with_many_calls_at_a_time_keeps_one_use_for_each() -> None:
    clock, dice = HostClock(3600, 0), random.Random(5)
    under_way = [dice.randrange(_SECOND) for _ in range(500)]
    for now in range(2 * _SECOND, 4 * _SECOND, 1_000_000):
        clock.charge(under_way.pop(dice.randrange(500)), now, under_way)
        under_way.append(now)

    assert len(clock._uses) == 499


def test_calls_one_after_the_other_and_calls_at_once_pay_alike() -> None:
    """A call beside which there is no other takes a shorter way through the clock."""
    dice = random.Random(3)
    alone, beside = HostClock(3600, 5), HostClock(3600, 5)
    beside._uses[-1] = _Use(0.0, 0.0, 1, 0)  # one that owes nothing keeps it on the long way
    for clock in (alone, beside):
        clock.stop(900)
    for _ in range(200):
        begin = dice.randrange(1_000)
        end = begin + dice.randrange(30)
        paid = alone.charge(begin, end, [])
        assert beside.charge(begin, end, []) == pytest.approx(paid)
    assert alone.idle(1_200, []) == pytest.approx(beside.idle(1_200, []))


def test_a_host_stops_costing_when_the_table_changes() -> None:
    clock = HostClock(3600, 0)
    clock.stop(10 * _SECOND)

    assert clock.charge(8 * _SECOND, 13 * _SECOND, []) == pytest.approx(2)
    assert clock.idle(20 * _SECOND, []) == pytest.approx(8)


def test_calls_and_the_idle_rest_add_up_to_the_time(costs: Any, table: Any, client: Any, lenient: Any) -> None:
    before = time_ns()
    costs.on(table(_TABLE))  # one a second
    started = time_ns()
    for _ in range(3):
        client.chat.completions.create(model="llama", messages=[{"role": "user", "content": "Hi"}])
    attributes = costs.last
    collecting = time_ns()
    (idle,) = [point for point in lenient.points("otel_llm.host.idle_cost") if "127" in str(point.attributes)]
    after = time_ns()

    assert attributes["otel_llm.usage.cost.source"] == "local"
    total = sum(span.attributes["otel_llm.usage.cost.amount"] for span in lenient.spans) + idle.value
    assert (collecting - started) / _SECOND <= total <= (after - before) / _SECOND
    assert idle.attributes == {"otel_llm.cost.host": "host: 127.0.0.1", "otel_llm.usage.cost.currency": "USD"}
    assert sum(point.value for point in lenient.points("otel_llm.client.cost")) == pytest.approx(total - idle.value)


def test_two_calls_at_a_time_share_the_host(costs: Any, table: Any, client: Any, server: Any, lenient: Any) -> None:
    costs.on(table(_TABLE))
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "llama", "choices": []}
    server.reply_with(Reply(body=answer))  # the first call of a kind waits for the table
    client.chat.completions.create(model="llama", messages=[{"role": "user", "content": "Hi"}])
    assert otel_llm.flush()
    gates = server.hold(), server.hold()
    server.reply_with(*(Reply(body=answer, delay=gate) for gate in gates))

    def ask() -> None:
        client.chat.completions.create(model="llama", messages=[{"role": "user", "content": "Hi"}])

    threads = [threading.Thread(target=ask) for _ in gates]
    for thread, gate in zip(threads, gates, strict=True):
        thread.start()
        assert gate.reached.wait(10)
    for gate, thread in zip(gates, threads, strict=True):
        gate.open()
        thread.join(10)

    assert otel_llm.flush()
    _, first, second = lenient.spans
    begun = max(span.start_time for span in (first, second))
    took = [(span.end_time - span.start_time) / _SECOND for span in (first, second)]
    together = (min(first.end_time, second.end_time) - begun) / _SECOND
    amounts = [span.attributes["otel_llm.usage.cost.amount"] for span in (first, second)]
    assert sum(amounts) == pytest.approx(sum(took) - together, rel=0.05)
    assert amounts[0] < took[0]


def test_a_host_costs_only_while_its_entry_holds(costs: Any, table: Any, lenient: Any) -> None:
    costs.on(
        table(
            """
            hosts:
              - {host: a, per_hour: 3600, until: 2026-01-01}
              - {host: a, per_hour: 7200, from: 2026-01-01, until: 2099-01-01}
              - {host: a, per_hour: 3600, from: 2099-01-01}
            """
        )
    )
    idle = {point.attributes["otel_llm.cost.host"]: point.value for point in lenient.points("otel_llm.host.idle_cost")}

    assert [value > 0 for value in idle.values()] == [False, True, False]


def test_only_calls_of_the_same_entry_share_a_host(costs: Any, table: Any, lenient: Any) -> None:
    """Though a later entry would fit a call, too."""
    costs.on(table("hosts: [{host: a, per_hour: 3600}, {host: '*', per_hour: 3600}]"))
    with otel_llm.chat_span("m", "acme", server_address="b"):
        pass
    assert otel_llm.flush()

    elsewhere, other = copy_context(), otel_llm.chat_span("m", "acme", server_address="a")
    elsewhere.run(other.__enter__)
    with otel_llm.chat_span("m", "acme", server_address="b"):
        pass
    elsewhere.run(other.__exit__, None, None, None)

    assert otel_llm.flush()
    _, alone, _ = sorted(lenient.spans, key=lambda span: span.end_time)
    assert alone.attributes["server.address"] == "b"
    took = (alone.end_time - alone.start_time) / _SECOND
    assert alone.attributes["otel_llm.usage.cost.amount"] == pytest.approx(took, rel=0.01)


_FORKED = """
import os, time
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
import otel_llm

reader = InMemoryMetricReader()
otel_llm.instrument(settings=otel_llm.Settings(prices=PATH), meter_provider=MeterProvider([reader]))
before, clock = time.monotonic(), None
for clock in otel_llm.cost.IN_FORCE._pricing._prices.clocks.values():
    clock._lock.acquire()  # as if another thread were in the middle of it
time.sleep(0.3)
forked = time.monotonic()
child = os.fork()
if not child:
    with otel_llm.chat_span("m", "acme", server_address="h"):
        pass
    assert otel_llm.flush(5)
    points = [p for r in reader.get_metrics_data().resource_metrics for s in r.scope_metrics for m in s.metrics
              for p in m.data.data_points if m.name in ("otel_llm.host.idle_cost", "otel_llm.client.cost")]
    print(len(points), sum(point.value for point in points) < time.monotonic() - forked + 0.1, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_pays_from_its_own_start(table: Any) -> None:
    path = table("hosts: [{host: h, per_hour: 3600}]")

    assert python("-c", f"PATH = {path!r}\n{_FORKED}").stdout == "2 True\n"
