"""Builds the native backends and what checks them: Collector, Jaeger, Prometheus with promtool, Kafka, kube-score.

`make backends` runs it. Versions and checksums stand in the module files beside this file. Each program is built once
per content of its folder, into ${XDG_CACHE_HOME:-~/.cache}/otel-llm/backends, and linked from `bin` there. Standard
library only.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-llm" / "backends"

GIGABYTE = 1_000_000_000
NEEDED_BYTES = 8 * GIGABYTE  # modules and Go's build cache of all programs
LOG_LINES = 25


class BuildError(Exception):
    """A program cannot be built; the message says what to do."""


@dataclass(frozen=True)
class Backend:
    """One folder of module files and what comes out of it: names below the result's folder, linked from `bin`."""

    name: str
    needs: dict[str, str]
    build: Callable[[Backend, Path, Path], None]
    links: dict[str, str]
    packages: tuple[str, ...] = ()
    tags: str = ""

    @property
    def source(self) -> Path:
        return HERE / self.name

    @property
    def pins(self) -> str:
        """What identifies a build: the content of its folder, tests aside, and how it is built."""
        digest = hashlib.sha256(repr((self.packages, self.tags, self.links)).encode())
        for path in sorted(path for path in self.source.rglob("*") if path.is_file() and "_test." not in path.name):
            digest.update(path.relative_to(self.source).as_posix().encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    @property
    def result(self) -> Path:
        return CACHE / f"{self.name}-{self.pins}"


def build_go(backend: Backend, into: Path, log: Path) -> None:
    # Stripped: half the size. `readonly` takes exactly what go.mod and go.sum say, or fails.
    options = ["-mod=readonly", "-buildvcs=false", "-ldflags=-s -w", f"-tags={backend.tags}", "-o", f"{into}/"]
    command = ["go", "build", *options, *backend.packages]
    run(command, backend.source, log)


def build_kafka(backend: Backend, into: Path, log: Path) -> None:
    # Maven writes `target` beside the pom.
    pom = shutil.copy(backend.source / "pom.xml", into.parent)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={into / 'kafka'}"]
    run(["mvn", "--batch-mode", "--strict-checksums", "--file", pom, *goal], into.parent, log)
    sums = (backend.source / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in sums)}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in (into / "kafka").iterdir()}
    if expected != found:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise BuildError(f"kafka: not the jars that {backend.source / 'SHA256SUMS'} names: {', '.join(wrong)}")


def run(command: list[str], directory: Path, log: Path) -> None:
    with log.open("ab") as output:
        done = subprocess.run(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        said = log.read_text(errors="replace")
        end = "\n".join(f"    {line}" for line in said.splitlines()[-LOG_LINES:])
        raise BuildError(f"`{' '.join(command)}` failed.{reason(said)} The end of {log}:\n{end}")


def reason(said: str) -> str:
    if "no space left on device" in said.lower():
        return f" The disk is full: free about {NEEDED_BYTES // GIGABYTE} GB."
    if "requires go >=" in said or "invalid go version" in said:
        return " A newer Go is needed: https://go.dev/dl/."
    return ""


GO = {"go": "install Go 1.26 or newer, https://go.dev/dl/"}
JAVA = {
    "java": "install a Java runtime, 17 or newer (Debian: apt install openjdk-17-jre-headless)",
    "mvn": "install Maven (Debian: apt install maven)",
}

# The fastest first.
BACKENDS = (
    Backend("kafka", JAVA, build_kafka, {"kafka": "kafka"}),
    Backend("kube-score", GO, build_go, {"kube-score": "kube-score"}, ("github.com/zegl/kube-score/cmd/kube-score",)),
    Backend("collector", GO, build_go, {"otelcol": "collector"}, (".",)),
    Backend("jaeger", GO, build_go, {"jaeger": "jaeger"}, ("github.com/jaegertracing/jaeger/cmd/jaeger",)),
    Backend(
        "prometheus",
        GO,
        build_go,
        {"prometheus": "prometheus", "promtool": "promtool"},
        tuple(f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")),
        # Without the service discovery of every cloud: it would be most of the build, and everything here is local.
        tags="remove_all_sd",
    ),
)


def main() -> int:
    names = [backend.name for backend in BACKENDS]
    parser = argparse.ArgumentParser(description="Builds the native backends.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all without")
    wanted = parser.parse_args().names or names
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no backend {', '.join(unknown)}: there are {', '.join(names)}")
    chosen = [backend for backend in BACKENDS if backend.name in wanted]
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        with alone():
            check(backend for backend in chosen if not backend.result.exists())
            for backend in chosen:
                provide(backend)
    except BuildError as error:
        print(f"backends: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"backends: {error}: is {CACHE} a place to write, with room?", file=sys.stderr)
        return 1
    print(f"Backends: {CACHE / 'bin'}", flush=True)
    return 0


@contextmanager
def alone() -> Iterator[None]:
    """Two builds at the same time would do the same work twice."""
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another build is running; waiting for it ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check(missing: Iterator[Backend]) -> None:
    """Say everything that is lacking at once, before the first long build."""
    tools = {tool: advice for backend in missing for tool, advice in backend.needs.items()}
    lacking = [f"{tool} is missing: {advice}" for tool, advice in tools.items() if shutil.which(tool) is None]
    if tools and (free := shutil.disk_usage(CACHE).free) < NEEDED_BYTES:
        lacking.append(
            f"{CACHE} has {free / GIGABYTE:.1f} GB of room, the builds need about {NEEDED_BYTES // GIGABYTE};"
            " free some, or set XDG_CACHE_HOME (and GOPATH, GOCACHE) to a larger disk"
        )
    if lacking:
        raise BuildError("; ".join(lacking))


def provide(backend: Backend) -> None:
    if not backend.result.exists():
        log = CACHE / f"{backend.name}.log"
        log.unlink(missing_ok=True)
        print(f"{backend.name}: building; {log} grows (minutes, the first time) ...", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{backend.name}-building-") as temporary:
            result = Path(temporary) / "result"
            result.mkdir()
            backend.build(backend, result, log)
            result.rename(backend.result)
        print(f"{backend.name}: built in {time.monotonic() - started:.0f} s: {backend.result}", flush=True)
    links = CACHE / "bin"
    links.mkdir(exist_ok=True)
    for name, target in backend.links.items():
        fresh = links / f".{name}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(backend.result / target)
        fresh.replace(links / name)


if __name__ == "__main__":
    sys.exit(main())
