"""The configuration that `otel-llm up` gives a Collector, by the components that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_llm.cli.stack.plan import PORTS, native

OURS = "connectors:\n    - name: forward\n    - name: span_series\n"
CONTRIB = "connectors:\n    - name: forward\n"


@pytest.mark.parametrize(
    ("said", "code", "file"), [(OURS, 0, "spans"), (CONTRIB, 0, "spans-contrib"), ("", 1, "spans")]
)
def test_a_collector_gets_files_that_it_can_load(tmp_path: Path, said: str, code: int, file: str) -> None:
    program = tmp_path / "otelcol"
    program.write_text(f"#!/bin/sh\n[ $1 = components ] && echo '{said}'\nexit {code}\n")
    program.chmod(0o755)
    programs = {"collector": str(program), "jaeger": "jaeger", "prometheus": "prometheus"}
    plan = native(programs, dict.fromkeys(PORTS, 0), tmp_path)
    (collector,) = (service for service in plan.services if service.name == "collector")
    names = [Path(argument).stem for argument in collector.command[1:]]
    assert names == ["common", "ingest", file, "keep-all", "evaluation", "jaeger"]


def test_what_is_no_program_gets_the_files_of_ours(tmp_path: Path) -> None:
    programs = {"collector": str(tmp_path / "nothing"), "jaeger": "jaeger", "prometheus": "prometheus"}
    plan = native(programs, dict.fromkeys(PORTS, 0), tmp_path)
    assert any(argument.endswith("/spans.yaml") for service in plan.services for argument in service.command)
