"""The report of ``make bench-peers``: doing nothing is not fast."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from peer_report import Figures, plot, table  # type: ignore[import-not-found, unused-ignore]

TITLES = {"chat": "a small chat", "stream20": "20 chunks", "stream200": "200 chunks", "agent": "an <agent>"}
PEERS = ["none", "official", "idle"]


def told(cpu: float, spans: float = 1) -> dict[str, float]:
    return {"cpu": cpu, "wall": cpu + 5, "spans": spans, "memory": 2048 * cpu}


@pytest.fixture
def figures() -> Figures:
    raw = {
        ("floor", "none"): [told(70)],
        ("chat", "none"): [told(100, 0), told(120, 0)],
        ("chat", "official"): [told(360), told(340)],
        ("chat", "idle"): [told(100, 0)],
        ("stream20", "none"): [told(200, 0)],
        ("stream20", "official"): [told(500)],
        ("stream200", "none"): [told(2000, 0)],
        ("stream200", "official"): [told(4100)],
    }
    return Figures.of(raw)


def test_a_figure_is_what_is_added_in_the_least_disturbed_round(figures: Figures) -> None:
    added = figures.get("chat", "official")
    assert added is not None
    assert (added.cpu, added.wall, added.noise, added.memory) == (240, 240, 10, 480)
    per_chunk = figures.per_chunk("official")
    assert per_chunk is not None
    assert per_chunk.cpu == 10


def test_no_span_is_no_figure(figures: Figures) -> None:
    assert figures.get("chat", "idle") is None
    assert figures.get("agent", "official") is None
    report = table(figures, TITLES, PEERS, content=False)
    assert "| a small chat | 240 (240) ±10 | no span |" in report
    assert "| a chunk (slope from 20 to 200) | 10 (10) ±0 | no span |" in report
    assert "The floor takes 70." in report


def test_the_plot_is_an_image(figures: Figures) -> None:
    picture = ElementTree.fromstring(plot(figures, TITLES, PEERS))
    bars = [one for one in picture if one.tag.endswith("rect")]
    assert len(bars) == 3
