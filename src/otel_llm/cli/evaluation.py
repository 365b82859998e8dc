"""`otel-llm eval`: lists, shows, exports and judges the items that an EvaluationSampler stored."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from otel_llm.cli import adding, judging
from otel_llm.cli.json_output import as_json, utf8_to_stdout
from otel_llm.cli.moments import comparable
from otel_llm.cli.terminal import fail, open_console, positive, tell
from otel_llm.config import DEFAULT_DATASET, EVAL_DATASET
from otel_llm.evaluation.dataset.reader import DatasetError, Item, Selection
from otel_llm.evaluation.worker.sources import Source, SourceError, open_source

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from otel_llm.evaluation.results.verdict import Verdict

_LISTED = 50
_EPILOG = f"""\
A dataset is a SQLite file, or a file of JSON lines with its rotated files; a file of traces (OTLP JSON) is read as the
items that they make. The default is the one that the environment
variable {EVAL_DATASET} names, otherwise {DEFAULT_DATASET}.
Exit code: 0 success; 1 no such item; 2 the dataset, the source or the target can't be used.
"""

Run = Callable[[argparse.Namespace], int]


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "eval",
        help="list, show, export and judge the items sampled for evaluation",
        description="Lists, shows, exports and judges the items that were sampled for evaluation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = _command(commands, "ls", "list the newest items", _list)
    _add_filters(listing)
    listing.add_argument(
        "--limit", type=positive, metavar="N", default=_LISTED, help=f"list N items (default: {_LISTED})"
    )
    listing.add_argument("--failed", metavar="NAME", help="only items that this evaluator failed, with its verdict")
    _add_color(listing)

    showing = _command(commands, "show", "show one item", _show)
    showing.add_argument("id", metavar="ID", help="the id of the item, or the beginning of it")
    showing.add_argument("--json", action="store_true", help="print the item as JSON")
    _add_color(showing)

    adding.add_options(_command(commands, "add", "make an item of a trace by hand", adding.add))

    exporting = _command(commands, "export", "write items to a file as JSON lines", _export)
    exporting.add_argument("--jsonl", metavar="FILE", required=True, help="the file to write; - is standard output")
    exporting.add_argument("--force", action="store_true", help="replace FILE if it exists")
    _add_filters(exporting)
    exporting.add_argument("--limit", type=positive, metavar="N", help="write only the newest N items")

    judging.register(commands)


def _command(
    commands: _SubParsersAction[argparse.ArgumentParser], name: str, purpose: str, run: Run
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    default = os.environ.get(EVAL_DATASET) or DEFAULT_DATASET
    parser.add_argument(
        "--dataset", type=Path, metavar="PATH", default=Path(default), help="the dataset (default: %(default)s)"
    )
    parser.set_defaults(run=lambda arguments: _guarded(run, arguments))
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", type=comparable, metavar="WHEN", help="only items since then: a time, or 30m, 2h, 7d ago"
    )
    parser.add_argument("--reason", metavar="NAME", help="only items sampled by this rule, or by `rate`")


def _add_color(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def _guarded(run: Run, arguments: argparse.Namespace) -> int:
    try:
        return run(arguments)
    except (DatasetError, SourceError) as error:
        return fail(str(error))


def _selection(arguments: argparse.Namespace) -> Selection:
    return Selection(since=arguments.since or "", reason=arguments.reason, limit=arguments.limit)


def _needs_rich() -> int | None:
    if importlib.util.find_spec("rich") is None:
        return fail('`eval` needs the rich package: pip install "otel-llm[cli]"')
    return None


def _list(arguments: argparse.Namespace) -> int:
    if (code := _needs_rich()) is not None:
        return code
    from otel_llm.cli.items import print_list

    failed = _failed(arguments)
    selection = _selection(arguments) if failed is None else replace(_selection(arguments), limit=None)
    source = open_source(arguments.dataset)
    items = list(source.items(selection))
    _report(source)
    if failed is not None:
        items = [item for item in items if _key(item) in failed][-arguments.limit :]
    if not items:
        tell("no items" + (" match" if arguments.since or arguments.reason or arguments.failed else ""))
        return 1
    verdicts = None if failed is None else [failed[_key(item)] for item in items]
    print_list(items, open_console(no_color=arguments.no_color), verdicts)
    if len(items) == arguments.limit:
        tell(f"only the newest {arguments.limit} items are listed; --limit lists more")
    return 0


def _key(item: Item) -> tuple[str | None, str | None]:
    from otel_llm.evaluation.judges.kept import judged_span

    return item.get("trace_id"), judged_span(item)


def _failed(arguments: argparse.Namespace) -> dict[tuple[str | None, str | None], Verdict] | None:
    """The verdicts of the evaluator of `--failed` that fail, by the judged span; None if it is not given."""
    if arguments.failed is None:
        return None
    from otel_llm.cli import verdicts

    latest = verdicts.latest(verdicts.stored(arguments.dataset, arguments.failed))
    if not latest:
        tell(f"there are no verdicts of {arguments.failed}: `otel-llm eval run` makes them")
    return {key: verdict for key, verdict in latest.items() if verdict.passed is False}


def _show(arguments: argparse.Namespace) -> int:
    selection = Selection(id=arguments.id.lower(), limit=2)
    found = {item["id"]: item for item in open_source(arguments.dataset).items(selection)}
    if not found:
        tell(f"no item whose id begins with {arguments.id}")
        return 1
    if len(found) > 1:
        tell(f"more than one item has an id that begins with {arguments.id}, such as {' and '.join(found)}")
        return 1
    (item,) = found.values()
    if arguments.json:
        utf8_to_stdout()
        print(as_json(item, indent=2))
        return 0
    if (code := _needs_rich()) is not None:
        return code
    from otel_llm.cli import verdicts
    from otel_llm.cli.items import print_item

    of_item = verdicts.of_item(item, verdicts.stored(arguments.dataset))
    print_item(item, open_console(no_color=arguments.no_color), of_item)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    source = open_source(arguments.dataset)
    items = source.items(_selection(arguments))
    if arguments.jsonl == "-":
        utf8_to_stdout()
        _write(items, sys.stdout)
        _report(source)
        return 0
    target = Path(arguments.jsonl)
    if target.is_dir():
        return fail(f"{target} is a directory")
    if target.exists() and arguments.dataset.exists() and target.samefile(arguments.dataset):
        return fail(f"{target} is the dataset itself")
    try:
        if target.exists() and not target.is_file():  # a device or a pipe is written in place, never replaced
            with target.open("w", encoding="utf-8", errors="replace") as lines:
                count = _write(items, lines)
        elif target.exists() and not arguments.force:
            return fail(f"{target} exists; --force replaces it")
        else:
            count = _replace(items, target.resolve())
    except OSError as error:
        return fail(f"{target} can't be written: {error.strerror}")
    _report(source)
    tell(f"{count} item(s) written to {target}")
    return 0


def _replace(items: Iterator[Item], target: Path) -> int:
    """Write the items to a new file and move it to `target`, which is left as it was if anything fails.

    `mkstemp` makes the file private to its owner (0600), and never opens a file or a link that is there already.

    Returns:
        The number of items.
    """
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".otel-llm-export-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as lines:
            count = _write(items, lines)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write(items: Iterator[Item], lines: TextIO) -> int:
    count = 0
    for item in items:
        lines.write(as_json(item) + "\n")
        count += 1
    return count


def _report(source: Source) -> None:
    for problem in source.problems:
        tell(problem)
