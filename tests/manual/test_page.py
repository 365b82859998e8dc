"""The page says how many lines its two programs have, and ours has fewer."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "manual.md").read_text()


def test_the_twin_takes_fewer_lines() -> None:
    section = PAGE.partition("## The LLM Twin's")[2]
    said = [int(number) for number in re.findall(r"\((\d+) lines\)", section)]
    blocks = re.findall(r"^```py(?:thon)?\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    counted = []
    for block in blocks:
        twin = re.search(r"^class LLMTwin:\n(?:(?:    .*)?\n)+", block, re.MULTILINE)
        assert twin is not None
        counted.append(sum(1 for line in twin[0].splitlines() if line.strip()))
    assert counted == said
    assert counted[1] < counted[0]
