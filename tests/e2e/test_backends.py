"""`make backends`: builds once, only what is pinned, and says what is lacking."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.programs import BACKENDS, ROOT

pytestmark = pytest.mark.timeout(900)

SOURCE = ROOT / "backends"


def build(*names: str, source: Path = SOURCE, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, source / "build.py", *names],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def test_what_is_built_is_not_built_again() -> None:
    build()
    done = build()
    assert done.returncode == 0, done.stderr
    assert "building" not in done.stdout
    assert done.stdout.endswith(f"Backends: {BACKENDS}\n")


def test_missing_tools_are_all_told_before_anything_is_built(tmp_path: Path) -> None:
    done = build(XDG_CACHE_HOME=str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1
    for told in ("go is missing: install Go", "java is missing", "mvn is missing: install Maven"):
        assert told in done.stderr
    assert not list((tmp_path / "otel-llm" / "backends").glob("*-*"))


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    done = build("zipkin")
    assert done.returncode == 2
    assert "no backend zipkin: there are kafka, kube-score, collector, jaeger, prometheus" in done.stderr


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "backends"
    shutil.copytree(SOURCE, source)
    sums = source / "kafka" / "SHA256SUMS"
    jar = next(line.split()[1] for line in sums.read_text().splitlines() if "kafka-clients" in line)
    sums.write_text(
        "".join(f"{'0' * 64}  {jar}\n" if jar in line else f"{line}\n" for line in sums.read_text().splitlines())
    )
    done = build("kafka", source=source, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert f"names: {jar}" in done.stderr
    assert not (tmp_path / "cache" / "otel-llm" / "backends" / "bin").exists()


def test_a_module_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "backends"
    shutil.copytree(SOURCE, source)
    sums = source / "collector" / "go.sum"
    otelcol = "go.opentelemetry.io/collector/otelcol v0.155.0 h1:"
    lines = sums.read_text().splitlines()
    assert any(line.startswith(otelcol) for line in lines)
    wrong = otelcol + "A" * 43 + "="
    sums.write_text("".join(f"{wrong if line.startswith(otelcol) else line}\n" for line in lines))
    done = build("collector", source=source, XDG_CACHE_HOME=str(tmp_path / "cache"), GOCACHE=go("GOCACHE"))
    assert done.returncode == 1
    assert "checksum mismatch" in done.stderr


def go(name: str) -> str:
    """A setting of Go's, which a cache of the test's own must not move."""
    return subprocess.run(["go", "env", name], capture_output=True, text=True, check=True).stdout.strip()
