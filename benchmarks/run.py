"""Run every benchmark: ``python benchmarks/run.py [--quick] [--check]``. Figures are ratios; see ``harness.py``."""

from __future__ import annotations

import argparse
import sys

import evaluation
import langchain_calls
import manual_spans
import openai_calls
import redaction
import sagemaker_calls
import startup


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that all of it runs")
    parser.add_argument("--check", action="store_true", help="fail where a figure is over its limit")
    options = parser.parse_args()
    over = 0
    floors = "in floors"
    for title, module in (
        (floors, openai_calls),
        (floors, langchain_calls),
        (floors, sagemaker_calls),
        ("added by the evaluation sampler", evaluation),
        ("in `start_as_current_span` of the SDK", manual_spans),
        ("in searches for every pattern, one by one", redaction),
        ("of `opentelemetry-instrument python -c pass`", startup),
    ):
        print(f"\n{title:<44} median [quartiles]")
        for result in module.run(options.quick):
            print(result, flush=True)
            over += not result.within
    return 1 if options.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
