"""How otel-llm behaves: one frozen :class:`Settings`, given in code or read from the environment.

Each knob is one field of :class:`Settings`, declared with its variable, its parser and its check. docs/configuration.md
describes them all. A value in the environment that can't be used is left out with one warning that names the variable,
the value and the default; the application runs on. In code it raises.
"""

# ruff: noqa: RUF009  # a field specifier of our own, which only ruff does not recognise
from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from .choices import (
    ChunkMetrics,
    ContentCapture,
    ForeignSpans,
    LangChainSteps,
    MetricGeneration,
    SamplingAlgorithm,
    content_capture,
    metric_generation,
)
from .estimation import Chain
from .estimation import check as check_chain
from .values import above_zero, boolean, checked, entries, names, number, one_of, seconds, share
from .warnings import warn

PROMPT_LOG = "OTEL_LLM_PROMPT_LOG"
PSEUDONYM_KEY = "OTEL_LLM_PSEUDONYM_KEY"
FEEDBACK_KEY = "OTEL_LLM_FEEDBACK_KEY"
UPLOAD = "OTEL_LLM_UPLOAD"
PRICES = "OTEL_LLM_PRICES"
COST_HEADER = "x-litellm-response-cost"
EVAL_DATASET = "OTEL_LLM_EVAL_DATASET"
EVAL_RULES = "OTEL_LLM_EVAL_RULES"
EVAL_RULES_FILE = "OTEL_LLM_EVAL_RULES_FILE"

DEFAULT_DATASET = "otel-llm-evaluation.db"
DEFAULT_CONTENT_MAX_BYTES = 65536
#: Well below the 4 MiB that receivers of OTLP over gRPC and topics of Kafka take by default.
DEFAULT_SPAN_CONTENT_MAX_BYTES = 1048576
#: Room for the shortest valid JSON of a message with its truncation mark.
MIN_CONTENT_BYTES = 256
#: Room for one set of attributes of every instrument.
MIN_SERIES = 500
#: What ``redact`` may name: credentials, which are always redacted, personal data, and single kinds of these.
SECRETS, PERSONAL, PRESIDIO = "secrets", "pii", "presidio"
PERSONAL_KINDS = frozenset({"card", "email", "iban", "ip", "national_id", "phone", "ssn"})
#: What ``hide`` may name.
HIDEABLE = frozenset({"documents", "input", "media", "output", "system", "tools", "variables"})
#: What ``baggage`` may name.
BAGGAGE_NAMES = frozenset({"session_id", "user_id", "conversation_id", "tenant_id"})

# --- parsers and checks of single settings ------------------------------------------------------------


