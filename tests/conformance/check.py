"""Hold spans, metrics and log records against the GenAI conventions, by the rules of the public conformance suite.

    assert violations(spans, metrics_data, log_records) == []
    assert violations(spans, allow={"gen_ai.response.id"}) == []      # the scripted server left the id out
    assert durations_match(spans, metrics_data) == []

`spans` are SDK ReadableSpans, `metrics` a MetricsData, `logs` what an in-memory log exporter gives. Spans, metrics and
records that have nothing to do with GenAI are passed over. `allow` names attributes that may be missing; a name on a
span or metric that the conventions do not know is excused by it as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogram, Gauge, Histogram, Metric, MetricsData, Sum
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from conformance import table
from conformance.durations import durations_match, metrics_of

__all__ = ["EXEMPTIONS", "SUITE_EXEMPT", "durations_match", "violations"]

MAX_ATTRIBUTES = 128  # the SDK's default limit: from there on it drops some
OUR_OPERATION = "otel_llm.operation.name"
# Operations whose spans have the attributes of the conventions' evaluation event, for backends that show no events.
VERDICTS = ("evaluate", "feedback")

# Recommended without a condition, yet many requests and answers have none: the public suite does not ask for them.
SUITE_EXEMPT = frozenset(
    {
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.max_tokens",
        "gen_ai.request.presence_penalty",
        "gen_ai.request.stop_sequences",
        "gen_ai.request.temperature",
        "gen_ai.request.top_p",
        "gen_ai.tool.description",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
    }
)
# What only an answer can tell; a span that ended in an error need not have it.
ANSWER = ("gen_ai.response.", "gen_ai.usage.", "gen_ai.embeddings.", "openai.response.")

_USAGE = frozenset({"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"})
_MEDIA = frozenset({"image_generation", "image_edit", "image_variation", "speech", "transcription", "translation"})
# Our own exemptions: why -> (when, by the span's attributes; the attributes that may be missing then).
EXEMPTIONS: dict[str, tuple[Any, frozenset[str]]] = {
    "the Images and Audio APIs answer with neither an id nor a model, finish reason or, often, usage": (
        lambda given: given.get(OUR_OPERATION) in _MEDIA,
        _USAGE | {"gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons"},
    ),
    "the Decisions API answers with neither an id nor a finish reason": (
        lambda given: given.get(OUR_OPERATION) == "decisions",
        frozenset({"gen_ai.response.id", "gen_ai.response.finish_reasons"}),
    ),
    "a stream brings usage only if it was asked for": (
        lambda given: given.get("gen_ai.request.stream") is True,
        _USAGE,
    ),
    "a response that is not ready has not finished": (
        lambda given: given.get("gen_ai.response.status") in ("queued", "in_progress"),
        frozenset({"gen_ai.response.finish_reasons"}),
    ),
    "only some models have a fingerprint; the Responses API has none": (
        lambda given: True,
        frozenset({"openai.response.system_fingerprint"}),
    ),
    "the conventions name an API type for chat completions and responses only": (
        lambda given: given.get("gen_ai.operation.name") not in ("chat", "fetch_response"),
        frozenset({"openai.api.type"}),
    ),
    "most Bedrock calls use no guardrail and no knowledge base": (
        lambda given: True,
        frozenset({"aws.bedrock.guardrail.id", "aws.bedrock.knowledge_base.id", "gen_ai.request.top_k"}),
    ),
}
# By which metrics can be split beyond what the conventions ask for: few values, and the names are theirs.
LED_BY = frozenset({"gen_ai.prompt.name", "gen_ai.prompt.version"})
# Values the conventions say to express by leaving the attribute out.
NEVER_VALUES = {
    "gen_ai.conversation.compacted": False,
    "gen_ai.request.choice.count": 1,
    "gen_ai.request.stream": False,
    "openai.request.service_tier": "auto",
}
# What the conventions forbid on the spans of an operation: a fetch infers nothing, an embedding generates nothing.
NEVER_ON = {
    "fetch_response": ("gen_ai.input.messages", "gen_ai.usage."),
    "embeddings": ("gen_ai.usage.output_tokens", "gen_ai.input.messages", "gen_ai.output.messages"),
}


def violations(
    spans: Iterable[ReadableSpan],
    metrics: MetricsData | None = None,
    logs: Iterable[Any] | None = None,
    *,
    allow: Collection[str] = frozenset(),
) -> list[str]:
    """Everything that breaks a rule, one line each; an empty list is what a test wants."""
    found = [f"span {span.name!r}: {problem}" for span in spans for problem in _span(span, allow)]
    for scope, metric in metrics_of(metrics):
        found += [f"metric {metric.name}: {problem}" for problem in _metric(metric, scope, allow)]
    for record in logs or ():
        record = getattr(record, "log_record", record)
        found += [f"event {record.event_name}: {problem}" for problem in _event(record, allow)]
    return list(dict.fromkeys(found))


def is_genai(attributes: Mapping[str, Any]) -> bool:
    return any(name.startswith(("gen_ai.", table.OWN)) for name in attributes)


def _span(span: ReadableSpan, allow: Collection[str]) -> Iterator[str]:
    given = dict(span.attributes or {})
    if not is_genai(given):
        return
    if len(given) >= MAX_ATTRIBUTES or span.dropped_attributes:
        yield f"has {len(given)} attributes and dropped {span.dropped_attributes}, which is too many"
    yield from _status(span, given)
    for name, value in given.items():
        if table.known(name):
            yield from table.value_problems(name, value, structured=False)
        elif name not in allow and _foreign(name, ours=_is_ours(span.instrumentation_scope)):
            yield f"unknown attribute {name}"
        if name in NEVER_VALUES and value == NEVER_VALUES[name]:
            yield f"{name} is {value!r}, which is said by leaving it out"
    operation = given.get("gen_ai.operation.name")
    if operation is None:
        if given.get(OUR_OPERATION) in VERDICTS:
            return
        if any(name.startswith("gen_ai.") for name in given):
            yield "has gen_ai attributes and no gen_ai.operation.name"
        return
    kind = span.kind.name.lower()
    definition = table.span_type(str(operation), given.get("gen_ai.provider.name"), kind)
    if definition is None:
        return  # an unknown operation: said already
    if kind != definition["kind"]:
        yield f"is of kind {kind}, not {definition['kind']}"
    key = given.get(definition["name_key"])
    wanted = str(operation) if key is None else f"{operation} {key}"
    if span.name != wanted:
        yield f"should be named {wanted!r}"
    for name in given:
        if name.startswith(NEVER_ON.get(str(operation), ("\0",))):
            yield f"{name} does not belong on {operation}"
    yield from _missing(definition["attributes"], given, allow, failed=_broken_off(span.status.status_code, given))


def _status(span: ReadableSpan, given: Mapping[str, Any]) -> Iterator[str]:
    status = span.status.status_code
    if status is StatusCode.OK:
        yield "status is OK, which only the application may set"
    if status is StatusCode.ERROR and "error.type" not in given:
        yield "status is ERROR and error.type is missing"
    if status is not StatusCode.ERROR and "error.type" in given:
        yield "error.type is set and the status is not ERROR"


def _broken_off(status: StatusCode, given: Mapping[str, Any]) -> bool:
    """Whether no whole answer has come: the call failed, or the caller cancelled it."""
    ended_early = ("cancelled", "closed", "blocked", "abandoned")
    return status is StatusCode.ERROR or given.get("otel_llm.stream.outcome") in ended_early


def _missing(
    levels: Mapping[str, str], given: Mapping[str, Any], allow: Collection[str], *, failed: bool
) -> Iterator[str]:
    exempt = set(allow) | SUITE_EXEMPT
    for when, names in EXEMPTIONS.values():
        exempt |= names if when(given) else frozenset()
    for level in ("required", "recommended"):
        for name in table.levelled(levels, level):
            if name in given or name in exempt or (failed and level == "recommended" and name.startswith(ANSWER)):
                continue
            yield f"{level} attribute {name} is missing"


def _foreign(name: str, *, ours: bool) -> bool:
    """Whether nobody allows the name. On spans of other scopes, what is not of GenAI is theirs to answer for."""
    return name.startswith(table.CLOSED) or (ours and not name.startswith((table.OWN, *table.BORROWED)))


def _is_ours(scope: Any) -> bool:
    return scope is not None and scope.name.replace("-", "_").startswith("otel_llm")


def _metric(metric: Metric, scope: Any, allow: Collection[str]) -> Iterator[str]:
    definition = table.METRICS.get(metric.name)
    if definition is None:
        if metric.name.startswith(table.CLOSED):
            yield "unknown metric"
            return
        if not metric.name.startswith(table.OWN):
            if _is_ours(scope):
                yield f"a metric of our own must start with {table.OWN}"
            return
    else:
        if (instrument := _instrument(metric)) != definition["instrument"]:
            yield f"is a {instrument}, not a {definition['instrument']}"
        if metric.unit != definition["unit"]:
            yield f"has unit {metric.unit!r}, not {definition['unit']!r}"
    for point in metric.data.data_points:
        given: dict[str, Any] = dict(point.attributes or {})
        for name, value in given.items():
            yield from _dimension(name, value, definition, allow)
        for name in table.levelled(definition["attributes"], "required") if definition else ():
            if name not in given and name not in allow:
                yield f"required attribute {name} is missing"


def _dimension(name: str, value: Any, definition: dict[str, Any] | None, allow: Collection[str]) -> Iterator[str]:
    if not isinstance(value, str | bool | int | float):
        yield f"{name} is {type(value).__name__}, not a scalar"
    elif table.known(name):
        yield from table.value_problems(name, value, structured=False)
    if name in allow or name in LED_BY or name.startswith(table.OWN):
        return
    if definition and name not in definition["attributes"]:
        yield f"attribute {name} does not belong to it"
    elif name.startswith(table.CLOSED) and not table.known(name):
        yield f"unknown attribute {name}"


def _instrument(metric: Metric) -> str:
    data = metric.data
    if isinstance(data, Histogram | ExponentialHistogram):
        return "histogram"
    if isinstance(data, Sum):
        return "counter" if data.is_monotonic else "updowncounter"
    return "gauge" if isinstance(data, Gauge) else type(data).__name__


def _event(record: Any, allow: Collection[str]) -> Iterator[str]:
    given = dict(record.attributes or {})
    name = record.event_name
    if not is_genai(given) and not str(name or "").startswith(table.CLOSED):
        return
    definition = table.EVENTS.get(name)
    if definition is None and not str(name or "").startswith(table.OWN):
        yield "unknown event"
    for attribute, value in given.items():
        if table.known(attribute):
            yield from table.value_problems(attribute, value, structured=True)
        elif attribute.startswith(table.CLOSED) and attribute not in allow:
            yield f"unknown attribute {attribute}"
    if definition is None:
        return
    if record.body is not None:
        yield "has a body; everything belongs in the attributes"
    for attribute in table.levelled(definition["attributes"], "required"):
        if attribute not in given and attribute not in allow:
            yield f"required attribute {attribute} is missing"
    if name == "gen_ai.client.operation.exception" and not {"exception.type", "exception.message"} & given.keys():
        yield "needs exception.type or exception.message"
