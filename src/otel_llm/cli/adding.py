"""`otel-llm eval add`: makes items of traces that nobody sampled, by hand."""

from __future__ import annotations

import argparse
import os
import re

from otel_llm.cli.headers import HeaderError, add_header, headers_of
from otel_llm.cli.terminal import fail, tell
from otel_llm.config import UPLOAD

_TRACE_ID = re.compile(r"[0-9a-f]{1,32}")
_TIMEOUT = 30.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", metavar="TRACE_ID", help="the id of the trace; of a file, the beginning is enough")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        required=True,
        help="an OTLP JSON file, `jaeger` or `tempo` on this machine, or jaeger+URL or tempo+URL",
    )
    add_header(parser)


def add(arguments: argparse.Namespace) -> int:
    from otel_llm.evaluation.dataset.reader import is_json_lines
    from otel_llm.evaluation.dataset.sinks import JSONLinesSink, SQLiteSink
    from otel_llm.evaluation.worker.sources import SourceError, open_source

    if not _TRACE_ID.fullmatch(arguments.trace.lower()):
        return fail(f"{arguments.trace} is not the id of a trace: 32 hexadecimal digits")
    try:
        source = open_source(
            arguments.source,
            headers=headers_of(arguments.header),
            timeout=_TIMEOUT,
            uploads=os.environ.get(UPLOAD, "").strip() or None,
        )
        items = list(source.trace(arguments.trace))
    except (HeaderError, SourceError) as error:
        return fail(str(error))
    for problem in source.problems:
        tell(problem)
    if not items:
        tell(f"{arguments.source} has no GenAI operations of a trace {arguments.trace}")
        return 1
    if len({item["trace_id"] for item in items}) > 1:
        tell(f"more than one trace has an id that begins with {arguments.trace}")
        return 1
    path = arguments.dataset
    sink = JSONLinesSink(path) if is_json_lines(path) else SQLiteSink(path)
    try:
        for item in items:
            sink.write(item)
    except Exception as error:  # of the database or the file system
        return fail(f"{path} can't be written: {error}")
    finally:
        sink.close()
    tell(f"{len(items)} item(s) added to {path}" + _without_words(items))
    return 0


def _without_words(items: list[dict[str, object]]) -> str:
    if any(item.get("content_captured") for item in items):
        return ""
    return "; the spans have no content, so only checks without words apply to them"
