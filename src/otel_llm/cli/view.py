"""`otel-llm view`: the traces of OTLP JSON files as trees in the terminal."""

from __future__ import annotations

import argparse
import importlib.util
from typing import TYPE_CHECKING

from otel_llm.cli import otlp
from otel_llm.cli.content import CONTENT
from otel_llm.cli.terminal import fail, open_console, positive, tell
from otel_llm.cli.traces import Trace, join

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_PROBLEMS_SHOWN = 10
_EPILOG = """\
FILE is what the SDK's otlp_json_file exporter or the Collector's file exporter writes, also gzip-compressed;
`-` is standard input. Traces come in the order of their start. Exit code: 0 shown, 1 nothing to show or a part of
the input was unreadable, 2 no usable input.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "view",
        help="show traces of OTLP JSON files as a tree",
        description="Shows the traces of OTLP JSON files as trees.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="an OTLP JSON file, or - for standard input")
    parser.add_argument("--content", action="store_true", help="show captured messages too")
    parser.add_argument("--trace", metavar="ID", default="", help="only the traces whose id starts so")
    parser.add_argument("--errors", action="store_true", help="only the traces with an error")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the newest N traces")
    parser.add_argument(
        "--no-color", action="store_true", help="no colours (NO_COLOR in the environment does the same)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("rich") is None:
        return fail('`view` needs the rich package: pip install "otel-llm[cli]"')
    from otel_llm.cli.render import show

    try:
        reading = otlp.read(arguments.files)
    except otlp.InputError as error:
        return fail(str(error))
    traces, left_out = _selected(join(reading.spans), arguments)
    _report(reading)
    if not traces:
        tell(_why_nothing(reading, arguments))
        return 1
    show(traces, open_console(no_color=arguments.no_color), content=arguments.content)
    if left_out:
        tell(f"{left_out} older trace(s) not shown (--limit {arguments.limit})")
    if arguments.content and not any(name in CONTENT for trace in traces for name in _attribute_names(trace)):
        tell(
            "no messages in these spans: content is captured only where"
            " OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY is set"
        )
    return 1 if reading.problems else 0


def _selected(traces: list[Trace], arguments: argparse.Namespace) -> tuple[list[Trace], int]:
    prefix = arguments.trace.lower()
    chosen = [
        trace for trace in traces if trace.trace_id.startswith(prefix) and (trace.has_error or not arguments.errors)
    ]
    kept = chosen[-arguments.limit :] if arguments.limit else chosen
    return kept, len(chosen) - len(kept)


def _attribute_names(trace: Trace) -> set[str]:
    return {name for node in trace.nodes() for name in node.span.attributes}


def _report(reading: otlp.Reading) -> None:
    for message in reading.notes + reading.problems[:_PROBLEMS_SHOWN]:
        tell(message)
    if (more := len(reading.problems) - _PROBLEMS_SHOWN) > 0:
        tell(f"{more} more problem(s) of this kind")


def _why_nothing(reading: otlp.Reading, arguments: argparse.Namespace) -> str:
    if not reading.spans:
        return "no spans in the input"
    wanted = [f"an id that starts with {arguments.trace}"] * bool(arguments.trace) + ["an error"] * arguments.errors
    return f"no trace with {' and '.join(wanted)}"
