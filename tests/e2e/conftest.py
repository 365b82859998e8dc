"""End-to-end tests run real programs; where they are not built, these tests say so and are not run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from e2e.programs import BACKENDS, Program

P = TypeVar("P", bound=Program)

NEEDED = ("otelcol", "jaeger", "prometheus", "promtool", "kafka", "kube-score")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    missing = [name for name in NEEDED if not (BACKENDS / name).exists()]
    if missing and os.environ.get("E2E") != "required":
        reason = f"{', '.join(missing)} not built: run `make e2e`"
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def run() -> Iterator[Callable[[P], P]]:
    """Starts a program, which ends with the test."""
    with ExitStack() as running:
        yield lambda program: running.enter_context(program)
