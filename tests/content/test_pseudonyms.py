"""Ids of people and sessions are pseudonyms wherever they are recorded, and the same in every process."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import baggage, context

import otel_llm
from otel_llm import Settings, Where
from otel_llm import semconv as s
from otel_llm.content.boundary import SHARED, clean, clean_text
from otel_llm.content.presidio import Presidio
from otel_llm.content.pseudonyms import pseudonym

_KEY = "a-key-of-the-tests"
_JANE = pseudonym(_KEY, s.USER_ID, "jane@example.com")


def test_a_pseudonym_needs_the_key_and_stays_itself() -> None:
    assert (
        _JANE == pseudonym(_KEY, "enduser.id", "jane@example.com") != pseudonym("other", s.USER_ID, "jane@example.com")
    )
    assert pseudonym(_KEY, s.SESSION_ID, "jane@example.com") != _JANE
    assert pseudonym(_KEY, s.USER_ID, _JANE) == _JANE
    assert "a-key" not in repr(Settings(pseudonym_key=_KEY))


def test_everywhere(lenient: Any) -> None:
    lenient.instrument(Settings(pseudonym_key=_KEY, redact=("pii",), baggage=frozenset({"user_id"})))
    about = otel_llm.propagate_attributes(
        user_id="jane@example.com", session_id="s", metadata={"m": "jane@example.com"}
    )
    with (
        about,
        otel_llm.workflow_span("flow", attributes={"enduser.id": "jane@example.com"}),
        otel_llm.chat_span("m", "p"),
    ):
        assert otel_llm.current_ids()["user_id"] == _JANE
        with lenient.tracer_provider.get_tracer("other").start_as_current_span("x"):
            pass
    with about:
        assert baggage.get_baggage("otel_llm.user_id") == _JANE
    lenient.foreign.add("other")
    assert [span.attributes["user.id"] for span in lenient.spans] == [_JANE] * 3
    assert {span.attributes["session.id"] for span in lenient.spans} == {pseudonym(_KEY, s.SESSION_ID, "s")}
    assert lenient.spans[-1].attributes["enduser.id"] == _JANE
    assert lenient.spans[0].attributes["otel_llm.metadata.m"] == "[EMAIL]"
    assert "jane" not in json.dumps([span.to_json() for span in lenient.spans])
    assert context.get_current() == {}


def test_an_id_that_was_recorded_as_something_else_before() -> None:
    SHARED.use(Settings(pseudonym_key=_KEY))
    assert clean_text("jane", "otel_llm.tags") == "jane"
    attributes = {"user.id": "jane", "otel_llm.metadata.name": "jane"}
    clean(attributes)
    assert attributes == {"user.id": pseudonym(_KEY, s.USER_ID, "jane"), "otel_llm.metadata.name": "jane"}


# --- Presidio ----------------------------------------------------------------------------------------------


class _Engine:
    """Finds as Presidio's engine does, where finds may overlap."""

    def analyze(self, text: str, language: str, entities: Any, score_threshold: float) -> list[Any]:
        assert (language, entities, score_threshold) == ("en", None, 0.5)
        start = text.index("Jane Doe")
        return [
            SimpleNamespace(start=start, end=start + 8, entity_type="PERSON", score=0.85),
            SimpleNamespace(start=start + 5, end=start + 8, entity_type="LOCATION", score=0.6),
            SimpleNamespace(start=text.index("Rome"), end=text.index("Rome") + 4, entity_type="LOCATION", score=0.85),
        ]


def test_presidio_replaces_by_kind() -> None:
    assert Presidio(_Engine())("Jane Doe is in Rome.", Where("m")) == "[PERSON] is in [LOCATION]."


def test_presidio_itself() -> None:
    analyzer = pytest.importorskip("presidio_analyzer")
    registry = analyzer.RecognizerRegistry(supported_languages=["en"])
    registry.add_recognizer(analyzer.PatternRecognizer("PERSON", deny_list=["Jane Doe"], supported_language="en"))
    assert Presidio(_engine(analyzer, registry))("It is Jane Doe.", Where("m")) == "It is [PERSON]."


def _engine(analyzer: Any, registry: Any) -> Any:
    """An engine without a model of a language, which would have to be downloaded."""
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class NoModel(NlpEngine):  # type: ignore[misc]
        def load(self) -> None: ...
        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            return NlpArtifacts([], [], [], [], self, language)

        def process_batch(self, texts: Any, language: str, **kwargs: Any) -> Any:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    return analyzer.AnalyzerEngine(registry=registry, nlp_engine=NoModel(), supported_languages=["en"])
