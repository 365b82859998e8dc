"""An answer that is streamed to a browser: the span is open while it streams, and ends when the browser goes away.

pip install fastapi httpx
opentelemetry-instrument python examples/manual/web.py
"""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

import otel_llm

app = FastAPI()
# Session and user that a handler sets then also apply while its response streams.
app.add_middleware(otel_llm.OtelLlmMiddleware)


@otel_llm.observe(operation="workflow")
async def stream_answer(question: str) -> AsyncIterator[str]:
    for word in ("Spans", "have", "two", "ends."):
        with otel_llm.step_span("next word"):
            yielded = f"{word} "
        yield yielded


@app.get("/ask")
async def ask(question: str, session: str) -> StreamingResponse:
    with otel_llm.propagate_attributes(session_id=session):
        return StreamingResponse(stream_answer(question), media_type="text/plain")


if __name__ == "__main__":
    print(TestClient(app).get("/ask", params={"question": "What is a span?", "session": "s-1"}).text)
