"""The instruments, by the metric generation in force, and what a call records in them.

The released generation is what ``opentelemetry-util-genai`` 1.3 and the other released emitters send;
the newest is that of the conventions' main branch (October 2026).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Counter, Histogram, Meter

from .. import semconv as s
from ..config.choices import MetricGeneration
from .dimensions import MAX_SERIES, PROMPT, Dimensions, Fixed

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .listeners import EndedCall

#: What goes on the metrics of a call, of what is known of it.
_KEYS = (s.OPERATION_NAME, s.PROVIDER_NAME, s.REQUEST_MODEL, s.SERVER_ADDRESS, s.SERVER_PORT, s.LLM_TENANT_ID, *PROMPT)
#: The same of a run in this process; the operation's name is in the metric's.
_RUN_KEYS = {
    s.INVOKE_AGENT: (s.AGENT_NAME,),
    s.INVOKE_WORKFLOW: (s.WORKFLOW_NAME,),
    s.EXECUTE_TOOL: (s.TOOL_NAME, s.TOOL_TYPE, s.AGENT_NAME),
}
_NO_MORE: Mapping[str, Any] = {}
_MODALITIES = ("text", "image", "audio")
#: Counters of the newest generation, by what follows ``gen_ai.client.inference.usage.`` and ``gen_ai.usage.``.
_USAGE_COUNTERS = (
    "input_tokens",
    "output_tokens",
    "cache_read.input_tokens",
    "cache_write.input_tokens",
    "reasoning.output_tokens",
)


def _histogram(meter: Meter, name: str, unit: str, description: str, buckets: tuple[float, ...]) -> Histogram:
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=buckets)


class _Series:
    """The attributes of the metrics of calls that are alike, made once for all of them."""

    __slots__ = ("answered", "asked", "every", "tokens")

    def __init__(self, every: Fixed, more: Mapping[str, Any]) -> None:
        """``more`` are those of ``every`` that only the answer told."""
        self.every = every
        self.answered = Fixed((name, value) for name, value in every.items() if name != s.ERROR_TYPE)
        self.asked = Fixed((name, value) for name, value in self.answered.items() if name not in more)
        #: By the attribute that holds the count.
        self.tokens = (
            (s.USAGE_INPUT_TOKENS, Fixed({**self.answered, s.TOKEN_TYPE: "input"})),
            (s.USAGE_OUTPUT_TOKENS, Fixed({**self.answered, s.TOKEN_TYPE: "output"})),
        )


class Instruments:
    """Every instrument a call may record in, created once."""

    def __init__(self, meter: Meter, generation: MetricGeneration, dimensions: Dimensions) -> None:
        self._dimensions = dimensions
        self._series: dict[tuple[Any, ...], _Series] = {}
        self._released, self._latest = generation.released, generation.latest
        seconds, token = "s", "{token}"
        # Beside inference (embeddings, ...) the newest generation keeps the released duration.
        self._duration = _histogram(
            meter, s.METRIC_OPERATION_DURATION, seconds, "Duration of a GenAI operation.", s.DURATION_BUCKETS
        )
        self._first_chunk: list[Histogram] = []
        self._chunk: list[Histogram] = []
        if generation.released:
            self._tokens = _histogram(
                meter, s.METRIC_TOKEN_USAGE, token, "Input and output tokens used by an operation.", s.TOKEN_BUCKETS
            )
            self._add_chunk_histograms(
                meter, s.METRIC_OPERATION_TIME_TO_FIRST_CHUNK, s.METRIC_OPERATION_TIME_PER_OUTPUT_CHUNK
            )
        if generation.latest:
            self._inference_duration = _histogram(
                meter, s.METRIC_INFERENCE_DURATION, seconds, "Duration of an inference.", s.DURATION_BUCKETS
            )
            self._inference_tokens = {
                s.USAGE_INPUT_TOKENS: _histogram(
                    meter, s.METRIC_INFERENCE_OPERATION_INPUT_TOKENS, token, "Input tokens.", s.TOKEN_BUCKETS
                ),
                s.USAGE_OUTPUT_TOKENS: _histogram(
                    meter, s.METRIC_INFERENCE_OPERATION_OUTPUT_TOKENS, token, "Output tokens.", s.TOKEN_BUCKETS
                ),
            }
            self._usage: dict[str, Counter] = {
                kind: meter.create_counter(s.METRIC_INFERENCE_USAGE_PREFIX + kind, token, f"Tokens used: {kind}.")
                for kind in _USAGE_COUNTERS
            }
            self._add_chunk_histograms(
                meter, s.METRIC_INFERENCE_TIME_TO_FIRST_CHUNK, s.METRIC_INFERENCE_TIME_PER_OUTPUT_CHUNK
            )
        self._speed = {
            s.LLM_TIME_PER_OUTPUT_TOKEN: _histogram(
                meter,
                s.METRIC_LLM_TIME_PER_OUTPUT_TOKEN,
                seconds,
                "Average time per output token after the first chunk of a stream.",
                s.TIME_PER_TOKEN_BUCKETS,
            ),
            s.LLM_OUTPUT_TOKENS_PER_SECOND: _histogram(
                meter,
                s.METRIC_LLM_OUTPUT_TOKENS_PER_SECOND,
                "{token}/s",
                "Output tokens of a stream divided by the duration of the call.",
                s.TOKENS_PER_SECOND_BUCKETS,
            ),
        }
        self._costs = meter.create_counter(
            s.METRIC_LLM_COST, "{currency}", "What model calls cost, in the currency of the dimension."
        )
        self._unpriced = meter.create_counter(
            s.METRIC_LLM_UNPRICED_CALLS, "{call}", "Model calls that were billed, but whose price is not known."
        )
        self._in_process = {
            s.EXECUTE_TOOL: [
                _histogram(
                    meter, s.METRIC_EXECUTE_TOOL_DURATION, seconds, "Duration of a tool's run.", s.DURATION_BUCKETS
                )
            ],
            s.INVOKE_AGENT: [
                _histogram(
                    meter, s.METRIC_INVOKE_AGENT_DURATION, seconds, "Duration of an agent's run.", s.AGENT_BUCKETS
                )
            ],
            s.INVOKE_WORKFLOW: [
                _histogram(meter, name, seconds, "Duration of a workflow.", s.WORKFLOW_BUCKETS)
                for name, wanted in (
                    (s.METRIC_WORKFLOW_DURATION, generation.released),
                    (s.METRIC_INVOKE_WORKFLOW_DURATION, generation.latest),
                )
                if wanted
            ],
        }
        self._agent_calls = [
            _histogram(meter, name, f"{{{unit}}}", description, s.CALLS_BUCKETS)
            for name, unit, description in (
                (s.METRIC_INVOKE_AGENT_INFERENCE_CALLS, "inference_call", "Inferences an agent's run made itself."),
                (s.METRIC_INVOKE_AGENT_TOOL_CALLS, "tool_call", "Tools an agent's run called itself."),
            )
        ]

    def _add_chunk_histograms(self, meter: Meter, first_chunk: str, chunk: str) -> None:
        self._first_chunk.append(
            _histogram(meter, first_chunk, "s", "Time from the request to the first chunk.", s.DURATION_BUCKETS)
        )
        self._chunk.append(
            _histogram(meter, chunk, "s", "Time from one chunk of a stream to the next.", s.DURATION_BUCKETS)
        )

    def call(self, ended: EndedCall) -> None:
        """Record a call of a provider that has ended. What the provider does not report is not recorded."""
        context, response = ended.context, ended.response
        inference = ended.request.attributes[s.OPERATION_NAME] in s.INFERENCE_OPERATIONS
        series = self._series_of(ended.request.attributes, response.model, response.metric_attributes, ended.error_type)
        if ended.time_to_first_chunk is not None:
            for histogram in self._first_chunk:
                histogram.record(ended.time_to_first_chunk, series.asked, context)
            for name, histogram in self._speed.items():
                if (value := ended.speed.get(name)) is not None:
                    histogram.record(value, series.asked, context)
        if response.usage:
            self._record_usage(response.usage, inference, series, context)
        if ended.cost is not None:
            amount, currency, _ = ended.cost
            self._costs.add(amount, {**series.answered, s.LLM_USAGE_COST_CURRENCY: currency}, context)
        elif ended.unpriced is not None:
            self._unpriced.add(1, {**series.answered, s.LLM_UNPRICED_REASON: ended.unpriced}, context)
        if self._latest and inference:
            self._inference_duration.record(ended.duration, series.every, context)
            if not self._released:
                return
        self._duration.record(ended.duration, series.every, context)

    def _series_of(
        self,
        known: Mapping[str, Any],
        response_model: str | None,
        more: Mapping[str, Any] = _NO_MORE,
        error_type: str | None = None,
    ) -> _Series:
        key = (*map(known.get, _KEYS), response_model, error_type, *more.items())
        series = self._series.get(key)
        if series is None:
            every: dict[str, Any] = {name: known[name] for name in _KEYS if name in known}
            if response_model is not None:
                every[s.RESPONSE_MODEL] = response_model
            every.update(more)
            if error_type is not None:
                every[s.ERROR_TYPE] = error_type
            series = _Series(self._dimensions.bounded(every), more)
            if len(self._series) < MAX_SERIES:
                self._series[key] = series
        return series

    def run(self, ended: EndedCall, calls: tuple[int, int]) -> None:
        """Record a run of an agent, with the inferences and tools it ``calls`` itself, of a workflow or of a tool."""
        known, context = ended.request.attributes, ended.context
        operation: Any = known[s.OPERATION_NAME]
        named = {key: known[key] for key in (*_RUN_KEYS.get(operation, ()), s.LLM_TENANT_ID, *PROMPT) if key in known}
        every = self._dimensions.bounded({**named, **_error(ended)})
        if operation == s.INVOKE_AGENT:
            answered = {name: value for name, value in every.items() if name != s.ERROR_TYPE}
            for histogram, count in zip(self._agent_calls, calls, strict=True):
                histogram.record(count, answered, context)
        for histogram in self._in_process.get(operation, ()):
            histogram.record(ended.duration, every, context)

    def chunks(
        self, gaps_ns: Sequence[int], known: Mapping[str, Any], response_model: str | None, context: Context
    ) -> None:
        """Record times from one chunk of a stream to the next, in nanoseconds."""
        every = self._series_of(known, response_model).every
        for histogram in self._chunk:
            record = histogram.record
            for gap in gaps_ns:
                record(gap / 1e9, every, context)

    def _record_usage(self, usage: Mapping[str, int], inference: bool, series: _Series, context: Context) -> None:
        if self._released:
            for name, attributes in series.tokens:
                if (count := usage.get(name)) is not None:
                    self._tokens.record(count, attributes, context)
        if self._latest and inference:
            for name, histogram in self._inference_tokens.items():
                if (count := usage.get(name)) is not None:
                    histogram.record(count, series.answered, context)
            for kind, counter in self._usage.items():
                for modality, count in _by_modality(usage, kind):
                    counter.add(count, {**series.answered, s.TOKEN_MODALITY: modality}, context)


def _error(ended: EndedCall) -> dict[str, Any]:
    return {} if ended.error_type is None else {s.ERROR_TYPE: ended.error_type}


def _by_modality(usage: Mapping[str, int], kind: str) -> list[tuple[str, int]]:
    """Split one count by modality; what the provider does not attribute to one is ``unknown``."""
    total = usage.get(f"gen_ai.usage.{kind}")
    if total is None:
        return []
    parts = [
        (modality, count)
        for modality in _MODALITIES
        if (count := usage.get(f"gen_ai.usage.{modality}.{kind}")) is not None
    ]
    rest = total - sum(count for _, count in parts)
    return [*parts, ("unknown", rest)] if rest > 0 or not parts else parts
