"""An invocation of an endpoint inside of the span that a framework makes of the same call."""

from __future__ import annotations

from typing import Any

import pytest
from asking import CHAT, invoke, stream

from foreign_tracer import DURATION, TOKENS, Framework
from otel_llm import ForeignSpans, Settings


@pytest.mark.parametrize(
    ("mode", "scopes"),
    [("join", ["a-framework"]), ("leave", ["a-framework"]), ("own", ["otel_llm.sagemaker", "a-framework"])],
)
@pytest.mark.parametrize("ask", [invoke, stream])
def test_an_invocation(
    sparse: Any, client: Any, caplog: pytest.LogCaptureFixture, mode: str, scopes: list[str], ask: Any
) -> None:
    sparse.instrument(Settings(foreign_spans=ForeignSpans(mode)))
    framework = Framework(sparse, "a-framework", counts=(TOKENS, DURATION))
    with framework.span():
        ask(client, "chat-x", CHAT)
    assert [span.instrumentation_scope.name for span in sparse.spans] == scopes
    told = sparse.spans[-1].attributes
    assert ("otel_llm.sagemaker.endpoint.name" in told) is (mode == "join")
    assert len({point.attributes.get("gen_ai.provider.name") for point in sparse.points(DURATION)}) == len(scopes)
    assert [record.name for record in caplog.records] == ([] if mode == "own" else ["otel_llm"])
    caplog.clear()  # that there is another library is said, and is no failure of ours
