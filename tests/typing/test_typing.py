"""What a type checker makes of the public API: right where ``manual_api.py`` is, and wrong where it says so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("manual_api.py")
ROOT = SOURCE.parents[2]


def test_mypy(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(SOURCE)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    lines = SOURCE.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    told = {int(number) for number in re.findall(rf"{SOURCE.name}:(\d+): error:", checked.stdout)}
    assert told == wrong, checked.stdout
