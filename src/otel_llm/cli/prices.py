"""`otel-llm prices`: checks a table of prices, and shows what a model is priced by and why."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from otel_llm.cli.json_output import as_json, utf8_to_stdout
from otel_llm.cli.moments import moment
from otel_llm.cli.terminal import clean, fail
from otel_llm.config import PRICES

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from otel_llm.cost.book import Resolution

_UNITS = {
    "request": "a request",
    "image": "an image",
    "minute": "a minute of audio",
    "characters": "a million characters",
    "web_search": "a thousand web searches",
}
_EPILOG = f"""\
The table is the file that {PRICES} names, unless --table names another. Without --host, the host is the vendor's own.
Exit code: 0 success; 1 a model has no price; 2 the table can't be used.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("prices", help="check a table of prices, and what a model is priced by")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = commands.add_parser(
        "check",
        help="check the table, and show what models are priced by",
        description="Checks the table of prices. Shows what each MODEL is priced by, and why.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("models", nargs="*", metavar="MODEL", help="a model, as spans name it")
    check.add_argument("--table", metavar="FILE", help=f"the table (default: that of {PRICES})")
    check.add_argument("--provider", default="openai", metavar="NAME", help="gen_ai.provider.name (default: openai)")
    check.add_argument("--host", metavar="HOST", help="server.address, such as gateway.example.com, or with :PORT")
    check.add_argument("--endpoint", metavar="NAME", help="the name of a SageMaker endpoint")
    check.add_argument("--tier", metavar="TIER", help="a service tier, batch, or a completion window such as 2h")
    check.add_argument("--at", type=moment, metavar="WHEN", help="at that time (default: now)")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from otel_llm.cost.billing import discounted
    from otel_llm.cost.book import Book
    from otel_llm.cost.matching import Query
    from otel_llm.cost.prices import list_prices
    from otel_llm.cost.table import Table

    path = arguments.table or os.environ.get(PRICES) or None
    try:
        table = Table.load(path) if path else Table()
    except ValueError as error:
        return fail(f"{path}: {error}")
    book = Book(table, list_prices())
    at = arguments.at or datetime.now(UTC)
    host, port = _address(arguments.host or "")
    found: list[dict[str, Any]] = []
    for model in arguments.models or ([""] if arguments.endpoint or arguments.host else []):
        query = Query(
            provider=arguments.provider,
            models=(model,) if model else (),
            host=host or None,
            port=port,
            endpoint=arguments.endpoint,
            tier=discounted(arguments.tier),
        )
        found.append(_described(model, book.resolve(query, round(at.timestamp()) * 1_000_000_000)))
    about = {
        "table": path,
        "models": len(table.models),
        "hosts": len(table.hosts),
        "list_prices": book.listed is not None,
    }
    utf8_to_stdout()
    if arguments.json:
        print(as_json({**about, "resolved": found}))
    else:
        _show(about, found)
    return 1 if any(one["unpriced"] for one in found) else 0


def _address(text: str) -> tuple[str, int | None]:
    """The host and the port of ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not host or (":" in host and not host.endswith("]")):
        host, port = text, ""
    return host.removeprefix("[").removesuffix("]"), int(port) if port else None


def _described(model: str, resolution: Resolution) -> dict[str, Any]:
    sheet, host = resolution.sheet, resolution.host
    described: dict[str, Any] = {
        "model": model or None,
        "unpriced": resolution.reason,
        "currency": resolution.currency,
        "why": list(resolution.why),
    }
    if host is not None:
        described["per_hour"] = f"{host.per_hour.normalize():f}"
    if sheet is not None:
        described["prices"] = {name: f"{price.normalize():f}" for name, price in sorted(sheet.prices.items())}
        described["images"] = {name: f"{price.normalize():f}" for name, price in sheet.images.items()}
        described["above"] = {
            limit: {name: f"{price.normalize():f}" for name, price in sorted(prices.items())}
            for limit, prices in sheet.steps
        }
    return described


def _show(about: dict[str, Any], found: list[dict[str, Any]]) -> None:
    if about["table"] is None:
        print("no table of prices")
    else:
        entries = "1 entry" if about["models"] == 1 else f"{about['models']} entries"
        print(f"{clean(about['table'])}: {entries} for models, {about['hosts']} for hosts")
    listed = "installed" if about["list_prices"] else 'not installed: pip install "otel-llm[cost]"'
    print(f"list prices (genai-prices): {listed}")
    for one in found:
        print()
        print(clean(one["model"] or "any model"))
        for reason in one["why"]:
            print(f"  {clean(reason)}")
        if one["unpriced"]:
            print(f"  unpriced: {one['unpriced']}")
        if "per_hour" in one:
            print(f"  {one['per_hour']} {one['currency']} an hour, shared by the calls under way")
        for name, price in one.get("prices", {}).items():
            print(f"  {name:<14} {price:>10} {one['currency']} {_unit(name)}")
        for name, price in one.get("images", {}).items():
            print(f"  image, {clean(name)} {price:>10} {one['currency']}")
        for limit, prices in one.get("above", {}).items():
            shown = ", ".join(f"{name} {price}" for name, price in prices.items())
            print(f"  above {limit:,} input tokens: {shown}")


def _unit(name: str) -> str:
    return f"for {_UNITS[name]}" if name in _UNITS else "for a million tokens"
