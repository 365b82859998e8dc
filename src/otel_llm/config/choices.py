"""The settings that are one of a few values: their enums, and parsers where the environment has other texts."""

from __future__ import annotations

from enum import Enum

from .values import boolean


class ContentCapture(Enum):
    """Where prompts and answers are recorded: nowhere (the default), on spans, on events, or on both."""

    NO_CONTENT = (False, False)
    SPAN_ONLY = (True, False)
    EVENT_ONLY = (False, True)
    SPAN_AND_EVENT = (True, True)

    @property
    def on_span(self) -> bool:
        """Whether content is recorded on spans."""
        return self.value[0]

    @property
    def on_event(self) -> bool:
        """Whether content is recorded on events."""
        return self.value[1]


class MetricGeneration(Enum):
    """Which generation of metrics is recorded: the one that released tools read (the default), the newest, or both."""

    RELEASED = (True, False)
    LATEST = (False, True)
    BOTH = (True, True)

    @property
    def released(self) -> bool:
        """Whether the released metrics are recorded."""
        return self.value[0]

    @property
    def latest(self) -> bool:
        """Whether the newest metrics are recorded."""
        return self.value[1]


class ChunkMetrics(Enum):
    """Which times between chunks of a stream are recorded: all (the default), one in ten, or none."""

    ALL = "all"
    SAMPLED = "sampled"
    OFF = "off"


class LangChainSteps(Enum):
    """Which inner steps of a LangChain run are spans: none, nodes and steps with a name (the default), or all."""

    OFF = "off"
    NAMED = "named"
    ALL = "all"


class ForeignSpans(Enum):
    """What a call does inside of a span that another library makes of it: join it, leave it alone, or make its own."""

    JOIN = "join"
    LEAVE = "leave"
    OWN = "own"


class SamplingAlgorithm(Enum):
    """Which bits of the trace id the evaluation sampler decides by; ``AUTO`` (the default) follows the head sampler."""

    AUTO = "auto"
    TRACE_ID_RATIO = "trace_id_ratio"
    CONSISTENT = "consistent"


# --- parsers ----------------------------------------------------------------------------------


def content_capture(raw: str) -> ContentCapture:
    try:
        return ContentCapture[raw.upper()]
    except KeyError:
        pass
    try:  # earlier instrumentations had a boolean in place of the four modes
        return ContentCapture.SPAN_ONLY if boolean(raw) else ContentCapture.NO_CONTENT
    except ValueError:
        raise ValueError(f"expected one of {', '.join(mode.name for mode in ContentCapture)}") from None


def metric_generation(raw: str) -> MetricGeneration:
    # Other conventions (http, database, ...) have entries in this list too: those are ignored.
    entries = {entry.strip().lower() for entry in raw.split(",")}
    ours = {entry for entry in entries if entry.startswith("gen_ai")}
    latest = "gen_ai_latest_experimental"
    if ours - {latest, f"{latest}/dup"}:
        raise ValueError(f"expected {latest} or {latest}/dup")
    if f"{latest}/dup" in ours:
        return MetricGeneration.BOTH
    return MetricGeneration.LATEST if ours else MetricGeneration.RELEASED
