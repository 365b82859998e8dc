"""What a fleet of Collectors loses, doubles and counts when its parts fail.

    python benchmarks/collector_faults.py [--only NAME ...] [--seconds 60]

The fleet is two agents, Kafka, two gateways and one backend. Applications send 500 spans a second to both agents, and
send again what is refused. Each scenario breaks something for a while; then everything has time to arrive. The table
compares what was acknowledged with what the backend has, and with the Collectors' own counters. The command fails if an
acknowledged span is missing that no counter tells of, or if the metrics made of spans count other than what was
acknowledged.

It needs the programs of `make backends`, and twenty minutes.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fleet import SPANS_A_TRACE, Collector, Fleet, Load, SmallDisk

COLUMNS = (
    *("scenario", "acknowledged", "refused requests", "arrived", "missing", "counted as lost", "came twice"),
    "in span metrics",
)


# --- scenarios: each breaks something while the load runs --------------------------------------------


def quiet(fleet: Fleet, load: Load, seconds: float) -> None:
    time.sleep(seconds)


def rolling_restart(fleet: Fleet, load: Load, seconds: float) -> None:
    for collector in (*fleet.agents, *fleet.gateways):
        time.sleep(seconds / 6)
        fleet.restart(collector)
    time.sleep(seconds / 6)


def kafka_away(fleet: Fleet, load: Load, seconds: float) -> None:
    time.sleep(10)
    fleet.kafka.kill()
    time.sleep(seconds)
    fleet.kafka.start()
    time.sleep(10)


def slow_gateway(fleet: Fleet, load: Load, seconds: float) -> None:
    """It has a tenth of the time."""
    process = fleet.gateways[1].process
    assert process is not None
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.9)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)


def short_retention(fleet: Fleet, load: Load, seconds: float) -> None:
    """Both gateways are away, and Kafka deletes what they have not read. They know it because they committed before."""
    time.sleep(50)
    for gateway in fleet.gateways:
        before = fleet.losses()
        gateway.stop()
        fleet.ended = before
    time.sleep(10)
    fleet.kafka.stop()
    fleet.kafka.settings |= {
        "log.retention.ms": 1000,
        "log.retention.check.interval.ms": 500,
        "log.initial.task.delay.ms": 500,
        "log.segment.delete.delay.ms": 100,
    }
    fleet.kafka.start()
    time.sleep(15)
    fleet.kafka.stop()
    fleet.kafka.settings["log.retention.ms"] = 3_600_000
    fleet.kafka.start()
    for gateway in fleet.gateways:
        gateway.start()
    time.sleep(seconds / 2)


def agents_disks_full(fleet: Fleet, load: Load, seconds: float) -> None:
    kafka_away(fleet, load, seconds)


def gateways_disks_full(fleet: Fleet, load: Load, seconds: float) -> None:
    fleet.backend.stop()
    time.sleep(seconds)
    fleet.backend.start()
    time.sleep(10)


def burst(fleet: Fleet, load: Load, seconds: float) -> None:
    time.sleep(10)
    load.rate *= 10
    time.sleep(seconds / 2)
    load.rate /= 10
    time.sleep(10)


@dataclass(frozen=True)
class Scenario:
    does: Callable[[Fleet, Load, float], None]
    agent: type[Collector] = Collector
    gateway: type[Collector] = Collector


SCENARIOS = {
    "nothing": Scenario(quiet),
    "rolling restart": Scenario(rolling_restart),
    "Kafka away": Scenario(kafka_away),
    "slow gateway": Scenario(slow_gateway),
    "short retention": Scenario(short_retention),
    "agents' disks full": Scenario(agents_disks_full, agent=SmallDisk),
    "gateways' disks full": Scenario(gateways_disks_full, gateway=SmallDisk),
    "burst": Scenario(burst),
}


def tried(name: str, scenario: Scenario, directory: Path, seconds: float) -> bool:
    with ExitStack() as stack:
        fleet = Fleet(directory, stack, scenario.agent, scenario.gateway)
        load = Load(fleet.agents)
        with load.running():
            scenario.does(fleet, load, seconds)
        sent = fleet.warmed | load.acknowledged
        total = sum(sent.values())
        deadline = time.monotonic() + 180
        missing, before = total, -1
        while missing and time.monotonic() < deadline:
            arrived = fleet.arrived()
            missing = sum(count - min(count, arrived[trace]) for trace, count in sent.items())
            if missing == before and missing <= explained(fleet.losses()):
                break
            before = missing
            time.sleep(5)
        losses = +fleet.losses()
        restarted = scenario.does is rolling_restart
        counted_right = restarted or fleet.calls() == total
        panics = sum(
            "panic" in collector.log.read_text(errors="replace") for collector in (*fleet.agents, *fleet.gateways)
        )
        told = ", ".join(f"{reason} {count:,}" for reason, count in losses.items()) or "-"
        calls = "restarted" if restarted else f"{fleet.calls():,}"
        numbers = [total, load.refused, total - missing, missing]
        row(name, *(f"{number:,}" for number in numbers), told, f"{fleet.twice:,}", calls)
        fine = missing <= explained(losses) and counted_right and not panics
        if not fine:
            keep = Path(tempfile.mkdtemp(prefix="collector-faults-"))
            for log in directory.glob("*/log"):
                shutil.copy(log, keep / f"{log.parent.name}.log")
            print(f"  NOT AS IT SHOULD BE; panics: {panics}; the logs are in {keep}", flush=True)
        return fine


def row(*columns: str) -> None:
    print(f"| {' | '.join(columns)} |", flush=True)


def explained(losses: Counter[str]) -> int:
    """How many spans the counters tell of at most: a record of Kafka's is a trace, or a part of one."""
    return sum(count * (SPANS_A_TRACE if reason == "deleted by Kafka" else 1) for reason, count in losses.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(SCENARIOS), choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=60, help="for which something is broken")
    options = parser.parse_args()
    row(*COLUMNS)
    row(*["---"] * len(COLUMNS))
    fine = True
    for name in options.only:
        with tempfile.TemporaryDirectory() as directory:
            fine &= tried(name, SCENARIOS[name], Path(directory), options.seconds)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
