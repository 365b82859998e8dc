"""`otel-llm view`: prints the traces of OTLP JSON files as trees."""

from __future__ import annotations

import argparse
import importlib.util
import os
from typing import TYPE_CHECKING

from otel_llm.cli.content import is_content
from otel_llm.cli.terminal import fail, open_console, positive, tell
from otel_llm.config import UPLOAD
from otel_llm.traces import files as otlp_files
from otel_llm.traces.trees import Trace, join

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_PROBLEMS_SHOWN = 10
_EPILOG = """\
FILE is written by the SDK's otlp_json_file exporter or the Collector's file exporter, and may be compressed with gzip;
- is standard input. Traces are shown in the order of their start. With --content, content that the application has
uploaded is read from the URL that the environment variable OTEL_LLM_UPLOAD names.
Exit code: 0 success; 1 nothing to show, or a part of the input is unreadable; 2 the input can't be used.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "view",
        help="show the traces of OTLP JSON files as trees",
        description="Shows the traces of OTLP JSON files as trees.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="an OTLP JSON file, or - for standard input")
    parser.add_argument("--content", action="store_true", help="also show captured content")
    parser.add_argument("--trace", metavar="ID", default="", help="show only traces whose id begins with ID")
    parser.add_argument("--errors", action="store_true", help="show only traces with an error")
    parser.add_argument("--limit", type=positive, metavar="N", help="show only the newest N traces")
    parser.add_argument(
        "--no-color", action="store_true", help="print without colours, as with NO_COLOR in the environment"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("rich") is None:
        return fail('`view` needs the rich package: pip install "otel-llm[cli]"')
    from otel_llm.cli.render import show

    try:
        reading = otlp_files.read(arguments.files)
    except otlp_files.InputError as error:
        return fail(str(error))
    traces, left_out = _selected(join(reading.spans), arguments)
    _report(reading)
    if not traces:
        tell(_why_nothing(reading, arguments))
        return 1
    if arguments.content and (url := os.environ.get(UPLOAD, "").strip()):
        _resolve(traces, url)
    show(traces, open_console(no_color=arguments.no_color), content=arguments.content)
    if left_out:
        tell(f"{left_out} older trace(s) are not shown (--limit {arguments.limit})")
    if arguments.content and not any(is_content(name) for trace in traces for name in _attribute_names(trace)):
        tell(
            "these spans have no content: to capture it, set"
            " OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY in the application's environment"
        )
    return 1 if reading.problems else 0


def _resolve(traces: list[Trace], url: str) -> None:
    """Put the content that the application has uploaded to `url` in place of the references to it.

    Other references are left alone: a file of traces may be anybody's.
    """
    from otel_llm.content.upload import Store

    store = Store(url)
    for trace in traces:
        for node in trace.nodes():
            node.span.attributes.update(store.resolved(node.span.attributes))


def _selected(traces: list[Trace], arguments: argparse.Namespace) -> tuple[list[Trace], int]:
    prefix = arguments.trace.lower()
    chosen = [
        trace for trace in traces if trace.trace_id.startswith(prefix) and (trace.has_error or not arguments.errors)
    ]
    kept = chosen[-arguments.limit :] if arguments.limit else chosen
    return kept, len(chosen) - len(kept)


def _attribute_names(trace: Trace) -> set[str]:
    return {name for node in trace.nodes() for name in node.span.attributes}


def _report(reading: otlp_files.Reading) -> None:
    for message in reading.notes + reading.problems[:_PROBLEMS_SHOWN]:
        tell(message)
    if (more := len(reading.problems) - _PROBLEMS_SHOWN) > 0:
        tell(f"{more} more problem(s)")


def _why_nothing(reading: otlp_files.Reading, arguments: argparse.Namespace) -> str:
    if not reading.spans:
        return "no spans in the input"
    wanted = [f"an id that begins with {arguments.trace}"] * bool(arguments.trace) + ["an error"] * arguments.errors
    return f"no trace with {' and '.join(wanted)}"
