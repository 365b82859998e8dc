"""Makes the record of a call, which is one line of the prompt log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import format_span_id, format_trace_id

from .. import semconv as s
from ..content.messages import parsed
from ..core import finish_reasons
from ..core.listeners import EndedCall

Record = dict[str, Any]

#: Fields of the record -> attributes of the request.
_REQUEST = (
    ("operation", s.OPERATION_NAME),
    ("provider", s.PROVIDER_NAME),
    ("request_model", s.REQUEST_MODEL),
    ("session_id", s.SESSION_ID),
    ("user_id", s.USER_ID),
    ("conversation_id", s.CONVERSATION_ID),
    ("tags", s.LLM_TAGS),
    ("prompt_name", s.PROMPT_NAME),
    ("prompt_version", s.PROMPT_VERSION),
    ("prompt_label", s.LLM_PROMPT_LABEL),
    ("prompt_hash", s.LLM_PROMPT_TEMPLATE_HASH),
    ("experiment_id", s.LLM_EXPERIMENT_ID),
    ("experiment_variant", s.LLM_EXPERIMENT_VARIANT),
)
#: Fields of the record -> attributes of the response or the span. The last one that is set counts.
_RESPONSE = (
    ("request_id", s.LLM_REQUEST_ID),
    ("request_id", s.AWS_REQUEST_ID),
    ("conversation_id", s.CONVERSATION_ID),
    ("stream_outcome", s.LLM_STREAM_OUTCOME),
)
_CONTENT = (
    ("system_instructions", s.SYSTEM_INSTRUCTIONS),
    ("input_messages", s.INPUT_MESSAGES),
    ("output_messages", s.OUTPUT_MESSAGES),
    ("tool_definitions", s.TOOL_DEFINITIONS),
)


def record_of(ended: EndedCall) -> Record:
    response, error_type, ending = ended.response, ended.error_type, ended.attributes
    record: Record = {"timestamp": ended.started_at}
    context = ended.span.get_span_context()
    if context.is_valid:
        record["trace_id"], record["span_id"] = context.trace_id, context.span_id
    known = ended.request.attributes
    on_span = getattr(ended.span, "attributes", None) or {}
    for source, names in (
        (known, _REQUEST),
        (on_span, _RESPONSE),
        (ending, _RESPONSE),
        (response.attributes, _RESPONSE),
    ):
        for name, attribute in names:
            if attribute in source:
                record[name] = source[attribute]
    if s.LLM_USAGE_ESTIMATED in ending:
        record["usage_estimated"] = True
    if (cost := ended.cost) is not None:
        record["cost"], record["cost_currency"], record["cost_source"] = cost
    elif ended.unpriced is not None:
        record["unpriced"] = ended.unpriced
    if response.id is not None:
        record["response_id"] = response.id
    if response.model is not None:
        record["response_model"] = response.model
    if metadata := _under(s.LLM_METADATA_PREFIX, known):
        record["metadata"] = metadata
    for attribute, tokens in response.usage.items():
        record[attribute.partition(".usage.")[2].replace(".", "_")] = tokens
    record["latency"] = ended.duration
    if (first := ended.time_to_first_chunk) is not None:
        record["time_to_first_chunk"] = first
    reasons = finish_reasons.recorded(response.finish_reasons or (), error_type is not None)
    if reasons:
        record["finish_reasons"] = list(reasons)
    # An error that came as an answer has its code as error type, if it has a code.
    code = ending.get(s.LLM_ERROR_CODE) or (error_type if response.error is not None else None)
    record["status"] = _status(reasons, error_type, code)
    if error_type is not None:
        record["error_type"] = error_type
    if code is not None:
        record["error_code"] = code
    _add_content(record, ended.content)
    return record


def _under(prefix: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes whose names start with ``prefix``, by the rest of the name."""
    return {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}


def _status(reasons: Sequence[str], error_type: str | None, code: Any) -> str:
    if "content_filter" in reasons or code == "content_filter":
        return "filtered"
    if error_type is None:
        return "success"
    return "timeout" if "timeout" in error_type.rpartition(".")[2].lower() else "error"


def _add_content(record: Record, content: Mapping[str, Any]) -> None:
    """Add the content as it was encoded. :func:`finished` parses it."""
    encoded = []
    for name, attribute in _CONTENT:
        if attribute in content:
            record[name] = content[attribute]
            encoded.append(name)
    if s.LLM_PROMPT_TEMPLATE in content:
        record["prompt_template"] = content[s.LLM_PROMPT_TEMPLATE]
    if values := _under(s.PROMPT_VARIABLE_PREFIX, content):
        record["prompt_variables"] = values
    if encoded:
        record["_encoded"] = encoded


def finished(record: Record) -> Record:
    """The record as it is written. What takes time is done here, on the log's thread."""
    began = datetime.fromtimestamp(record["timestamp"] / 1e9, UTC)
    record["timestamp"] = began.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if "trace_id" in record:
        record["trace_id"], record["span_id"] = format_trace_id(record["trace_id"]), format_span_id(record["span_id"])
    for name in record.pop("_encoded", ()):
        record[name] = parsed(record[name])
    return record
