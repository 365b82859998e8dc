"""Instrumenting imports nothing; libraries, SDKs and providers may come before it or after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from interpreter import NO_EXPORT
from processes import run


def test_nothing_is_imported() -> None:
    run("""
        import otel_llm
        otel_llm.instrument()
        heavy = ("openai", "httpx", "httpx2", "langchain", "langchain_core", "boto3", "botocore", "sagemaker",
                 "pydantic", "rich", "jsonschema", "opentelemetry.sdk", "opentelemetry.exporter")
        loaded = [name for name in sys.modules if name in heavy or name.startswith("opentelemetry.sdk")]
        assert loaded == [], loaded
    """)


@pytest.mark.parametrize("first", ["otel_llm", "the libraries"])
def test_no_call_imports_anything_of_ours(first: str) -> None:
    """Python can import no module in a child that is forked while another thread of the parent imports it."""
    run(f"""
        import otel_llm
        exporter = sdk()
        if {first!r} == "otel_llm":
            otel_llm.instrument()
        import botocore.session, openai
        from langchain_core.language_models import FakeListChatModel
        from standin.sagemaker import SageMakerServer
        if {first!r} != "otel_llm":
            otel_llm.instrument()
        before = set(sys.modules)
        call()
        FakeListChatModel(responses=["x"]).invoke("hi")
        with SageMakerServer() as server:
            keys = dict(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
            client = botocore.session.get_session().create_client("sagemaker-runtime", endpoint_url=server.url, **keys)
            client.invoke_endpoint(EndpointName="e", Body=b'{{"inputs": "hi"}}', ContentType="application/json")
        assert len(names(exporter)) == 3, names(exporter)
        ours = {{name for name in set(sys.modules) - before if name.startswith(("otel_llm", "opentelemetry"))}}
        assert ours == set(), ours
    """)


@pytest.mark.parametrize("first", ["openai", "otel_llm", "a submodule of openai"])
def test_openai_imported_before_or_after(first: str) -> None:
    run(f"""
        exporter = sdk()
        if {first!r} != "otel_llm":
            import {"openai" if first == "openai" else "openai.resources.chat"}
        import otel_llm
        otel_llm.instrument()
        import openai
        assert "request" in vars(openai.OpenAI)
        call()
        assert names(exporter) == ["chat gpt-4o-mini"], names(exporter)
        otel_llm.uninstrument()
        assert "request" not in vars(openai.OpenAI)
    """)


def test_the_sdk_set_up_after_instrumenting() -> None:
    run("""
        import otel_llm
        otel_llm.instrument()
        call()
        exporter = sdk()
        call()
        assert names(exporter) == ["chat gpt-4o-mini"], names(exporter)
    """)


def test_no_sdk_at_all() -> None:
    finished = run("""
        import otel_llm
        otel_llm.instrument()
        call()
        from opentelemetry.context import get_current
        from otel_llm.providers.openai import OpenAIInstrumentor
        assert not OpenAIInstrumentor().telemetry.traces(get_current())
    """)
    assert (finished.stdout, finished.stderr) == ("", "")


def test_sdk_disabled_by_the_environment() -> None:
    run(
        """
        exporter = sdk()
        import otel_llm
        otel_llm.instrument()
        call()
        assert names(exporter) == []
        """,
        OTEL_SDK_DISABLED="true",
    )


def test_uninstrumented_before_the_import() -> None:
    run("""
        import otel_llm
        otel_llm.instrument()
        otel_llm.uninstrument()
        import openai
        assert "request" not in vars(openai.OpenAI)
        otel_llm.instrument()
        assert "request" in vars(openai.OpenAI)
    """)


def test_a_version_that_is_not_supported_is_left_alone() -> None:
    finished = run("""
        import logging
        logging.basicConfig()
        import openai
        openai.__version__ = "1.65.0"
        import otel_llm
        otel_llm.instrument()
        assert "request" not in vars(openai.OpenAI)
    """)
    assert finished.stderr.count("openai 1.65.0 is not instrumented: otel-llm supports openai>=1.66.0,<4") == 1


def test_a_library_nobody_knows() -> None:
    run("""
        import otel_llm
        try:
            otel_llm.instrument("openia")
        except ValueError as error:
            assert "openia" in str(error) and "openai" in str(error)
        else:
            raise AssertionError
    """)


# --- without a change to the code -----------------------------------------------------------------------


def launched(**environment: str) -> tuple[list[dict[str, Any]], str]:
    """The spans of an application started by ``opentelemetry-instrument``, and what it wrote beside."""
    pytest.importorskip("opentelemetry.exporter.otlp.json.file")
    exporters = {**NO_EXPORT, "OTEL_TRACES_EXPORTER": "otlp_json_file"}
    finished = run("call()", launched=True, **exporters, **environment)
    spans = []
    for line in finished.stdout.splitlines():
        for resource in json.loads(line).get("resourceSpans", ()):
            spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
    return spans, finished.stderr


def test_zero_code() -> None:
    spans, said = launched()
    assert [span["name"] for span in spans] == ["chat gpt-4o-mini"]
    assert "gen_ai.input.messages" not in json.dumps(spans)
    assert "Traceback" not in said


def test_zero_code_with_content() -> None:
    spans, _ = launched(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY")
    (span,) = spans
    attributes = {one["key"]: one["value"] for one in span["attributes"]}
    assert json.loads(attributes["gen_ai.input.messages"]["stringValue"])[0]["parts"][0]["content"] == "hi"


def test_zero_code_switched_off() -> None:
    spans, _ = launched(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="otel_llm_openai")
    assert spans == []


def test_zero_code_with_a_bad_value_runs() -> None:
    spans, said = launched(OTEL_LLM_CONTENT_MAX_BYTES="lots")
    assert len(spans) == 1
    assert said.count("OTEL_LLM_CONTENT_MAX_BYTES") == 1
