"""One frozen :class:`Settings`, read from the environment once.

==========================================================  ==================================================
variable                                                    meaning
==========================================================  ==================================================
``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``      where prompts and answers are recorded:
                                                            ``NO_CONTENT`` (default), ``SPAN_ONLY``,
                                                            ``EVENT_ONLY``, ``SPAN_AND_EVENT``;
                                                            ``true`` = ``SPAN_ONLY``, ``false`` = ``NO_CONTENT``
``OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT``                   emit the operation-details event: ``true``/``false``;
                                                            default: only if content goes to events
``OTEL_SEMCONV_STABILITY_OPT_IN``                           ``gen_ai_latest_experimental`` sends the newest
                                                            metrics, with ``/dup`` both generations
``OTEL_LLM_CONTENT_MAX_BYTES``                              most bytes of one content attribute (65536)
``OTEL_LLM_CAPTURE_MEDIA``                                  carry base64 media in content, not only describe it
                                                            (``false``)
``OTEL_LLM_STREAM_USAGE``                                   ask the provider for the usage of a streamed chat and
                                                            hide the extra chunk (``false``)
``OTEL_LLM_LANGCHAIN_STEPS``                                which inner steps of LangChain runs are spans:
                                                            ``off``, ``named`` (nodes of graphs, steps the
                                                            application named; default), ``all``
``OTEL_LLM_LANGCHAIN_LEAVE_TO_SDK``                         providers, comma-separated, whose SDK traces itself and
                                                            shall make the spans also under LangChain (none)
``OTEL_LLM_BAGGAGE``                                        what of ``propagate_attributes(...)`` goes elsewhere
                                                            as baggage, and is read from theirs: of ``session_id``,
                                                            ``user_id``, ``conversation_id``, comma-separated (none)
``OTEL_LLM_PROMPT_LOG``                                     the file that each call of a model is logged to as a line
                                                            of JSON; ``-``: standard output, ``stderr`` (none)
``OTEL_LLM_EVAL_SAMPLE_RATE``                               share of all traces to sample for evaluation, 0 to 1;
                                                            this or rules switch the evaluation sampler on
``OTEL_LLM_EVAL_RULES``                                     rules beside the rate, inline as JSON or YAML
``OTEL_LLM_EVAL_RULES_FILE``                                a JSON or YAML file of them
``OTEL_LLM_EVAL_DATASET``                                   where items go: a SQLite file, or with the suffix
                                                            ``.jsonl`` JSON lines (``otel-llm-evaluation.db``)
``OTEL_LLM_EVAL_CAPTURE_CONTENT``                           capture the content of sampled traces (``false``)
``OTEL_LLM_EVAL_MAX_PER_MINUTE``                            most items a minute and process (no limit)
``OTEL_LLM_EVAL_GRACE``                                     seconds to wait for spans that end after their root (1)
``OTEL_LLM_EVAL_ALGORITHM``                                 how traces are chosen: ``auto``, ``trace_id_ratio``,
                                                            ``consistent`` (``auto``: as the head sampler does)
==========================================================  ==================================================

A value that can't be used gets one warning that names variable, value and default; the application runs on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

_logger = logging.getLogger("otel_llm")

CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EMIT_EVENT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
STABILITY_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
CONTENT_MAX_BYTES = "OTEL_LLM_CONTENT_MAX_BYTES"
CAPTURE_MEDIA = "OTEL_LLM_CAPTURE_MEDIA"
STREAM_USAGE = "OTEL_LLM_STREAM_USAGE"
LANGCHAIN_STEPS = "OTEL_LLM_LANGCHAIN_STEPS"
LANGCHAIN_LEAVE_TO_SDK = "OTEL_LLM_LANGCHAIN_LEAVE_TO_SDK"
BAGGAGE = "OTEL_LLM_BAGGAGE"
PROMPT_LOG = "OTEL_LLM_PROMPT_LOG"
EVAL_SAMPLE_RATE = "OTEL_LLM_EVAL_SAMPLE_RATE"
EVAL_RULES = "OTEL_LLM_EVAL_RULES"
EVAL_RULES_FILE = "OTEL_LLM_EVAL_RULES_FILE"
EVAL_DATASET = "OTEL_LLM_EVAL_DATASET"
EVAL_CAPTURE_CONTENT = "OTEL_LLM_EVAL_CAPTURE_CONTENT"
EVAL_MAX_PER_MINUTE = "OTEL_LLM_EVAL_MAX_PER_MINUTE"
EVAL_GRACE = "OTEL_LLM_EVAL_GRACE"
EVAL_ALGORITHM = "OTEL_LLM_EVAL_ALGORITHM"

DEFAULT_CONTENT_MAX_BYTES = 65536
#: Room for the shortest valid JSON of a message with its truncation mark.
MIN_CONTENT_BYTES = 256
#: What ``baggage`` may name.
BAGGAGE_NAMES = frozenset({"session_id", "user_id", "conversation_id"})


class ContentCapture(Enum):
    """Where the words of prompts and answers are recorded."""

    NO_CONTENT = (False, False)
    SPAN_ONLY = (True, False)
    EVENT_ONLY = (False, True)
    SPAN_AND_EVENT = (True, True)

    @property
    def on_span(self) -> bool:
        return self.value[0]

    @property
    def on_event(self) -> bool:
        return self.value[1]


class MetricGeneration(Enum):
    """Which metric names are sent: those released tools read, the newest, or both."""

    RELEASED = (True, False)
    LATEST = (False, True)
    BOTH = (True, True)

    @property
    def released(self) -> bool:
        return self.value[0]

    @property
    def latest(self) -> bool:
        return self.value[1]


class LangChainSteps(Enum):
    """Which inner steps of a LangChain run are spans of their own."""

    OFF = "off"
    NAMED = "named"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Settings:
    """How otel-llm behaves; see the table in this module for each knob's variable and meaning."""

    capture_content: ContentCapture = ContentCapture.NO_CONTENT
    emit_event: bool | None = None  # follows capture_content
    metrics: MetricGeneration = MetricGeneration.RELEASED
    content_max_bytes: int = DEFAULT_CONTENT_MAX_BYTES
    capture_media: bool = False
    stream_usage: bool = False
    langchain_steps: LangChainSteps = LangChainSteps.NAMED
    langchain_leave_to_sdk: frozenset[str] = frozenset()
    baggage: frozenset[str] = frozenset()
    prompt_log: str | None = None

    def __post_init__(self) -> None:
        if self.emit_event is None:
            object.__setattr__(self, "emit_event", self.capture_content.on_event)
        if self.content_max_bytes < MIN_CONTENT_BYTES:
            raise ValueError(
                f"content_max_bytes must be at least {MIN_CONTENT_BYTES} bytes, not {self.content_max_bytes}"
            )
        if unknown := self.baggage - BAGGAGE_NAMES:
            raise ValueError(_unknown_baggage(unknown))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read every knob from ``environ`` (default: the process'); bad values warn and fall back."""
        env = os.environ if environ is None else environ
        content = _read(env, CAPTURE_CONTENT, _content_mode, ContentCapture.NO_CONTENT)
        return cls(
            capture_content=content,
            emit_event=_read(env, EMIT_EVENT, _boolean, content.on_event),
            metrics=_read(env, STABILITY_OPT_IN, _metric_generation, MetricGeneration.RELEASED),
            content_max_bytes=_read(env, CONTENT_MAX_BYTES, _content_bytes, DEFAULT_CONTENT_MAX_BYTES),
            capture_media=_read(env, CAPTURE_MEDIA, _boolean, False),
            stream_usage=_read(env, STREAM_USAGE, _boolean, False),
            langchain_steps=_read(env, LANGCHAIN_STEPS, _langchain_steps, LangChainSteps.NAMED),
            langchain_leave_to_sdk=_read(env, LANGCHAIN_LEAVE_TO_SDK, _names, frozenset()),
            baggage=_read(env, BAGGAGE, _baggage, frozenset()),
            prompt_log=_read(env, PROMPT_LOG, str, None),
        )


_T = TypeVar("_T")
_told: set[tuple[str, str]] = set()


def _read(env: Mapping[str, str], name: str, parse: Callable[[str], _T], default: _T) -> _T:
    raw = env.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except ValueError as error:
        warn(name, raw, error, default)
        return default


def warn(name: str, raw: str, error: Exception, default: Any) -> None:
    """Say once that the value ``raw`` of the variable ``name`` can't be used."""
    if (name, raw) in _told:
        return
    _told.add((name, raw))  # each instrumentor reads the environment
    _logger.warning("%s=%r can't be used: %s; using the default, %s", name, raw, error, _shown(default))


def _shown(default: Any) -> str:
    """As the variable would have it."""
    if isinstance(default, Enum):
        return default.value if isinstance(default.value, str) else default.name
    return "none" if default == frozenset() else str(default).lower()


def _boolean(raw: str) -> bool:
    value = raw.lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    raise ValueError("expected true or false")


def _content_mode(raw: str) -> ContentCapture:
    try:
        return ContentCapture[raw.upper()]
    except KeyError:
        pass
    try:  # the switch of the instrumentations before the four modes
        return ContentCapture.SPAN_ONLY if _boolean(raw) else ContentCapture.NO_CONTENT
    except ValueError:
        raise ValueError(f"expected one of {', '.join(mode.name for mode in ContentCapture)}") from None


def _langchain_steps(raw: str) -> LangChainSteps:
    try:
        return LangChainSteps(raw.lower())
    except ValueError:
        raise ValueError(f"expected one of {', '.join(steps.value for steps in LangChainSteps)}") from None


def _names(raw: str) -> frozenset[str]:
    return frozenset(name for part in raw.split(",") if (name := part.strip().lower()))


def _baggage(raw: str) -> frozenset[str]:
    names = _names(raw)
    if unknown := names - BAGGAGE_NAMES:
        raise ValueError(_unknown_baggage(unknown))
    return names


def _unknown_baggage(unknown: frozenset[str]) -> str:
    return f"baggage can't carry {', '.join(sorted(unknown))}, only {', '.join(sorted(BAGGAGE_NAMES))}"


def _content_bytes(raw: str) -> int:
    message = f"expected a whole number of bytes, at least {MIN_CONTENT_BYTES}"
    try:
        value = int(raw)
    except ValueError:
        raise ValueError(message) from None
    if value < MIN_CONTENT_BYTES:
        raise ValueError(message)
    return value


def _metric_generation(raw: str) -> MetricGeneration:
    # The variable is a list shared with other conventions (http, database, ...): their entries are not ours to judge.
    entries = {entry.strip().lower() for entry in raw.split(",")}
    ours = {entry for entry in entries if entry.startswith("gen_ai")}
    latest = "gen_ai_latest_experimental"
    if ours - {latest, f"{latest}/dup"}:
        raise ValueError(f"expected {latest} or {latest}/dup")
    if f"{latest}/dup" in ours:
        return MetricGeneration.BOTH
    return MetricGeneration.LATEST if ours else MetricGeneration.RELEASED
