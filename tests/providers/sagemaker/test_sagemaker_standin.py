"""The stand-in, by botocore's own parser: frames, errors, and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asking import CHAT, GENERATE, invoke, stream

from standin import sagemaker as standin

EXAMPLES = Path(standin.__file__).parents[1]
_ASKED: dict[str, Any] = {"tei": {"inputs": "a"}, "embed": {"input": "a"}, "completion": {"prompt": "a"}}


@pytest.mark.parametrize("kind", [kind for kind in standin._KINDS if kind not in ("csv", "image")])
def test_every_container_answers_with_json(client: Any, sparse: Any, kind: str) -> None:
    asked = _ASKED.get(kind, CHAT if "chat" in kind else GENERATE)
    assert json.loads(invoke(client, f"{kind}-x", asked))
    assert standin.kind_of(f"{kind}-x") == kind


@pytest.mark.parametrize("kind", ["chat", "lmi-chat", "completion", "tgi", "lmi", "batch"])
def test_every_container_that_streams(client: Any, sparse: Any, kind: str) -> None:
    data = stream(client, kind, _ASKED.get(kind, CHAT if "chat" in kind else GENERATE))
    assert data.startswith(b"data: " if kind in ("chat", "completion", "tgi") else b"{")
    assert len(sparse.spans) == 1


def test_the_command_line() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "standin.sagemaker", "--port", "0"],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
    finally:
        process.terminate()
        process.communicate(timeout=10)
