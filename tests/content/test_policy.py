"""The content policy: what redactors are given, that types and JSON stay, and that it fails closed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.content.boundary import SHARED, clean, clean_json, clean_text
from otel_llm.content.policy import DROPPED
from otel_llm.content.redaction import RedactorError, TimeLimit, Where
from processes import run

_MAIL = "jane@example.com"


def _use(*redact: Any, **settings: Any) -> None:
    SHARED.use(Settings(redact=redact, **settings))
    SHARED.ledger.start_afresh()


def shout(text: str, where: Where) -> str:
    """A redactor that the environment can name."""
    return text.replace("Jane", "[NAME]")


# --- built in --------------------------------------------------------------------------------------------


def test_without_a_policy_only_credentials_are_replaced() -> None:
    text = f"{_MAIL} has gsk_A1b2C3d4E5f6G7h8I9j0"
    assert clean_text(text) == f"{_MAIL} has [SECRET]"


def test_values_keep_their_types_and_json_stays_json() -> None:
    _use("pii")
    value = {
        "mail": _MAIL,
        "card": 4111111111111111,
        "max_tokens": 5551234567,
        "nested": [{"phone": "555-123-4567", "yes": True, "none": None, "share": 0.4111111111111111}],
        "text": '{"card": 4111111111111111, "mail": "jane@example.com"}',
        _MAIL: 1,
    }
    told = clean_json(value)
    assert told is not None
    assert json.loads(told) == {
        "mail": "[EMAIL]",
        "card": 4111111111111111,
        "max_tokens": 5551234567,
        "nested": [{"phone": "[PHONE]", "yes": True, "none": None, "share": 0.4111111111111111}],
        "text": '{"card":4111111111111111,"mail":"[EMAIL]"}',
        "[EMAIL]": 1,
    }


def test_attributes_keep_their_types_and_what_is_technical() -> None:
    _use("pii")
    attributes: dict[str, Any] = {
        "otel_llm.metadata.mail": _MAIL,
        "otel_llm.tags": ("a", _MAIL),
        "otel_llm.metadata.card": 4111111111111111,
        "gen_ai.usage.input_tokens": 5551234567,
        "server.address": "10.1.2.3",
        "gen_ai.response.id": "resp-555-123-4567",
        "client.address": "10.1.2.3",
        "gen_ai.request.model": "gsk_A1b2C3d4E5f6G7h8I9j0",
    }
    clean(attributes)
    assert attributes == {
        "otel_llm.metadata.mail": "[EMAIL]",
        "otel_llm.tags": ("a", "[EMAIL]"),
        "otel_llm.metadata.card": 4111111111111111,
        "gen_ai.usage.input_tokens": 5551234567,
        "server.address": "10.1.2.3",
        "gen_ai.response.id": "resp-555-123-4567",
        "client.address": "[IP]",
        "gen_ai.request.model": "[SECRET]",
    }
    assert clean_text("10.1.2.3", "server.address") == "10.1.2.3"
    assert clean_text("10.1.2.3", "otel_llm.metadata.ip") == "[IP]"


def test_single_kinds() -> None:
    _use("email")
    assert clean_text(f"{_MAIL} 555-123-4567") == "[EMAIL] 555-123-4567"


def test_what_is_allowed_stays() -> None:
    _use("pii", redact_allow=("*@example.org", "Help@example.com", "555-123-4567"))
    text = "jane@example.org help@EXAMPLE.com 555-123-4567 555-123-4568 jane@example.net"
    assert clean_text(text) == "jane@example.org help@EXAMPLE.com 555-123-4567 [PHONE] [EMAIL]"


def test_new_settings_apply_to_texts_that_are_remembered() -> None:
    assert clean_text(_MAIL) == _MAIL
    _use("pii")
    assert clean_text(_MAIL) == "[EMAIL]"
    attributes = {"a": _MAIL}
    clean(attributes)
    assert attributes == {"a": "[EMAIL]"}


def test_replacements_are_counted_by_kind(lenient: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY, redact=("pii",)))
    SHARED.ledger.start_afresh()
    with otel_llm.chat_span("m", "p", messages=f"{_MAIL} john@example.com 555-123-4567 Bearer abcdefgh1234"):
        pass
    points = lenient.points("otel_llm.content.redactions")
    counted = {point.attributes["otel_llm.redaction.kind"]: point.value for point in points}
    assert counted == {"email": 2, "phone": 1, "secret": 1}


def test_redaction_comes_before_cutting(lenient: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY, redact=("pii",), content_max_bytes=256))
    with otel_llm.chat_span("m", "p", messages="x" * 140 + f" {_MAIL} " + "y" * 2000):
        pass
    assert "jane" not in lenient.attributes["gen_ai.input.messages"]
    assert "truncated" in lenient.attributes["gen_ai.input.messages"]


# --- functions of the application ------------------------------------------------------------------------


def test_a_function_is_told_where_a_text_stands() -> None:
    seen: list[Any] = []

    def note(text: str, where: Where) -> str:
        seen.append((text, where.attribute, where.path))
        return text

    _use(note)
    clean_json([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}], "gen_ai.input.messages")
    clean_text("t", "otel_llm.tags")
    clean_text("chat", "gen_ai.operation.name")
    clean_text("t", "otel_llm.tags")
    assert seen == [("hi", "gen_ai.input.messages", (0, "parts", 0, "content")), ("t", "otel_llm.tags", ())]


def test_functions_run_after_the_built_in_patterns_and_in_their_order() -> None:
    _use("pii", lambda text, where: text.replace("[EMAIL]", "[WHO]"), lambda text, where: text + "!")
    assert clean_text(_MAIL, "m") == "[WHO]!"
    assert clean_text(_MAIL) == "[EMAIL]"  # a name
    assert SHARED.ledger.redactions["custom"] == 1


def test_a_function_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_REDACT", "content.test_policy:shout")
    SHARED.use(None)
    assert clean_text("I am Jane", "m") == "I am [NAME]"


def test_each_value_passes_once(lenient: Any) -> None:
    seen: list[str] = []

    def note(text: str, where: Where) -> str:
        seen.append(text)
        return f"<{text}>"

    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY, redact=(note,)))
    with (
        otel_llm.propagate_attributes(user_id="jane", tags=["tag"], metadata={"m": "meta"}),
        otel_llm.chat_span("m", "p", messages="question") as call,
    ):
        call.response("answer")
    assert lenient.attributes["user.id"] == "<jane>"
    assert lenient.attributes["otel_llm.tags"] == ("<tag>",)
    assert "<question>" in lenient.attributes["gen_ai.input.messages"]
    assert sorted(seen.count(text) for text in ("jane", "tag", "meta", "question", "answer")) == [1] * 5
    assert not any(text.startswith("<") for text in seen)


# --- it fails closed -------------------------------------------------------------------------------------


def _fails(text: str, where: Where) -> str:
    raise RuntimeError(text)


def _exits(text: str, where: Where) -> str:
    raise SystemExit(text)


def _gives_no_text(text: str, where: Where) -> Any:
    return None


@pytest.mark.parametrize("function", [_fails, _exits, _gives_no_text, "no_such_module:f", "json:nothing"])
def test_a_failure_drops_the_content_and_is_said_once(function: Any, lenient: Any, quiet: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT, redact=(function,)))
    for _ in range(3):
        with otel_llm.propagate_attributes(metadata={"m": "canary"}), otel_llm.chat_span("m", "p", messages="canary"):
            pass
    assert len(lenient.spans) == 3
    for span in lenient.spans:
        assert "gen_ai.input.messages" not in span.attributes
        assert span.attributes["otel_llm.metadata.m"] == DROPPED
        assert span.attributes["gen_ai.request.model"] == "m"
    points = lenient.points("otel_llm.content.dropped")
    assert sum(point.value for point in points) >= 6
    (record,) = [record for record in quiet.records if "content is dropped" in record.getMessage()]
    assert "canary" not in record.getMessage()
    quiet.clear()


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_function_that_takes_too_long_drops_the_content(release: threading.Event, quiet: Any) -> None:
    _use(lambda text, where: f"{release.wait(60)}", redact_timeout=0.01)
    texts = [clean_text(f"canary {number}", "m") for number in range(2 * TimeLimit.MOST_THREADS)]
    assert set(texts) == {DROPPED}
    assert clean_json(["canary"]) is None
    assert SHARED.ledger.dropped == {"TimeoutError": 2 * TimeLimit.MOST_THREADS + 1}
    quiet.clear()


def test_threads_that_come_back_are_used_again(release: threading.Event) -> None:
    limit = TimeLimit(0.01)
    ended = threading.Semaphore(0)

    def slow() -> None:
        release.wait(60)
        ended.release()

    for _ in range(TimeLimit.MOST_THREADS + 1):
        with pytest.raises(TimeoutError):
            limit.call(slow)
    release.set()
    for _ in range(TimeLimit.MOST_THREADS):
        assert ended.acquire(timeout=30)
    limit._seconds = 30
    while limit._overdue == TimeLimit.MOST_THREADS:
        pass
    assert limit.call(lambda: "done") == "done"


def test_an_error_of_a_function_is_raised_to_the_caller_of_the_limit() -> None:
    limit = TimeLimit(30)
    with pytest.raises(ValueError, match="x"):
        limit.call(lambda: int("x"))
    with pytest.raises(RedactorError, match="KeyboardInterrupt"):
        limit.call(_interrupt)


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_an_error_in_our_own_patterns_drops_too(monkeypatch: pytest.MonkeyPatch, quiet: Any) -> None:
    _use("pii")
    monkeypatch.setattr(SHARED.policy, "_personal", _Broken())
    assert clean_text("canary and more") == DROPPED
    assert clean_json(["canary"]) is None
    quiet.clear()


class _Broken:
    def of_parts_of(self, text: str) -> Any:
        raise ValueError(text)


def test_a_program_that_ends_at_once() -> None:
    """The automaton of the patterns is made in C++, where a thread that outlives the interpreter aborts the process."""
    pytest.importorskip("re2")
    told = run("""
        import atexit
        from otel_llm.content import re2_gate, scrubbing
        gate = re2_gate.Re2Gate(scrubbing.SECRETS * 20)
        atexit.register(lambda: print(gate.made.is_set()))
    """)
    assert told.stdout == "True\n"
