"""Session and user of a request: on every span below, including those of other libraries, and in your log records.

opentelemetry-instrument python examples/manual/sessions.py
"""

from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace

import otel_llm

tracer = trace.get_tracer("shop")


@otel_llm.observe
def score(text: str) -> int:
    return len(text)


def handle(session: str, user: str) -> None:
    with otel_llm.propagate_attributes(session_id=session, user_id=user, tags=["web"], metadata={"tenant": "acme"}):
        with tracer.start_as_current_span("checkout"), ThreadPoolExecutor() as pool:
            list(pool.map(otel_llm.bind_context(score), ["a", "bb"]))
        print("support ticket:", otel_llm.current_ids()["session_id"])


handle("s-1", "u-1")
