"""When the chunks of a stream came: plain numbers while they come, and metrics when the stream has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import randrange
from typing import TYPE_CHECKING, Any

from ..background import deferred
from ..config.choices import ChunkMetrics
from .recording import Recording

if TYPE_CHECKING:
    from opentelemetry.context import Context

#: More chunks than this are not kept: their gaps are recorded while the stream still comes.
MOST_KEPT = 512
#: ``ChunkMetrics.SAMPLED`` records one gap in so many.
ONE_IN = 10


class ChunkTimes:
    """The times of the chunks of one answer, by ``perf_counter_ns``."""

    __slots__ = ("_recording", "_times")

    def __init__(self, recording: Recording, first_ns: int) -> None:
        self._recording = recording
        self._times = [first_ns]
        recording.chunk(first_ns)

    def add(self, now_ns: int) -> bool:
        """Note one more chunk; return whether it is time to :meth:`settle`."""
        self._times.append(now_ns)
        return len(self._times) > MOST_KEPT

    def settle(
        self, attributes: Mapping[str, Any], response_model: str | None, context: Context, counts: bool = True
    ) -> None:
        """Note the last chunk, and have the gaps since the last time recorded, unless the call does not count."""
        times, recording = self._times, self._recording
        self._times = [times[-1]]
        recording.chunk(times[-1])
        telemetry = recording.telemetry
        if not counts or not telemetry.measured:
            return
        gaps = gaps_between(times, telemetry.settings.chunk_metrics)
        # In several pieces, so that other threads have their turn between two of them.
        for start in range(0, len(gaps), deferred.IN_ONE_GO):
            few = gaps[start : start + deferred.IN_ONE_GO]
            deferred.do(recording.instruments.chunks, few, attributes, response_model, context)


def gaps_between(times: Sequence[int], mode: ChunkMetrics) -> list[int]:
    """The differences of ``times`` that are recorded. Which one is the first of a sample is left to chance."""
    if mode is ChunkMetrics.ALL:
        return [later - earlier for earlier, later in pairwise(times)]
    if mode is ChunkMetrics.OFF:
        return []
    return [times[at + 1] - times[at] for at in range(randrange(ONE_IN), len(times) - 1, ONE_IN)]