def _whole_bytes(raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise ValueError(f"expected a whole number of bytes, at least {MIN_CONTENT_BYTES}") from None


def _bytes(value: Any) -> None:
    if not isinstance(value, int) or value < MIN_CONTENT_BYTES:
        raise ValueError(f"must be a whole number of bytes, at least {MIN_CONTENT_BYTES}, not {value!r}")


def _whole_series(raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise ValueError(f"expected a whole number of time series, at least {MIN_SERIES}") from None


def _series(value: Any) -> None:
    if not isinstance(value, int) or value < MIN_SERIES:
        raise ValueError(f"must be a whole number of time series, at least {MIN_SERIES}, not {value!r}")


def _baggage(value: Any) -> None:
    if unknown := frozenset(value) - BAGGAGE_NAMES:
        raise ValueError(f"can't carry {', '.join(sorted(unknown))}, only {', '.join(sorted(BAGGAGE_NAMES))}")


_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")


def _redact(value: Any) -> None:
    known = {SECRETS, PERSONAL, PRESIDIO, *PERSONAL_KINDS}
    for one in value:
        if not (callable(one) or (isinstance(one, str) and (one in known or _FUNCTION.fullmatch(one)))):
            raise ValueError(f"can't have {one!r}, only {', '.join(sorted(known))}, module:function or a function")


def _secrets(value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("must be a tuple of texts that are not empty")


def _hide(value: Any) -> None:
    if unknown := frozenset(value) - HIDEABLE:
        raise ValueError(f"can't have {', '.join(sorted(unknown))}, only {', '.join(sorted(HIDEABLE))}")


# --- the settings -----------------------------------------------------------------------------------


def _knob(
    variable: str,
    parse: Callable[[str], Any],
    default: Any,
    check: Callable[[Any], object] | None = None,
    *,
    instead: Any = None,
    shown: bool = True,
) -> Any:
    """A field of :class:`Settings`.

    ``parse`` reads the text of ``variable``; ``check`` raises ``ValueError`` for a value, from anywhere, that can't be
    used. A text that can't be used gives ``instead``, the default if that is ``None``. ``shown`` says whether logs may
    have the value.
    """
    metadata = {"variable": variable, "parse": parse, "check": check, "instead": instead}
    return field(default=default, repr=shown, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the package. ``docs/configuration.md`` describes each field, with its default.

    :raises ValueError: for an invalid value; the message names the field and the reason.
    """

    capture_content: ContentCapture = _knob(
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", content_capture, ContentCapture.NO_CONTENT
    )
    #: ``None``: an event is emitted if ``capture_content`` includes events.
    emit_event: bool | None = _knob("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", boolean, None)
    metrics: MetricGeneration = _knob("OTEL_SEMCONV_STABILITY_OPT_IN", metric_generation, MetricGeneration.RELEASED)
    metrics_max_series: int = _knob("OTEL_LLM_METRICS_MAX_SERIES", _whole_series, 2000, _series)
    content_max_bytes: int = _knob("OTEL_LLM_CONTENT_MAX_BYTES", _whole_bytes, DEFAULT_CONTENT_MAX_BYTES, _bytes)
    span_content_max_bytes: int = _knob(
        "OTEL_LLM_SPAN_CONTENT_MAX_BYTES", _whole_bytes, DEFAULT_SPAN_CONTENT_MAX_BYTES, _bytes
    )
    capture_media: bool = _knob("OTEL_LLM_CAPTURE_MEDIA", boolean, False)
    stream_usage: bool = _knob("OTEL_LLM_STREAM_USAGE", boolean, False)
    chunk_metrics: ChunkMetrics = _knob("OTEL_LLM_CHUNK_METRICS", one_of(ChunkMetrics), ChunkMetrics.ALL)
    langchain_steps: LangChainSteps = _knob("OTEL_LLM_LANGCHAIN_STEPS", one_of(LangChainSteps), LangChainSteps.NAMED)
    langchain_leave_to_sdk: frozenset[str] = _knob("OTEL_LLM_LANGCHAIN_LEAVE_TO_SDK", names, frozenset())
    baggage: frozenset[str] = _knob("OTEL_LLM_BAGGAGE", names, frozenset(), _baggage)
    prompt_log: str | None = _knob(PROMPT_LOG, str, None)
    #: ``None``: costs are worked out if ``prices`` names a table.
    cost: bool | None = _knob("OTEL_LLM_COST", boolean, None)
    prices: str | None = _knob(PRICES, str, None)
    cost_headers: frozenset[str] = _knob("OTEL_LLM_COST_HEADERS", names, frozenset({COST_HEADER}))
    estimate_tokens: Chain | None = _knob("OTEL_LLM_ESTIMATE_TOKENS", str, None, check_chain)
    #: Entries are names or functions (:class:`.Redactor`). What can't be read redacts all, rather than nothing.
    redact: tuple[str | Callable[..., str], ...] = _knob(
        "OTEL_LLM_REDACT", entries, (SECRETS,), _redact, instead=(SECRETS, PERSONAL)
    )
    redact_allow: tuple[str, ...] = _knob("OTEL_LLM_REDACT_ALLOW", entries, ())
    redact_timeout: float = _knob("OTEL_LLM_REDACT_TIMEOUT", number, 0.5, above_zero)
    pseudonym_key: str | None = _knob(PSEUDONYM_KEY, str, None, shown=False)
    #: The first key signs the tokens of feedback; all of them are accepted.
    feedback_key: tuple[str, ...] = _knob(FEEDBACK_KEY, entries, (), _secrets, shown=False)
    #: A URL of fsspec at which content is stored.
    upload: str | None = _knob(UPLOAD, str, None)
    hide: frozenset[str] = _knob("OTEL_LLM_HIDE", names, frozenset(), _hide, instead=HIDEABLE)
    scrub_foreign: bool = _knob("OTEL_LLM_SCRUB_FOREIGN", boolean, False)
    foreign_spans: ForeignSpans = _knob("OTEL_LLM_FOREIGN_SPANS", one_of(ForeignSpans), ForeignSpans.JOIN)
    flush_on_sigterm: bool = _knob("OTEL_LLM_FLUSH_ON_SIGTERM", boolean, False)
    evaluation_sample_rate: float | None = _knob("OTEL_LLM_EVAL_SAMPLE_RATE", number, None, share)
    evaluation_rules: str | None = _knob(EVAL_RULES, str, None)
    evaluation_rules_file: str | None = _knob(EVAL_RULES_FILE, str, None)
    evaluation_dataset: str = _knob(EVAL_DATASET, str, DEFAULT_DATASET)
    evaluation_capture_content: bool = _knob("OTEL_LLM_EVAL_CAPTURE_CONTENT", boolean, False)
    evaluation_max_per_minute: float | None = _knob("OTEL_LLM_EVAL_MAX_PER_MINUTE", number, None, above_zero)
    evaluation_grace: float = _knob("OTEL_LLM_EVAL_GRACE", number, 1.0, seconds)
    evaluation_feedback_hold: float = _knob("OTEL_LLM_EVAL_FEEDBACK_HOLD", number, 600.0, seconds)
    evaluation_algorithm: SamplingAlgorithm = _knob(
        "OTEL_LLM_EVAL_ALGORITHM", one_of(SamplingAlgorithm), SamplingAlgorithm.AUTO
    )

    def __post_init__(self) -> None:
        for knob in fields(self):
            value, check = getattr(self, knob.name), knob.metadata["check"]
            if isinstance(knob.default, Enum) and not isinstance(value, type(knob.default)):
                raise ValueError(f"{knob.name} must be a {type(knob.default).__name__}, not {value!r}")
            if check is not None and value is not knob.default:
                checked(knob.name, value, check)
        if self.emit_event is None:
            object.__setattr__(self, "emit_event", self.capture_content.on_event)
        if self.cost is None:
            object.__setattr__(self, "cost", self.prices is not None)

    @property
    def samples_for_evaluation(self) -> bool:
        """Whether a rate or rules switch the evaluation sampler on."""
        return self.evaluation_sample_rate is not None or bool(self.evaluation_rules or self.evaluation_rules_file)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read every field from ``environ`` (default: ``os.environ``).

        An invalid value is logged as a warning, and the field keeps its default. Nothing is raised.
        """
        env = os.environ if environ is None else environ
        given: dict[str, Any] = {}
        refused: list[tuple[str, str, str, ValueError]] = []
        for knob in fields(cls):
            variable = knob.metadata["variable"]
            if not (raw := env.get(variable, "").strip()):
                continue
            try:
                value = knob.metadata["parse"](raw)
                if (check := knob.metadata["check"]) is not None:
                    check(value)
                given[knob.name] = value
            except ValueError as error:
                if (instead := knob.metadata["instead"]) is not None:
                    given[knob.name] = instead
                refused.append((knob.name, variable, raw, error))
        settings = cls(**given)
        for name, variable, raw, reason in refused:
            warn(variable, raw, reason, getattr(settings, name), is_default=name not in given)
        return settings


def variables() -> dict[str, str]:
    """The environment variable of each field of :class:`Settings`."""
    return {knob.name: knob.metadata["variable"] for knob in fields(Settings)}
