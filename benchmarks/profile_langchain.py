"""Where the time of traced runs goes, by function: ``python benchmarks/profile_langchain.py [chain|agent] [--all]``.

Without ``--all`` only functions of otel-llm are listed. Times are the processor's, in microseconds a run, without what
the function calls; the profiler adds to each call, so compare counts first.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

import harness
import langchain_calls
import otel_llm
from otel_llm import Settings
from otel_llm.background import deferred

_RUNS = {"chain": "prompt | model | parser", "agent": "agent, three inferences, two tools"}
_CALLS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", choices=_RUNS, default="chain")
    parser.add_argument("--all", action="store_true", help="also functions of LangChain, the SDKs and Python")
    parser.add_argument("--most", type=int, default=40, help="the number of functions listed")
    options = parser.parse_args()
    for library in ("langchain", "openai"):
        otel_llm.instrument(
            library,
            settings=Settings(),
            tracer_provider=harness.tracer_provider(),
            meter_provider=harness.meter_provider(),
        )
    work = langchain_calls._work()[_RUNS[options.run]]
    for _ in range(_CALLS):
        work()
    deferred.catch_up()
    profiler = cProfile.Profile(time.thread_time_ns, 1e-9)
    profiler.enable()
    for _ in range(_CALLS):
        work()
    profiler.disable()
    rows = []
    for (file, line, name), (_, calls, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        place = file.rpartition("/site-packages/")[2].rpartition("/src/")[2]
        if options.all or place.startswith("otel_llm"):
            rows.append((own / _CALLS * 1e6, calls / _CALLS, f"{place}:{line} {name}"))
    rows.sort(reverse=True)
    print(f"{options.run}: {sum(row[0] for row in rows):.0f} us and {sum(row[1] for row in rows):.0f} calls a run")
    for own, calls, place in rows[: options.most]:
        print(f"{own:9.1f} us {calls:7.1f} calls  {place}")


if __name__ == "__main__":
    main()
