"""A thumb that is clicked on the page of examples/feedback is in the answer's trace in Jaeger."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e import browser
from e2e.programs import ROOT, Jaeger, Program, answers, free_address, until
from standin.openai import OpenAIServer

pytestmark = pytest.mark.timeout(300)


class Site(Program):
    """The example, started as its first lines say."""

    name = "site"

    def __init__(self, directory: Path, jaeger: Jaeger, openai: OpenAIServer) -> None:
        super().__init__(directory)
        self.address = free_address()
        self._jaeger, self._openai = jaeger, openai

    def command(self) -> list[str | Path]:
        host, port = self.address.split(":")
        bin_folder = Path(sys.executable).parent
        served = ["--app-dir", ROOT / "examples" / "feedback", "app:app", "--host", host, "--port", port]
        return [bin_folder / "opentelemetry-instrument", bin_folder / "uvicorn", *served]

    def environment(self) -> dict[str, str]:
        return {
            "OPENAI_BASE_URL": self._openai.base_url,
            "OPENAI_API_KEY": "stand-in",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self._jaeger.otlp_http}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "feedback",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_LLM_FEEDBACK_KEY": "a key of this test",
            "NO_PROXY": "127.0.0.1",
        }

    def is_ready(self) -> bool:
        return answers(self.address, "/")


@pytest.fixture
def site(run: Callable[[Any], Any], tmp_path: Path) -> Iterator[tuple[str, Jaeger]]:
    """The address of the example, and the Jaeger that it sends to."""
    jaeger = run(Jaeger(tmp_path))
    with OpenAIServer() as openai:
        yield f"http://{run(Site(tmp_path, jaeger, openai)).address}", jaeger


def _spans(jaeger: Jaeger) -> list[dict[str, Any]]:
    return [span for resource in jaeger.find("feedback") for scope in resource["scopeSpans"] for span in scope["spans"]]


def _assert_is_shown(jaeger: Jaeger, label: str) -> None:
    """Jaeger has the click in the trace of the answer, below its root."""

    def clicked() -> list[dict[str, Any]]:
        return [span for span in _spans(jaeger) if span["name"] == "feedback thumbs"]

    until(lambda: bool(clicked()), 60, "the click is in Jaeger")
    (feedback,) = clicked()
    said = {one["key"]: next(iter(one["value"].values())) for one in feedback["attributes"]}
    assert (said["gen_ai.evaluation.name"], said["gen_ai.evaluation.score.label"]) == ("thumbs", label)
    around = {span["spanId"]: span for span in _spans(jaeger) if span["traceId"] == feedback["traceId"]}
    names = {span["name"] for span in around.values()}
    assert names >= {"invoke_workflow answer", "chat gpt-4o-mini", "feedback thumbs"}
    # Newer releases of FastAPI make a span of the request, which is the outermost then.
    outermost = "POST /ask" if "POST /ask" in names else "invoke_workflow answer"
    assert around[feedback["parentSpanId"]]["name"] == outermost


def test_a_click_in_a_browser(site: tuple[str, Jaeger]) -> None:
    url, jaeger = site
    with browser.opened() as page:
        page.goto(url)
        page.get_by_label("Question").fill("What is a span?")
        page.get_by_role("button", name="Ask").click()
        page.get_by_role("button", name="Bad answer").click()
        page.get_by_text("Thank you.").wait_for()
        assert page.get_by_role("button", name="Bad answer").get_attribute("aria-pressed") == "true"
    _assert_is_shown(jaeger, "down")


def test_the_requests_of_the_page(site: tuple[str, Jaeger]) -> None:
    """What the page sends, without a browser."""
    url, jaeger = site

    def post(path: str, **what: str) -> Any:
        given = {"content-type": "application/json"}
        request = urllib.request.Request(url + path, json.dumps(what).encode(), given, method="POST")
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30)

    with post("/ask", question="What is a span?") as answered:
        token = answered.headers["x-feedback-token"]
    with post("/feedback", token=token, label="up") as recorded:
        assert json.load(recorded) == {"recorded": True}
    _assert_is_shown(jaeger, "up")
