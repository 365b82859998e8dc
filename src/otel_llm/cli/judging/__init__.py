"""`otel-llm eval run` and `otel-llm eval calibrate`: judges the items of a dataset, and measures judges."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from otel_llm.cli.headers import add_header
from otel_llm.cli.moments import comparable, seconds
from otel_llm.cli.terminal import fail, positive
from otel_llm.config import DEFAULT_DATASET, EVAL_DATASET
from otel_llm.evaluation.judges.naming import DEFAULT, KINDS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from otel_llm.evaluation.judges.tally import Bound
    from otel_llm.evaluation.worker.budget import Limit

_NEEDS_RICH = 'needs the rich package: pip install "otel-llm[cli]"'
_RUN = """\
Judges items that have no verdict yet. Verdicts are stored beside the items (in the SQLite dataset, of other files in
FILE.verdicts.db, of servers in the default dataset), and sent to the backend that the environment names
(OTEL_EXPORTER_OTLP_ENDPOINT, ...).
Judges: {judges}, or module:attribute.
"""
_RUN_CODES = """\
Exit code: 0 success; 1 a bound of --fail-on is reached, or has nothing to be compared with; 2 the dataset, an evaluator
or the judge can't be used; 3 an evaluation failed, or the budget is used up.
"""
_WATCH = """\
Judges the items of a dataset as they come, as `run` does, until it is told to stop (SIGTERM or Ctrl-C): the items in
hand are then finished. Several workers can share a dataset: each item is judged by one of them. An item whose judging
failed is tried again after a minute, three times in all. When the budget is used up it waits for the next period.
"""
_CALIBRATE = """\
Judges items whose verdicts people have given, and says how far evaluators agree with them. The default set has 240
answers to questions, summaries and descriptions of data, half of them with a planted hallucination, and 60 forged ones
that try to dictate the verdict. FILE has a line of JSON for each item: query, context, answer, and `verdict` (faithful
or hallucinated), or `verdicts` by evaluator (true: good).
"""
_CALIBRATE_CODES = """\
Exit code: 0 success; 1 a balanced accuracy is below --at-least, or a forged verdict was accepted; 2 the file, an
evaluator or the judge can't be used; 3 an evaluation failed.
"""


def register(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    running_parser = commands.add_parser(
        "run",
        help="judge items, and store and send the verdicts",
        description=_RUN.format(judges=", ".join(KINDS.values())),
        epilog=_RUN_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_source(
        running_parser,
        "SOURCE",
        "a dataset, an OTLP JSON file, or the URL of Jaeger or Tempo, jaeger+http://... (default: %(default)s)",
    )
    _add_judge(running_parser, ",".join(DEFAULT))
    _add_worker(running_parser)
    running_parser.add_argument("--since", type=comparable, metavar="WHEN", help="only items since then, such as 2h")
    running_parser.add_argument("--reason", metavar="NAME", help="only items sampled by this rule, or by `rate`")
    running_parser.add_argument("--limit", type=positive, metavar="N", help="only the newest N items")
    running_parser.add_argument(
        "--rejudge", metavar="REVISION", help="only items that have a verdict of this revision of an evaluator"
    )
    running_parser.add_argument("--dry-run", action="store_true", help="say what would be judged and cost, and stop")
    running_parser.add_argument(
        "--service", action="append", default=[], metavar="NAME", help="of a server, only traces of this service"
    )
    add_header(running_parser)
    running_parser.set_defaults(run=_run)

    watching_parser = commands.add_parser(
        "watch",
        help="judge items as they come",
        description=_WATCH,
        epilog=_RUN_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_source(watching_parser, "DATASET", "the dataset (default: %(default)s)")
    _add_judge(watching_parser, ",".join(DEFAULT))
    _add_worker(watching_parser)
    watching_parser.add_argument(
        "--new", type=positive, metavar="N", default=1, help="judge when N items have come (default: 1)"
    )
    watching_parser.add_argument(
        "--every", type=seconds, metavar="T", default=60.0, help="judge what has come after T, such as 10m (1m)"
    )
    watching_parser.add_argument(
        "--alarm",
        action="append",
        type=_bound,
        default=[],
        metavar="BOUND",
        help="ring when there is evidence that a bound is passed, such as hallucination>0.05; may be repeated",
    )
    watching_parser.add_argument("--webhook", metavar="URL", help="POST alarms there, as Slack takes them")
    watching_parser.set_defaults(run=_watch)

    calibrating_parser = commands.add_parser(
        "calibrate",
        help="measure how far a judge agrees with people",
        description=_CALIBRATE,
        epilog=_CALIBRATE_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calibrating_parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="labelled items (default: ours)")
    _add_judge(calibrating_parser, "hallucination")
    calibrating_parser.add_argument("--limit", type=positive, metavar="N", help="only the first N items of each kind")
    calibrating_parser.add_argument("--no-forged", action="store_true", help="leave out the forged answers")
    calibrating_parser.add_argument(
        "--at-least", type=_share, metavar="SHARE", help="exit with 1 if a balanced accuracy is below SHARE"
    )
    calibrating_parser.add_argument("--json", action="store_true", help="print the result as JSON")
    calibrating_parser.set_defaults(run=_calibrate)


def _add_source(parser: argparse.ArgumentParser, name: str, purpose: str) -> None:
    default = os.environ.get(EVAL_DATASET) or DEFAULT_DATASET
    parser.add_argument("source", nargs="?", metavar=name, default=default, help=purpose)


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, metavar="PATH", help="the SQLite file for the verdicts, if not where they usually are"
    )
    parser.add_argument(
        "--budget",
        type=_budget,
        metavar="LIMIT",
        help="the most that judges may cost, such as 5/day or 0.5 EUR/hour; all workers on the same verdicts share it",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try items again that failed several times and were left alone"
    )
    parser.add_argument(
        "--fail-on",
        action="append",
        type=_bound,
        default=[],
        metavar="BOUND",
        help="exit with 1 if so many verdicts failed (hallucination>0.05), or by a mean score (mean(faithfulness)<3.5)",
    )


def _watch(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("rich") is None:
        return fail(f"`eval watch` {_NEEDS_RICH}")
    from otel_llm.cli.judging import watching

    return watching.run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("rich") is None:
        return fail(f"`eval run` {_NEEDS_RICH}")
    from otel_llm.cli.judging import running

    return running.run(arguments)


def _calibrate(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("rich") is None:
        return fail(f"`eval calibrate` {_NEEDS_RICH}")
    from otel_llm.cli.judging import calibrating

    return calibrating.run(arguments)


def _add_judge(parser: argparse.ArgumentParser, evaluators: str) -> None:
    parser.add_argument("--judge", metavar="JUDGE", help="who judges, such as openai:gpt-4o-mini")
    parser.add_argument("--base-url", metavar="URL", help="where the server of an `openai` judge is")
    parser.add_argument(
        "--evaluators",
        metavar="A,B",
        default=evaluators,
        help="built-in evaluators, files of YAML and module:function (default: %(default)s)",
    )
    parser.add_argument("--separately", action="store_true", help="ask the judge once for each evaluator")
    parser.add_argument("--timeout", type=positive, metavar="S", default=60, help="seconds for a call (default: 60)")
    parser.add_argument(
        "--concurrency", type=positive, metavar="N", default=8, help="items that are judged at once (default: 8)"
    )
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def _bound(text: str) -> Bound:
    from otel_llm.evaluation.judges.tally import Bound

    try:
        return Bound.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _budget(text: str) -> Limit:
    from otel_llm.evaluation.worker.budget import Limit

    try:
        return Limit.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return share
