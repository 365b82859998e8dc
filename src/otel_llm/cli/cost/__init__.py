"""`otel-llm cost`: what model calls cost, by model, prompt, user and more."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from otel_llm.cli.cost.dimensions import DIMENSIONS, is_dimension
from otel_llm.cli.headers import add_header
from otel_llm.cli.json_output import as_json, utf8_to_stdout
from otel_llm.cli.moments import moment
from otel_llm.cli.terminal import fail, open_console, positive, tell
from otel_llm.config import PRICES

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from otel_llm.cli.cost.calls import Call
    from otel_llm.cli.cost.inputs import Input
    from otel_llm.cli.cost.totals import Summary

_PROBLEMS_SHOWN = 10
_GROUPS, _TRACES = 30, 5
_TIMEOUT = 30.0
_EPILOG = f"""\
DIMENSION is one of {", ".join(DIMENSIONS)},
or metadata.NAME for metadata that the application sets. Several, such as --by user,model, group by their combinations.
Times and days are in UTC. Amounts of different currencies are not added up.
Exit code: 0 success; 1 no model calls, or a part of the input is unreadable; 2 the input can't be used.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "cost",
        help="show what model calls cost, by model, prompt, user and more",
        description="Adds up what model calls cost, from OTLP JSON files, a dataset of items, Jaeger or Tempo.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given = parser.add_argument_group("input, of one kind")
    given.add_argument("files", nargs="*", metavar="FILE", help="an OTLP JSON file, or - for standard input")
    given.add_argument("--dataset", type=Path, metavar="PATH", help="the items that were sampled for evaluation")
    given.add_argument("--jaeger", metavar="URL", help="Jaeger's query port, such as http://127.0.0.1:16686")
    given.add_argument("--tempo", metavar="URL", help="Tempo's HTTP port, such as http://127.0.0.1:3200")
    server = parser.add_argument_group("Jaeger and Tempo")
    server.add_argument(
        "--service", action="append", default=[], metavar="NAME", help="only traces of this service; may be repeated"
    )
    add_header(server)
    server.add_argument(
        "--timeout", type=_seconds, metavar="S", default=_TIMEOUT, help=f"seconds for one answer ({_TIMEOUT:g})"
    )
    chosen = parser.add_argument_group("selection")
    chosen.add_argument(
        "--since", type=moment, metavar="WHEN", help="only calls since then: a time, or 30m, 2h, 7d ago"
        " (Jaeger and Tempo: 1d)"
    )  # fmt: skip
    chosen.add_argument("--until", type=moment, metavar="WHEN", help="only calls before then")
    chosen.add_argument(
        "--where",
        type=_condition,
        action="append",
        default=[],
        metavar="DIMENSION=VALUE",
        help="only calls with this value, such as user=u-1; may be repeated",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--prices",
        metavar="FILE",
        default=os.environ.get(PRICES) or None,
        help=f"the table of prices that tells what caching saved, beside the list prices ({PRICES})",
    )
    output.add_argument(
        "--by", type=_dimensions, metavar="DIMENSION", default=("model",), help="what to group by (model)"
    )
    output.add_argument("--limit", type=positive, metavar="N", default=_GROUPS, help=f"show N groups ({_GROUPS})")
    output.add_argument("--traces", type=_count, metavar="N", default=_TRACES, help=f"the N dearest traces ({_TRACES})")
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with all groups")
    form.add_argument("--csv", action="store_true", help="print CSV, with all groups")
    output.add_argument("--no-color", action="store_true", help="print without colours")
    parser.set_defaults(run=run)


# --- types of options ------------------------------------------------------------------------------


def _dimensions(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_dimension(name.strip()) for name in text.split(",")))


def _dimension(name: str) -> str:
    if not is_dimension(name):
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(DIMENSIONS)}, metadata.NAME")
    return name


def _condition(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not like user=u-1")
    return _dimension(name.strip()), value


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


# --- the command -----------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    from otel_llm.cli.cost.inputs import Input, InputError
    from otel_llm.cli.cost.totals import summarize

    as_table = not (arguments.json or arguments.csv)
    if as_table and importlib.util.find_spec("rich") is None:
        return fail('the table of `cost` needs the rich package: pip install "otel-llm[cli]" (--json and --csv do not)')
    given = Input(arguments)
    try:
        summary = summarize(given.calls(), arguments.by, _selection(arguments))
    except InputError as error:
        return fail(str(error))
    _report(given)
    if not summary.total.calls:
        chosen = arguments.since or arguments.until or arguments.where
        tell("no model calls" + (" match" if chosen else " in the input"))
        return 1
    if unknown := summary.total.saving_unknown:
        tell(f"what caching saved is not known for {unknown:,} call(s): no prices here give the amounts of their spans")
    if summary.repeated:
        tell(f"{summary.repeated:,} call(s) have several tags and are in several groups; the total counts them once")
    _print(summary, arguments)
    return 1 if given.problems else 0


def _print(summary: Summary, arguments: argparse.Namespace) -> None:
    from otel_llm.cli.cost import export

    if arguments.json:
        utf8_to_stdout()
        print(as_json(export.to_json(summary, arguments.traces), indent=2))
    elif arguments.csv:
        utf8_to_stdout()
        export.write_csv(summary, sys.stdout)
    else:
        from otel_llm.cli.cost.report import print_summary

        console = open_console(no_color=arguments.no_color)
        print_summary(summary, console, limit=arguments.limit, traces=arguments.traces)


def _selection(arguments: argparse.Namespace) -> Callable[[Call], bool]:
    since, until = _nanoseconds(arguments.since), _nanoseconds(arguments.until)

    def takes(call: Call) -> bool:
        if since is not None and (call.started is None or call.started < since):
            return False
        if until is not None and (call.started is None or call.started >= until):
            return False
        return all(value in call.values(dimension) for dimension, value in arguments.where)

    return takes


def _nanoseconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1_000_000) * 1000


def _report(given: Input) -> None:
    problems = given.problems
    for message in given.notes + problems[:_PROBLEMS_SHOWN]:
        tell(message)
    if (more := len(problems) - _PROBLEMS_SHOWN) > 0:
        tell(f"{more} more problem(s)")
