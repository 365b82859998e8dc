"""`otel-llm feedback`: records feedback by hand, lists what people said, and exports preference pairs."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_llm.cli.json_output import as_json, utf8_to_stdout
from otel_llm.cli.moments import moment
from otel_llm.cli.terminal import clean, fail, positive, tell
from otel_llm.config import DEFAULT_DATASET, EVAL_DATASET, Settings
from otel_llm.evaluation.dataset.reader import DatasetError
from otel_llm.evaluation.results.labels import Label, LabelStore

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_LISTED = 50
_EXPORTERS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
_EPILOG = f"""\
Feedback is stored in a SQLite dataset: by default the one that {EVAL_DATASET} names, otherwise {DEFAULT_DATASET}.
`add` also sends it to the trace in the backend if the environment names one ({_EXPORTERS[0]}).
Comments and corrections are content: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT has to allow them.
Exit code: 0 success; 1 nothing to list, or nothing new to record; 2 the dataset or an argument can't be used.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "feedback",
        help="record feedback on answers, list it, and export preference pairs",
        description="Records feedback on answers, lists it, and exports preference pairs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    adding = _command(commands, "add", "record feedback on a trace, a response or a conversation", _add)
    adding.add_argument("name", metavar="NAME", help="what was asked, such as thumbs")
    adding.add_argument("--score", type=float, metavar="N", help="a number on the scale")
    adding.add_argument("--scale", metavar="LOW-HIGH", default="0-1", help="the scale of the score (default: 0-1)")
    adding.add_argument("--label", metavar="WORD", help="such as up or down")
    adding.add_argument("--comment", metavar="TEXT", help="why (content)")
    adding.add_argument("--correction", metavar="TEXT", help="the answer that would have been right (content)")
    adding.add_argument("--user", metavar="ID", help="who says it")
    about = adding.add_mutually_exclusive_group(required=True)
    about.add_argument("--trace", metavar="ID", help="the trace; with --span, that span of it")
    about.add_argument("--response", metavar="ID", help="the response, by the id that the provider gave it")
    about.add_argument("--conversation", metavar="ID", help="the conversation")
    about.add_argument("--key", metavar="NAME=VALUE", help="an attribute that spans carry, or an entry of metadata")
    adding.add_argument("--span", metavar="ID", help="the span")

    listing = _command(commands, "ls", "list the newest feedback", _list)
    listing.add_argument("--name", metavar="NAME", help="only feedback with this name")
    listing.add_argument("--trace", metavar="ID", help="only feedback on this trace")
    listing.add_argument("--since", type=moment, metavar="WHEN", help="only since then: a time, or 30m, 2h, 7d ago")
    listing.add_argument("--history", action="store_true", help="also what a later word replaced")
    listing.add_argument("--limit", type=positive, metavar="N", default=_LISTED, help=f"list N (default: {_LISTED})")
    listing.add_argument("--json", action="store_true", help="print a line of JSON for each")

    pairs = _command(commands, "pairs", "print each correction and the answer it corrects, as lines of JSON", _pairs)
    pairs.description = (
        "Prints a preference pair for each correction of an answer that is in the dataset, as a line of JSON with"
        " prompt, chosen, rejected and the ids."
    )


def _command(
    commands: _SubParsersAction[argparse.ArgumentParser], name: str, purpose: str, run: Any
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    default = os.environ.get(EVAL_DATASET) or DEFAULT_DATASET
    parser.add_argument(
        "--dataset", type=Path, metavar="PATH", default=Path(default), help="the dataset (default: %(default)s)"
    )
    parser.set_defaults(run=lambda arguments: _guarded(run, arguments))
    return parser


def _guarded(run: Any, arguments: argparse.Namespace) -> int:
    try:
        code: int = run(arguments)
        return code
    except (DatasetError, ValueError) as error:
        return fail(str(error))


def _add(arguments: argparse.Namespace) -> int:
    LabelStore(arguments.dataset)  # refuses a dataset without labels
    exports = any(os.environ.get(name, "").strip() for name in _EXPORTERS)
    if exports and importlib.util.find_spec("opentelemetry.sdk") is None:
        return fail('sending feedback needs the SDK: pip install "otel-llm[otlp]"')
    from otel_llm.lifecycle.flush import flush
    from otel_llm.lifecycle.setup import setup
    from otel_llm.manual.feedback.api import record_feedback
    from otel_llm.manual.scope import manual_telemetry

    if exports:
        setup()
    manual_telemetry.configure(
        settings=replace(Settings.from_environment(), evaluation_dataset=str(arguments.dataset.absolute()))
    )
    done = record_feedback(
        arguments.name,
        score=arguments.score,
        label=arguments.label,
        comment=arguments.comment,
        correction=arguments.correction,
        target=_target(arguments),
        submitter=arguments.user,
        scale=arguments.scale,
    )
    if done.left_out:
        tell(f"{' and '.join(done.left_out)} left out: content is not captured, or it is hidden")
    if not flush():
        return fail("the feedback could not be sent in time")
    if not done.recorded:
        tell(f"not recorded: {done.reason}")
        return 1
    tell(f"recorded in {arguments.dataset}" + (", and sent" if exports else ""))
    return 0


def _target(arguments: argparse.Namespace) -> dict[str, str]:
    if arguments.trace is not None:
        return {"trace_id": arguments.trace, **({"span_id": arguments.span} if arguments.span else {})}
    if arguments.span is not None:
        raise ValueError("--span needs --trace")
    if arguments.response is not None:
        return {"response_id": arguments.response}
    if arguments.conversation is not None:
        return {"conversation_id": arguments.conversation}
    name, separator, value = arguments.key.partition("=")
    if not (name and separator and value):
        raise ValueError(f"--key must be NAME=VALUE, not {arguments.key}")
    return {name: value}


def _list(arguments: argparse.Namespace) -> int:
    labels = list(
        LabelStore(arguments.dataset).read(
            name=arguments.name,
            trace_id=arguments.trace,
            since=None if arguments.since is None else arguments.since.timestamp(),
            history=arguments.history,
        )
    )
    if not labels:
        tell("no feedback" + (" matches" if arguments.name or arguments.trace or arguments.since else ""))
        return 1
    utf8_to_stdout()
    for label in labels[-arguments.limit :]:
        if arguments.json:
            print(as_json({name: value for name, value in asdict(label).items() if value is not None}))
        else:
            print(_line(label))
    return 0


def _line(label: Label) -> str:
    score = None if label.score is None else f"{label.score:g} ({label.scale})"
    words = [
        datetime.fromtimestamp(label.at, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00"),
        label.name,
        label.label,
        score,
        label.target,
        f"by {label.submitter}" if label.submitter else None,
        f"comment: {label.comment}" if label.comment else None,
        f"correction: {label.correction}" if label.correction else None,
    ]
    return "  ".join(clean(word) for word in words if word is not None)


def _pairs(arguments: argparse.Namespace) -> int:
    utf8_to_stdout()
    count = 0
    for pair in LabelStore(arguments.dataset).pairs():
        print(as_json(pair))
        count += 1
    sys.stdout.flush()
    tell(f"{count} pair(s)")
    return 0 if count else 1
