"""Python programs that a test runs in processes of their own, where the environment is theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from standin.openai import OpenAIServer
from standin.sagemaker import SageMakerServer

LAUNCHER = Path(sys.executable).with_name("opentelemetry-instrument")
#: An environment that exports nothing.
NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


def python(
    *arguments: str | Path, launched: bool = False, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run this Python with ``arguments``, under the launcher if it is to be ``launched``. It must end well.

    Of this process's environment it has all but what concerns telemetry and OpenAI, and ``environment`` besides.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    command: list[Any] = [sys.executable, *arguments]
    finished = subprocess.run(
        [LAUNCHER, *command] if launched else command,
        env=inherited | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished


@contextmanager
def stand_ins() -> Iterator[dict[str, str]]:
    """The environment of a program that talks to the stand-ins of the providers, while they run."""
    with OpenAIServer() as openai, SageMakerServer() as sagemaker:
        yield {
            "OPENAI_BASE_URL": openai.base_url,
            "OPENAI_API_KEY": "stand-in",
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": sagemaker.url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "stand-in",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
        }
