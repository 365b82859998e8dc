"""examples/feedback: what its page sends is recorded. tests/e2e/test_feedback.py clicks in a real browser."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from standin.openai import OpenAIServer

pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "feedback" / "app.py"


@pytest.fixture
def site(sinks: Any, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "stand-in")
    spec: Any = importlib.util.spec_from_file_location("feedback_example", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return testclient.TestClient(example.app)


def test_what_the_page_asks_for_is_there(site: Any) -> None:
    page = site.get("/").text
    assert set(re.findall(r'post\("(/\w+)"', page)) <= {route.path for route in site.app.routes}
    (header,) = re.findall(r'headers\.get\("([\w-]+)"\)', page)
    assert header in site.post("/ask", json={"question": "Why?"}).headers


def test_a_click_is_feedback_on_its_answer(site: Any, sinks: Any) -> None:
    token = site.post("/ask", json={"question": "Why?"}).headers["x-feedback-token"]
    assert site.post("/feedback", json={"token": token, "label": "down"}).json() == {"recorded": True}
    assert site.post("/feedback", json={"token": token, "label": "down"}).json() == {"recorded": False}
    (feedback,) = sinks.spans
    (answered,) = [span for span in sinks.recorder.spans if span.name == "invoke_workflow answer"]
    assert feedback.parent.span_id == answered.context.span_id
    assert sinks.rows[0]["label"] == "down"


def test_what_is_refused(site: Any, sinks: Any) -> None:
    token = site.post("/ask", json={"question": "Why?"}).headers["x-feedback-token"]
    assert site.post("/feedback", json={"token": "forged", "label": "up"}).status_code == 403
    assert site.post("/feedback", json={"token": token, "label": "a label of one's own"}).status_code == 422
    assert sinks.spans == []
