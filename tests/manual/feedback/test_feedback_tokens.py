"""A browser can give feedback by a token: signed, expiring, with ids only, and as a header of the response."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

import otel_llm
from otel_llm import Feedback, Settings

fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

Answer = Callable[..., dict[str, Any]]


def _bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


@pytest.mark.parametrize(
    "target",
    [
        {"trace_id": "ab" * 16},
        {"trace_id": "ab" * 16, "span_id": "cd" * 8},
        {"conversation_id": "Gespräch 7"},
        {"response_id": "chatcmpl-7"},
        {"app.ticket": "T-7"},
    ],
)
def test_a_token_stands_for_its_target(sinks: Any, target: dict[str, str]) -> None:
    sinks.recorder.missing.add("app.ticket")
    token = otel_llm.feedback_token(target)
    assert token is not None
    assert otel_llm.record_feedback("thumbs", label="up", target=token).recorded
    assert otel_llm.record_feedback("thumbs", label="up", target=target).reason == "repeated"


def test_it_holds_ids_and_an_end_and_nothing_else(sinks: Any) -> None:
    with otel_llm.propagate_attributes(user_id="u7", session_id="s7"), otel_llm.workflow_span("ask"):
        ids = otel_llm.current_ids()
        token = otel_llm.feedback_token()
    assert token is not None
    raw = _bytes(token)
    assert len(raw) == 1 + 8 + 1 + 16 + 8 + 16  # version, end, kind, trace id, span id, signature
    assert raw[10:34].hex() == ids["trace_id"] + ids["span_id"]


def test_forged_altered_and_foreign_tokens_are_refused(sinks: Any, answered: Answer) -> None:
    token = otel_llm.feedback_token(answered())
    assert token is not None
    raw = _bytes(token)
    altered = [raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :] for n in range(len(raw))]
    forged = [base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in altered]
    forged += [token[:-1], token + "A", token + "=", token + "\n", " " + token, token[:20] + "!" + token[20:]]
    forged += ["", "ab" * 16, "ab" * 5000, "ü", "AQ", token[::-1]]
    forged += [token[:-1] + one for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef" if one != token[-1]]
    for one in forged:
        assert otel_llm.record_feedback("thumbs", label="up", target=one) == Feedback(False, "invalid_token"), one
    sinks.instrument(feedback_key=("another key",))
    assert otel_llm.record_feedback("thumbs", label="up", target=token).reason == "invalid_token"
    assert sinks.spans == sinks.rows == []


def test_an_expired_token_is_refused(sinks: Any, answered: Answer) -> None:
    token = otel_llm.feedback_token(answered(), expires_in=0)
    assert otel_llm.record_feedback("thumbs", label="up", target=token) == Feedback(False, "expired_token")
    assert sinks.spans == sinks.rows == []


def test_keys_can_be_changed(sinks: Any, answered: Answer) -> None:
    sinks.instrument(feedback_key=("old",))
    token = otel_llm.feedback_token(answered())
    sinks.instrument(feedback_key=("new", "old"))
    assert otel_llm.record_feedback("thumbs", label="up", target=token).recorded


def test_without_a_key(recorder: Any) -> None:
    with pytest.raises(ValueError, match="OTEL_LLM_FEEDBACK_KEY"):
        otel_llm.feedback_token({"trace_id": "ab" * 16})
    with pytest.raises(ValueError, match="OTEL_LLM_FEEDBACK_KEY"):
        otel_llm.record_feedback("thumbs", label="up", target="AQAA")
    with pytest.raises(ValueError, match="feedback_key must be a tuple of texts") as caught:
        Settings(feedback_key="secret-of-ours")  # type: ignore[arg-type]
    assert "secret-of-ours" not in str(caught.value)
    assert "secret-of-ours" not in repr(Settings(feedback_key=("secret-of-ours",)))


# --- in the response -----------------------------------------------------------------------------------


def _site(**given: Any) -> Any:
    app = fastapi.FastAPI()
    app.add_middleware(otel_llm.OtelLlmMiddleware, feedback_header="X-Feedback-Token", **given)

    @app.get("/ask")
    def ask() -> Any:
        with otel_llm.workflow_span("ask"), otel_llm.step_span("inside"):
            return {"answer": "words"}

    @app.get("/health")
    def health() -> Any:
        return {}

    @app.get("/rate")
    async def rate() -> Any:
        with otel_llm.workflow_span("ask"):
            pass
        return {"recorded": otel_llm.record_feedback("self", score=0.9).recorded}

    return testclient.TestClient(app)


def test_a_header_of_the_response(sinks: Any) -> None:
    with _site() as site:
        token = site.get("/ask").headers["x-feedback-token"]
        assert "x-feedback-token" not in site.get("/health").headers
    assert otel_llm.record_feedback("thumbs", label="down", target=token).recorded
    (feedback,) = sinks.spans
    (workflow,) = [span for span in sinks.recorder.spans if span.name == "invoke_workflow ask"]
    assert feedback.context.trace_id == workflow.context.trace_id
    assert feedback.parent.span_id == workflow.context.span_id


def test_the_header_is_of_the_servers_span_if_there_is_one(sinks: Any) -> None:
    tracer = sinks.recorder.tracer_provider.get_tracer("server")
    site = _site()
    app = site.app

    async def server(scope: Any, receive: Any, send: Any) -> None:
        with tracer.start_as_current_span("GET /ask"):
            await app(scope, receive, send)

    token = testclient.TestClient(server).get("/ask").headers["x-feedback-token"]
    otel_llm.record_feedback("thumbs", label="down", target=token)
    (around,) = [span for span in sinks.recorder.spans if span.name == "GET /ask"]
    assert sinks.spans[0].parent.span_id == around.context.span_id


def test_feedback_after_the_span_in_the_same_request(sinks: Any) -> None:
    with _site() as site:
        assert site.get("/rate").json() == {"recorded": True}
    (workflow,) = [span for span in sinks.recorder.spans if span.name == "invoke_workflow ask"]
    assert sinks.spans[0].context.trace_id == workflow.context.trace_id


def test_no_header_without_a_key(sinks: Any, quiet: Any) -> None:
    sinks.instrument(feedback_key=())
    with _site() as site:
        for _ in range(2):
            assert "x-feedback-token" not in site.get("/ask").headers
    assert quiet.text.count("OTEL_LLM_FEEDBACK_KEY is not set") == 1
    quiet.clear()


def test_a_header_that_is_none() -> None:
    with pytest.raises(ValueError, match="must be the name of a header"):
        otel_llm.OtelLlmMiddleware(lambda *given: None, feedback_header="no header\n")  # type: ignore[arg-type, return-value]
