"""The report of ``peers.py``: a table in Markdown and a plot in SVG."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

#: By case and peer: what each round of it told.
Raw = Mapping[tuple[str, str], Sequence[Mapping[str, float]]]
_COLOURS = ("#8a8a8a", "#4477aa", "#ee6677", "#ccbb44", "#aa3377", "#228833")


@dataclass(frozen=True)
class Added:
    """What a peer adds to a call, in microseconds: by the wall clock, by the processor, and how far rounds differ."""

    wall: float
    cpu: float
    noise: float
    #: Spans a call, and megabytes that the process had more than one without a peer.
    spans: float
    memory: float


class Figures:
    """What each peer adds in each case."""

    def __init__(self, floor: float, added: Mapping[tuple[str, str], Added]) -> None:
        #: Microseconds of the floor, by the processor.
        self.floor = floor
        self._added = added

    @classmethod
    def of(cls, raw: Raw) -> Figures:
        added = {}
        for (case, peer), rounds in raw.items():
            bare = raw.get((case, "none"))
            if peer == "none" or not bare:
                continue
            least = {name: min(told[name] for told in rounds) for name in ("wall", "cpu")}
            before = {name: min(told[name] for told in bare) for name in ("wall", "cpu")}
            added[case, peer] = Added(
                least["wall"] - before["wall"],
                least["cpu"] - before["cpu"],
                statistics.median(told["cpu"] for told in rounds) - least["cpu"],
                statistics.median(told["spans"] for told in rounds),
                (min(told["memory"] for told in rounds) - min(told["memory"] for told in bare)) / 1024,
            )
        floor = min((told["cpu"] for told in raw.get(("floor", "none"), ())), default=float("nan"))
        return cls(floor, added)

    def get(self, case: str, peer: str) -> Added | None:
        """``None`` if nothing was measured or no span was made: doing nothing is not fast."""
        added = self._added.get((case, peer))
        return added if added is not None and added.spans > 0 else None

    def per_chunk(self, peer: str) -> Added | None:
        """What a chunk of a stream adds: the slope from 20 to 200 chunks."""
        few, many = self.get("stream20", peer), self.get("stream200", peer)
        if few is None or many is None:
            return None
        return Added(
            (many.wall - few.wall) / 180,
            (many.cpu - few.cpu) / 180,
            (many.noise + few.noise) / 180,
            many.spans,
            many.memory,
        )


def table(figures: Figures, titles: Mapping[str, str], peers: Sequence[str], content: bool) -> str:
    """Microseconds that each peer adds: by the processor, and by the wall clock in brackets."""
    shown = [peer for peer in peers if peer != "none"]
    lines = [
        f"**Content {'captured' if content else 'off'}**: microseconds of processor time that a call costs more, all "
        "threads counted (in brackets: by the wall clock; ±: median minus least round). "
        f"The floor takes {figures.floor:.0f}.",
        "",
        f"| | {' | '.join(shown)} |",
        f"|---|{'---:|' * len(shown)}",
    ]
    rows = [(title, [figures.get(case, peer) for peer in shown]) for case, title in titles.items()]
    if "stream20" in titles and "stream200" in titles:
        rows.append(("a chunk (slope from 20 to 200)", [figures.per_chunk(peer) for peer in shown]))
    lines += [f"| {title} | {' | '.join(map(_cell, cells))} |" for title, cells in rows]
    spans = [_spans(figures, titles, peer) for peer in shown]
    lines += [f"| spans of an agent's run; of a chat | {' | '.join(spans)} |"]
    memory = [figures.get("chain", peer) or figures.get("chat", peer) for peer in shown]
    lines += [f"| megabytes more | {' | '.join('-' if one is None else f'{one.memory:.0f}' for one in memory)} |", ""]
    return "\n".join(lines)


def _cell(added: Added | None) -> str:
    if added is None:
        return "no span"
    digits = 1 if abs(added.cpu) < 10 else 0
    return f"{added.cpu:.{digits}f} ({added.wall:.{digits}f}) ±{added.noise:.{digits}f}"


def _spans(figures: Figures, titles: Mapping[str, str], peer: str) -> str:
    told = [figures.get(case, peer) if case in titles else None for case in ("agent", "chat")]
    return "; ".join("-" if one is None else f"{one.spans:.0f}" for one in told)


def plot(figures: Figures, titles: Mapping[str, str], peers: Sequence[str]) -> str:
    """Bars of what each peer adds, in shares of the largest of a case."""
    shown = [peer for peer in peers if peer != "none"]
    bar, gap, left, width = 14, 14, 250, 420
    lines = []
    top = 10
    for case, title in titles.items():
        found = [(at, figures.get(case, peer)) for at, peer in enumerate(shown)]
        most = max((one.cpu for _, one in found if one is not None), default=0)
        lines.append(
            f'<text x="{left - 8}" y="{top + bar}" text-anchor="end" font-weight="bold">{escape(title)}</text>'
        )
        for at, one in found:
            if one is None or most <= 0:
                continue
            length = max(one.cpu / most, 0) * width
            colour = _COLOURS[(at + 1) % len(_COLOURS)]
            lines.append(f'<rect x="{left}" y="{top}" width="{length:.0f}" height="{bar - 2}" fill="{colour}"/>')
            told = f"{shown[at]} {one.cpu:.0f} us"
            lines.append(f'<text x="{left + length + 5:.0f}" y="{top + bar - 3}" font-size="11">{escape(told)}</text>')
            top += bar
        top += gap
    size = f'width="{left + width + 170}" height="{top}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join(lines) + "\n</svg>\n"
