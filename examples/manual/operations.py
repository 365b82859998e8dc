"""Operations by context manager: a workflow, an agent, its tool, and a retrieval.

opentelemetry-instrument python examples/manual/operations.py
"""

import otel_llm

ARTICLES = {"a-1": "Spans have a beginning and an end.", "a-2": "Traces are trees of spans."}


def search(query: str) -> list[dict[str, str]]:
    with otel_llm.retrieval_span("articles", query=query, top_k=2) as retrieval:
        found = [{"id": key, "content": text} for key, text in ARTICLES.items() if query in text]
        retrieval.documents(found)
    return found


with otel_llm.workflow_span("twin", input="What is a span?") as flow:
    with otel_llm.agent_span("writer"), otel_llm.tool_span("search", input={"query": "span"}) as tool:
        found = search("span")
        tool.update(output=found)
    with otel_llm.step_span("rerank"):
        best = found[0]
    flow.update(output=best["content"], tags=["rag"])
print(best["content"])
