"""The commands `up`, `down` and `status`, and their output."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shlex
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from otel_llm.cli.stack import docker, endpoint
from otel_llm.cli.stack.native import Stack
from otel_llm.cli.stack.plan import PORTS, PROGRAMS, StackError, binaries, home
from otel_llm.cli.terminal import fail, tell

UNHEALTHY = 1


def run(name: str, arguments: argparse.Namespace) -> int:
    """Run the command `name` and return its exit code."""
    command = {"up": _up, "down": _down, "status": _status}[name]
    try:
        return command(arguments)
    except StackError as error:
        return fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return fail(f"the disk that holds {arguments.directory} is full: free some space, or use --directory")
        return fail(f"{error}; use --directory for another folder")


def _up(arguments: argparse.Namespace) -> int:
    stack = Stack.load(arguments.directory)
    programs = binaries(arguments.programs)
    if arguments.docker or (not stack.running and _only_docker(programs)):
        docker.up()
        _print_access(docker.URLS, docker.ENVIRONMENT)
        return 0
    ports = {name: getattr(arguments, f"{name.replace('-', '_')}_port") for name in PORTS}
    started = stack.up(programs, ports)
    assert stack.plan is not None
    print(f"Started: {', '.join(started)}." if started else "Everything is running already.")
    _print_access(stack.plan.urls, stack.plan.environment)
    print(f"\nLogs and data: {stack.directory}\nTo stop it: otel-llm down{_directory_option(arguments)}")
    if _has_no_page(stack.plan.urls["Jaeger"]):
        tell(
            "this Jaeger has an API but no web page, because it was built from Go modules; for the page, use a released"
            " `jaeger` with --programs, or --docker"
        )
    return 0


def _only_docker(programs: Mapping[str, str]) -> bool:
    """Whether containers must be used because native programs are missing.

    Raises:
        StackError: containers can't be run either.
    """
    missing = [PROGRAMS[name][0] for name in PROGRAMS if name not in programs]
    if not missing:
        return False
    if reason := docker.why_not():
        raise StackError(
            f"{', '.join(missing)} not found: run `make backends` in a checkout of otel-llm, or put released programs"
            f" on the PATH or into a folder for --programs. Containers can't be used either: {reason}"
        )
    return True


def _down(arguments: argparse.Namespace) -> int:
    stack = Stack.load(arguments.directory)
    stopped = stack.down() if stack.plan else []
    if stopped:
        print(f"Stopped: {', '.join(stopped)}. Their data is still in {stack.directory}.")
    elif not docker.why_not() and docker.running():
        docker.down()
    else:
        print("Nothing was running.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    stack = Stack.load(arguments.directory)
    problem = endpoint.problem(os.environ)
    if stack.plan is None and not docker.why_not() and docker.running():
        health, urls, environment = {"containers": "ready"}, docker.URLS, docker.ENVIRONMENT
    elif stack.plan is not None:
        health, urls, environment = stack.health(), stack.plan.urls, stack.plan.environment
    else:
        health, urls, environment = {}, {}, {}
    if arguments.json:
        print(json.dumps({"programs": health, "urls": urls, "environment": environment, "problem": problem}))
    elif health:
        _print_health(stack, health)
        _print_access(urls, environment)
    else:
        print(f"Nothing is running. To start it: otel-llm up{_directory_option(arguments)}")
    if problem:
        tell(problem)
    return 0 if health and not problem and set(health.values()) == {"ready"} else UNHEALTHY


def _print_health(stack: Stack, health: Mapping[str, str]) -> None:
    for name, state in health.items():
        where = "" if state == "ready" else f"   log: {stack.log(name)}"
        print(f"{name:<12} {state}{where}")
    if "not running" in health.values():
        tell("a program has ended: `otel-llm up` starts it again")


def _print_access(urls: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Print the URLs to open and the environment variables to set."""
    print()
    for name, url in urls.items():
        print(f"{name:<16} {url}")
    print("\nTo send an application's telemetry there:")
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")


def _directory_option(arguments: argparse.Namespace) -> str:
    directory: Path = arguments.directory
    return "" if directory == home() else f" --directory {shlex.quote(str(directory))}"


def _has_no_page(jaeger: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(jaeger, timeout=5) as response:
            return b"<script" not in response.read()
    except OSError:
        return False
