"""What settings add to a tracer provider: also to one that is set later, never twice, and not beyond their end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm import Settings
from processes import run


class Traced:
    """A tracer provider with its spans, and a file of evaluation items."""

    def __init__(self, path: Path) -> None:
        self.path, self.exporter, self.provider = path, InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def instrument(self, **settings: Any) -> None:
        sampled: dict[str, Any] = {"evaluation_sample_rate": 1.0, "evaluation_grace": 0.0, "scrub_foreign": True}
        made = Settings(**{**sampled, "evaluation_dataset": str(self.path), **settings})
        otel_llm.instrument(settings=made, tracer_provider=self.provider)

    def fail(self) -> str:
        """A span of another library fails, with a call inside; gives what it says of that."""

        def request() -> None:
            with self.provider.get_tracer("fastapi").start_as_current_span("GET /"):
                with otel_llm.chat_span("m", "own"):
                    pass
                raise ValueError("my secret plan")

        with pytest.raises(ValueError, match="secret plan"):
            request()
        return self.exporter.get_finished_spans()[-1].to_json()

    def items(self) -> list[str]:
        self.provider.force_flush()
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line)["name"] for line in lines]


@pytest.fixture
def traced(tmp_path: Path) -> Any:
    otel_llm.uninstrument()
    made = Traced(tmp_path / "items.jsonl")
    yield made
    otel_llm.uninstrument()
    made.provider.shutdown()


def test_after_uninstrument_nothing_is_sampled_or_removed(traced: Traced) -> None:
    traced.instrument()
    assert "my secret plan" not in traced.fail()
    assert traced.items() == ["GET /"]
    otel_llm.uninstrument()
    assert "my secret plan" in traced.fail()
    assert "otel_llm.eval.sampled" not in traced.exporter.get_finished_spans()[-1].attributes
    assert traced.items() == ["GET /"]


def test_what_waits_when_it_is_taken_out_is_stored(traced: Traced) -> None:
    traced.instrument(evaluation_grace=3600.0)
    traced.fail()
    otel_llm.uninstrument()
    assert traced.items() == ["GET /"]


def test_instrumented_again_nothing_is_doubled(traced: Traced) -> None:
    for _ in range(3):
        traced.instrument()
        otel_llm.uninstrument()
    traced.instrument()
    traced.instrument()
    assert "my secret plan" not in traced.fail()
    assert traced.items() == ["GET /"]
    assert len(traced.provider._active_span_processor._span_processors) == 2  # the exporter's, and one of ours


def test_other_settings_take_the_place_of_those_before(traced: Traced, tmp_path: Path) -> None:
    traced.instrument()
    traced.fail()
    assert traced.items() == ["GET /"]
    traced.path = tmp_path / "others.jsonl"
    traced.instrument(scrub_foreign=False)
    assert "my secret plan" in traced.fail()
    assert traced.items() == ["GET /"]
    traced.instrument(evaluation_sample_rate=None)
    traced.fail()
    assert traced.items() == ["GET /"]


def test_spans_of_others_carry_what_is_propagated_all_the_same(traced: Traced) -> None:
    traced.instrument()
    otel_llm.uninstrument()
    with otel_llm.propagate_attributes(session_id="s-1"):
        traced.fail()
    assert traced.exporter.get_finished_spans()[-1].attributes["session.id"] == "s-1"


@pytest.mark.parametrize("first", ["call()", "with otel_llm.step_span('s'): pass", "otel_llm.instrument()"])
def test_a_global_provider_that_is_set_later(tmp_path: Path, first: str) -> None:
    path = tmp_path / "items.jsonl"
    run(f"""
        import otel_llm
        from opentelemetry import trace
        settings = otel_llm.Settings(evaluation_sample_rate=1.0, evaluation_dataset={str(path)!r}, scrub_foreign=True)
        otel_llm.instrument(settings=settings)
        otel_llm.instrument()
        exporter = sdk()
        {first}
        try:
            with trace.get_tracer("fastapi").start_as_current_span("GET /"):
                with otel_llm.chat_span("m", "own"):
                    pass
                raise ValueError("my secret plan")
        except ValueError:
            pass
        assert otel_llm.flush(30)
        assert "secret plan" not in exporter.get_finished_spans()[-1].to_json()
    """)
    names = [json.loads(line)["name"] for line in path.read_text().splitlines()]
    assert names.count("GET /") == 1
    assert len(names) == (1 if "instrument" in first else 2)


def test_uninstrumented_before_the_global_provider_is_set(tmp_path: Path) -> None:
    run(f"""
        import otel_llm
        from opentelemetry import trace
        path = {str(tmp_path / "items.jsonl")!r}
        otel_llm.instrument(settings=otel_llm.Settings(evaluation_sample_rate=1.0, evaluation_dataset=path))
        otel_llm.uninstrument()
        exporter = sdk()
        with otel_llm.step_span("s"):
            pass
        assert otel_llm.flush(30)
        assert "otel_llm.eval.sampled" not in exporter.get_finished_spans()[-1].attributes
    """)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("disabled", "asked", "instrumented"),
    [
        ("otel_llm_openai", "", False),
        ("fastapi, otel_llm_openai", "", False),
        ("*", "", False),
        ("otel_llm_langchain", "", True),
        ("", "", True),
        ("otel_llm_openai", "'openai'", True),
    ],
)
def test_libraries_that_the_environment_leaves_out(disabled: str, asked: str, instrumented: bool) -> None:
    run(f"""
        import os
        os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = {disabled!r}
        import openai, otel_llm
        otel_llm.instrument({asked})
        assert ("request" in vars(openai.OpenAI)) is {instrumented}
        otel_llm.uninstrument()
        assert "request" not in vars(openai.OpenAI)
    """)
