"""How judges are named, and which evaluators are used if none are named."""

from __future__ import annotations

#: Judges, by a prefix and what follows it.
KINDS = {
    "openai": "openai:MODEL",
    "openai-decisions": "openai-decisions:MODEL",
    "langchain": "langchain:PROVIDER:MODEL",
    "sagemaker": "sagemaker:ENDPOINT",
    "stand-in": "stand-in",
}
#: The evaluators that a sample of production needs first.
DEFAULT = ("hallucination", "answer_relevance", "moderation", "refusal", "empty")
