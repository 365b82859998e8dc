"""A page with thumbs on the answer: what a person clicks is shown in the trace of the answer.

pip install "otel-llm[otlp]" fastapi uvicorn openai
otel-llm up
export OTEL_SERVICE_NAME=feedback OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318
export OTEL_LLM_FEEDBACK_KEY=$(openssl rand -hex 32)
opentelemetry-instrument uvicorn --app-dir examples/feedback app:app

Open http://localhost:8000, ask, and click on a thumb. The trace in Jaeger has a span `feedback thumbs`.
"""

from pathlib import Path
from typing import Annotated, Literal

import openai
from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import HTMLResponse

import otel_llm

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")

app = FastAPI()
# Each answer has a token in this header: by it, the browser can give feedback on that answer, and on nothing else.
app.add_middleware(otel_llm.OtelLlmMiddleware, feedback_header="x-feedback-token", feedback_expires_in=3600)


@app.get("/", response_class=HTMLResponse)
def page() -> str:
    return PAGE


@app.post("/ask")
def ask(question: Annotated[str, Body(embed=True, max_length=2000)]) -> dict[str, str]:
    with otel_llm.workflow_span("answer"):
        messages = [{"role": "user", "content": question}]
        completion = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
        return {"answer": completion.choices[0].message.content or ""}


@app.post("/feedback")
def feedback(
    token: Annotated[str, Body()],
    label: Annotated[Literal["up", "down"], Body()],
    comment: Annotated[str | None, Body(max_length=2000)] = None,
) -> dict[str, bool]:
    done = otel_llm.record_feedback("thumbs", label=label, comment=comment or None, target=token)
    if done.reason in ("invalid_token", "expired_token"):
        raise HTTPException(403, "this feedback is not possible any more")
    return {"recorded": done.recorded}
