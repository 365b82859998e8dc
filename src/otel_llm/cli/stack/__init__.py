"""`otel-llm up | down | status`: Collector, Jaeger and Prometheus on this machine."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from otel_llm.cli.stack.plan import PORTS, home
from otel_llm.cli.terminal import fail

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_UP = """\
Starts a Collector, Jaeger and Prometheus in the background, or what of them does not run, and says which URLs to open
and which environment an application needs to send there. Native programs are taken from what `make backends` built
and from the PATH; where they are missing, containers.
"""
_DOWN = "Ends what `up` started. Its data stays."
_STATUS = """\
Says what runs, and whether an application started from this shell would reach it. Exit code: 0 all is well, 1 it is
not, 2 the question can't be answered.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    up = _parser(subparsers, "up", "start Collector, Jaeger and Prometheus on this machine", _UP)
    for name, port in PORTS.items():
        up.add_argument(
            f"--{name}-port", type=_port, default=port, metavar="N", help=f"default {port}; 0 takes any free one"
        )
    up.add_argument("--programs", type=Path, metavar="DIR", help="look here first for otelcol, jaeger and prometheus")
    up.add_argument("--docker", action="store_true", help="in containers, with Grafana and Tempo beside")
    _parser(subparsers, "down", "end what `up` started", _DOWN)
    status = _parser(subparsers, "status", "say what of the stack runs", _STATUS)
    status.add_argument("--json", action="store_true", help="for programs")


def _parser(
    subparsers: _SubParsersAction[argparse.ArgumentParser], name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=summary, description=description)
    parser.add_argument(
        "--directory",
        type=lambda text: Path(text).resolve(),
        default=home(),
        help="state, logs and data (default: %(default)s)",
    )
    parser.set_defaults(run=lambda arguments: _run(name, arguments))
    return parser


def _run(name: str, arguments: argparse.Namespace) -> int:
    if os.name != "posix":
        return fail(f"`{name}` runs on Linux and macOS; elsewhere use `docker compose` with collector/compose.yaml")
    if importlib.util.find_spec("psutil") is None:
        return fail(f'`{name}` needs the psutil package: pip install "otel-llm[cli]"')
    commands = importlib.import_module("otel_llm.cli.stack.commands")
    return int(commands.run(name, arguments))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535, or 0 for any free one")
    return int(text)
