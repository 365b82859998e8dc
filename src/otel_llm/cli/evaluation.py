"""`otel-llm eval`: lists, shows and exports the items that an EvaluationSampler stored."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from otel_llm.cli import adding
from otel_llm.cli.json_output import as_json, utf8_to_stdout
from otel_llm.cli.moments import comparable
from otel_llm.cli.terminal import fail, open_console, positive, tell
from otel_llm.config import DEFAULT_DATASET, EVAL_DATASET
from otel_llm.evaluation.dataset.reader import Item, Selection
from otel_llm.evaluation.worker.sources import Source, SourceError, open_source

if TYPE_CHECKING:
    from argparse import _SubParsersAction

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
        help="list, show and export the items sampled for evaluation",
        description="Lists, shows and exports the items that were sampled for evaluation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = _command(commands, "ls", "list the newest items", _list)
    _add_filters(listing)
    listing.add_argument(
        "--limit", type=positive, metavar="N", default=_LISTED, help=f"list N items (default: {_LISTED})"
    )
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
    except SourceError as error:
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

    source = open_source(arguments.dataset)
    items = list(source.items(_selection(arguments)))
    _report(source)
    if not items:
        tell("no items" + (" match" if arguments.since or arguments.reason else ""))
        return 1
    print_list(items, open_console(no_color=arguments.no_color))
    if len(items) == arguments.limit:
        tell(f"only the newest {arguments.limit} items are listed; --limit lists more")
    return 0


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
    from otel_llm.cli.items import print_item

    print_item(item, open_console(no_color=arguments.no_color))
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
