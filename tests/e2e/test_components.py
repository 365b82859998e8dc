"""The tests of the Collector's own components, which are written in Go beside them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from e2e.programs import ROOT


@pytest.mark.timeout(900)  # the first time, Go compiles what they import
@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_the_components_of_ours_do_what_they_say() -> None:
    command = ["go", "test", "-mod=readonly", "-buildvcs=false", "./..."]
    done = subprocess.run(command, cwd=ROOT / "backends" / "collector", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
