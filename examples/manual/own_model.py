"""A model that is not instrumented, with the spans, metrics and chunk times of one that is.

opentelemetry-instrument python examples/manual/own_model.py
"""

from collections.abc import Iterator

import otel_llm


def model(prompt: str) -> Iterator[str]:
    """Stands for your own client."""
    yield from ("Spans ", "have ", "two ", "ends.")


def ask(question: str) -> str:
    with otel_llm.chat_span("llama-3", "my_company", messages=question, temperature=0.2, stream=True) as call:
        answer = ""
        for piece in model(question):
            call.chunk(piece)
            answer += piece
        call.response(model="llama-3-8b", finish_reason="stop", input_tokens=5, output_tokens=4)
    return answer


print(ask("What is a span?"))
with otel_llm.embeddings_span("e5", "my_company") as call:
    call.response(dimensions=3, input_tokens=5)
