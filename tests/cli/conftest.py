"""Runs `otel-llm view`."""

from __future__ import annotations

import pytest
from otlp_json import View

from otel_llm.cli import main


@pytest.fixture
def view(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["view", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
