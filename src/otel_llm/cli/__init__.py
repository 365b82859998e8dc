"""The `otel-llm` command.

Each subcommand is a module with a function `register(subparsers)`. It adds the subcommand's parser and sets its `run`,
which takes the parsed arguments and returns the exit code. Large libraries are imported only when a subcommand runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from otel_llm.cli import cost, erase, evaluation, feedback, prices, stack, view
from otel_llm.version import __version__

_COMMANDS = (view, cost, prices, evaluation, feedback, erase, stack)

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the arguments of this process) and return the exit code."""
    parser = argparse.ArgumentParser(prog="otel-llm", description="Tools for the telemetry of LLM applications.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.register(subparsers)
    arguments = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        # Otherwise the interpreter reports the same error again when it flushes standard output at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
