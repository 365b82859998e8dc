"""`otel-llm up`, `down` and `status`: run a Collector, Jaeger and Prometheus on this machine."""

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
Starts a Collector, Jaeger and Prometheus in the background, or those of them that are not running. Prints the URLs to
open and the environment variables with which an application sends telemetry there. Uses the programs that `make
backends` built or that are on the PATH. If any is missing, uses containers instead.
"""
_DOWN = "Stops what `up` started, and keeps its data."
_STATUS = """\
Shows which programs run, and whether the environment of this shell names an endpoint that accepts telemetry. Exit code:
0 all run and the endpoint is right; 1 otherwise; 2 the state can't be determined.
"""


def register(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    up = _parser(subparsers, "up", "start Collector, Jaeger and Prometheus on this machine", _UP)
    for name, port in PORTS.items():
        up.add_argument(
            f"--{name}-port", type=_port, default=port, metavar="N", help=f"default: {port}; 0 is any free port"
        )
    up.add_argument("--programs", type=Path, metavar="DIR", help="search DIR first for otelcol, jaeger and prometheus")
    up.add_argument("--docker", action="store_true", help="run containers, with Grafana and Tempo too")
    _parser(subparsers, "down", "stop what `up` started", _DOWN)
    status = _parser(subparsers, "status", "show what is running", _STATUS)
    status.add_argument("--json", action="store_true", help="print JSON")


def _parser(
    subparsers: _SubParsersAction[argparse.ArgumentParser], name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=summary, description=description)
    parser.add_argument(
        "--directory",
        type=lambda text: Path(text).resolve(),
        default=home(),
        help="the folder of state, logs and data (default: %(default)s)",
    )
    parser.set_defaults(run=lambda arguments: _run(name, arguments))
    return parser


def _run(name: str, arguments: argparse.Namespace) -> int:
    if os.name != "posix":
        return fail(
            f"`{name}` works on Linux and macOS only; elsewhere, use `docker compose` with collector/compose.yaml"
        )
    if importlib.util.find_spec("psutil") is None:
        return fail(f'`{name}` needs the psutil package: pip install "otel-llm[cli]"')
    commands = importlib.import_module("otel_llm.cli.stack.commands")
    return int(commands.run(name, arguments))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: use 1 to 65535, or 0 for any free port")
    return int(text)
