"""What the tests of the ways out share."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import StatusCode

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
INPUT: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hi"}
REASONS = "gen_ai.response.finish_reasons"
OUTCOME = "otel_llm.stream.outcome"


def chunk(words: str | None, reason: str | None = None) -> dict[str, Any]:
    delta = {} if words is None else {"content": words}
    return {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


def ended(recorder: Any, error: str | None = None, outcome: str | None = None, reasons: Any = None) -> None:
    if error is not None:
        reasons = reasons or ("error",)
    else:
        assert recorder.span.status.status_code is StatusCode.UNSET
        recorder.missing.add(REASONS)  # the caller went away before one came
    attributes = recorder.attributes  # of the one span
    given = (attributes.get("error.type"), attributes.get(OUTCOME), attributes.get(REASONS))
    assert given == (error, outcome, reasons), given
    (duration,) = recorder.points("gen_ai.client.operation.duration")
    assert duration.attributes.get("error.type") == error


class Interrupt(BaseException):
    """An error that is no ``Exception`` and stands for no cancellation, as ``gevent.Timeout`` does not."""


INTERRUPT = f"{__name__}.Interrupt"
