"""`otel-llm erase`: removes a person from datasets and prompt logs, and tells how to remove them from backends."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from otel_llm import semconv as s
from otel_llm.cli.terminal import clean, fail, tell
from otel_llm.config import DEFAULT_DATASET, EVAL_DATASET, PROMPT_LOG, PSEUDONYM_KEY
from otel_llm.content.pseudonyms import pseudonym
from otel_llm.evaluation.dataset import erasure
from otel_llm.evaluation.dataset.erasure import Erased
from otel_llm.evaluation.dataset.reader import DatasetError, is_json_lines

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_STREAMS = ("-", "stderr")
_EPILOG = f"""\
The person is looked for by the id and, if {PSEUDONYM_KEY} is set, by its pseudonym. The defaults are the dataset that
{EVAL_DATASET} names, otherwise {DEFAULT_DATASET}, and the prompt log that {PROMPT_LOG} names. Standard output has the
calls for Jaeger, Tempo and ClickHouse; nothing is sent to them.
Exit code: 0 success; 1 nothing of the person was found; 2 a file can't be changed.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "erase",
        help="remove a person from datasets, labels included, and prompt logs",
        description="Removes a person from datasets and prompt logs, and prints the calls for backends.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--user", metavar="ID", required=True, help="the person's user id, as the application knows it")
    parser.add_argument("--dataset", type=Path, metavar="PATH", action="append", help="a dataset; may be repeated")
    parser.add_argument(
        "--prompt-log", type=Path, metavar="PATH", action="append", help="a prompt log; may be repeated"
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be removed")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    people = [arguments.user]
    if key := os.environ.get(PSEUDONYM_KEY, "").strip():
        people.insert(0, pseudonym(key, s.USER_ID, arguments.user))
    datasets: list[Path] = arguments.dataset or _existing(os.environ.get(EVAL_DATASET) or DEFAULT_DATASET)
    logs: list[Path] = arguments.prompt_log or _existing(os.environ.get(PROMPT_LOG, ""))
    erased = Erased()
    for path in (*datasets, *logs):
        if not path.exists():
            return fail(f"{path} does not exist")
        before = erased.count
        erase = erasure.from_lines if path in logs or is_json_lines(path) else erasure.from_database
        try:
            erase(path, people, erased, arguments.dry_run)
        except DatasetError as error:
            return fail(str(error))
        done = "would be removed" if arguments.dry_run else "removed"
        tell(f"{path}: {erased.count - before} entries {done}")
    print("\n".join(_calls(people, sorted(erased.trace_ids))))
    return 0 if erased.count else 1


def _existing(path: str) -> list[Path]:
    return [Path(path)] if path and path not in _STREAMS and Path(path).exists() else []


def _calls(people: list[str], trace_ids: list[str]) -> list[str]:
    """What finds the person's traces in backends, and removes them where the backend can."""
    tags = [json.dumps({s.USER_ID: clean(person)}) for person in people]
    queries = [f"{{ span.{s.USER_ID} = {json.dumps(clean(person))} }}" for person in people]
    values = ", ".join("'" + clean(person).replace("\\", "\\\\").replace("'", "\\'") + "'" for person in people)
    terms = json.dumps({"query": {"terms": {"traceID": trace_ids}}})
    return [
        "# Jaeger: finds the traces of a service. Jaeger has no call that removes a trace: they go with the retention",
        "# of its storage. In Elasticsearch and OpenSearch, their spans can be removed.",
        *(f"curl -G $JAEGER/api/traces -d service=$SERVICE --data-urlencode tags={_quoted(tag)}" for tag in tags),
        "curl -X POST $ELASTICSEARCH/jaeger-span-*/_delete_by_query"
        f" -H 'Content-Type: application/json' -d {_quoted(terms)}",
        "",
        "# Tempo: finds the traces. Tempo has no call that removes a trace: they go with block_retention.",
        *(f"curl -G $TEMPO/api/search --data-urlencode q={_quoted(query)}" for query in queries),
        "",
        "# ClickHouse, in the tables of the Collector's exporter: removes the traces and their logs.",
        *(
            f"ALTER TABLE {table} DELETE WHERE TraceId IN (SELECT TraceId FROM otel_traces"
            f" WHERE SpanAttributes['{s.USER_ID}'] IN ({values}));"
            for table in ("otel_logs", "otel_traces")
        ),
    ]


def _quoted(text: str) -> str:
    """``text`` as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
