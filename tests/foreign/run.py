"""Runs the test suites of the libraries that are instrumented, without and with the instrumentation, and compares.

Each suite comes from the sdist of the installed version. A test whose outcome changes is ours to mend: its name is
printed, and the exit status is 1. Tests that fail both ways, for want of a service or a package, are only counted.

    python tests/foreign/run.py [--only NAME ...] [pytest arguments]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Suite:
    """The tests of a distribution: the paths in its sdist, and arguments for pytest."""

    distribution: str
    paths: tuple[str, ...]
    arguments: tuple[str, ...] = ()


SUITES = (
    Suite(
        "langchain-core",
        ("tests/unit_tests",),
        ("--disable-socket", "--allow-unix-socket"),
    ),
    Suite("langgraph", ("tests",)),
    # Of openai's thirteen thousand tests those of what is instrumented; the others need a mock server in Node.js.
    Suite(
        "openai",
        (
            *("tests/lib/chat", "tests/lib/responses", "tests/lib/streaming"),
            *(f"tests/lib/test_{of}.py" for of in ("azure", "decisions_tool_runner", "embeddings", "streaming_deltas")),
            "tests/lib/test_embedding_request_context.py",
            *(f"tests/test_{of}.py" for of in ("client", "legacy_response", "response", "sse_framing", "streaming")),
        ),
        ("-o", "addopts=", "-o", "filterwarnings=default"),
    ),
)
STANDARD = "langchain-tests"
#: Tests whose outcome may differ, and why.
KNOWN = {
    "tests/unit_tests/runnables/test_config.py::test_merge_config_callbacks": (
        "counts the handlers of a callback manager, of which ours is one"
    ),
    "tests/unit_tests/language_models/chat_models/test_benchmark.py::test_benchmark_model": (
        "allows a thousand calls one second; with all content recorded they take two thirds of it on a quiet machine"
    ),
}
Outcomes = dict[str, str]


def source(suite: Suite, work: Path) -> Path:
    """The unpacked sdist of the installed version, downloaded once."""
    release = version(suite.distribution)
    folder = work / f"{suite.distribution.replace('-', '_')}-{release}"
    if not folder.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run(
            [*download, "--no-binary", ":all:", "--dest", str(work), f"{suite.distribution}=={release}"], check=True
        )
        with tarfile.open(f"{folder}.tar.gz") as archive:
            archive.extractall(work, filter="data")
    return folder


def outcomes(name: str, folder: Path, arguments: list[str], work: Path, instrumented: bool) -> Outcomes:
    """Run pytest in ``folder`` and return the outcome of each test."""
    told = work / f"{name}-{'on' if instrumented else 'off'}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(HERE), *filter(None, [os.environ.get("PYTHONPATH")]))),
        "PYTHONHASHSEED": "0",
        "FOREIGN_OUTCOMES": f"{told}.json",
        "FOREIGN_INSTRUMENTED": "1" if instrumented else "",
        "NO_DOCKER": "true",
        "LANGSMITH_TRACING": "false",
    }
    # What stays from one run must not change the next.
    Path(f"{told}.json").unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "plugin",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
    ]
    command += arguments
    with open(f"{told}.log", "w") as log:
        subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    try:
        found: Outcomes = json.loads(Path(f"{told}.json").read_text())
    except FileNotFoundError:
        raise SystemExit(f"the tests of {name} did not run: see {told}.log") from None
    return found


def differing(off: Outcomes, on: Outcomes) -> list[str]:
    """The tests whose outcome is not the same."""
    return sorted(test for test in off.keys() | on.keys() if off.get(test) != on.get(test))


def compare(name: str, folder: Path, arguments: list[str], paths: list[str], work: Path) -> list[str]:
    """Run a suite both ways; return a line for each test whose outcome differs, and does so again when run anew."""
    began = time.monotonic()
    off, on = (outcomes(name, folder, [*paths, *arguments], work, instrumented) for instrumented in (False, True))
    for title, found in (("off", off), ("on", on)):
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(found.values()).items()))
        print(f"{name:15} {title:3} {counts}", flush=True)
    print(f"{name:15} took {time.monotonic() - began:.0f} s", flush=True)
    if "passed" not in off.values():
        return [f"{name}: no test passes, see {work / name}-off.log"]
    again = [test for test in differing(off, on) if test not in KNOWN]
    if again:  # tests that measure time fail on a busy machine: a fault of ours is one the next time too
        print(f"{name:15} once more: {len(again)} tests", flush=True)
        off, on = (outcomes(f"{name}-again", folder, [*again, *arguments], work, one) for one in (False, True))
        again = [test for test in differing(off, on) if test not in KNOWN]
    return [f"{name}: {test}: {off.get(test, 'absent')} off, {on.get(test, 'absent')} on" for test in again]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*(suite.distribution for suite in SUITES), STANDARD]
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--work", type=Path, default=Path("out/foreign"), help="where sources and logs go")
    chosen, more = parser.parse_known_args()
    work = chosen.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    differences: list[str] = []
    for suite in SUITES:
        if suite.distribution in chosen.only:
            arguments = [*suite.arguments, *more]
            differences += compare(suite.distribution, source(suite, work), arguments, list(suite.paths), work)
    if STANDARD in chosen.only:
        options = ["--rootdir", str(HERE), "--confcutdir", str(HERE), "-o", "asyncio_mode=auto", "-o", "addopts="]
        # Clients are shared between models, and with them the event loop.
        options += [
            option for of in ("fixture", "test") for option in ("-o", f"asyncio_default_{of}_loop_scope=session")
        ]
        differences += compare(STANDARD, HERE, [*options, *more], ["standard_model.py"], work)
    for line in differences:
        print(f"DIFFERS {line}")
    print(f"{len(differences)} tests differ")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
