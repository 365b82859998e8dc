"""Runs `otel-llm view` and `otel-llm cost`."""

from __future__ import annotations

import pytest
from otlp_json import View

from otel_llm.cli import main


def _command(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([name, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def view(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> View:
    return _command("view", capsys, monkeypatch)


@pytest.fixture
def cost(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> View:
    return _command("cost", capsys, monkeypatch)
