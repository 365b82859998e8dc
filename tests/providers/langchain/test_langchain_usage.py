"""Usage that an integration passes on as the provider has it, without LangChain's ``usage_metadata``."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from otel_llm.providers.langchain import answers

OPENAI = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
ANTHROPIC = {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 5}
BEDROCK = {
    "inputTokens": 10,
    "cacheReadInputTokens": 4,
    "cacheWriteInputTokens": 2,
    "outputTokens": 5,
    "totalTokens": 21,
}
TOLD = {"openai": OPENAI, "anthropic": ANTHROPIC, "bedrock": BEDROCK}
EXPECTED = {
    "openai": {"input": 10, "output": 5, "cache_read.input": 4, "reasoning.output": 3},
    "anthropic": {"input": 16, "output": 5, "cache_read.input": 4, "cache_write.input": 2},
}
EXPECTED["bedrock"] = EXPECTED["anthropic"]


@pytest.mark.parametrize("provider", TOLD)
@pytest.mark.parametrize("key", ["usage", "token_usage"])
@pytest.mark.parametrize("where", ["response_metadata", "generation_info", "llm_output"])
def test_usage_as_the_provider_has_it(provider, key, where):
    told = {key: TOLD[provider]}
    message = AIMessage("fine", response_metadata=told if where == "response_metadata" else {})
    generation = ChatGeneration(message=message, generation_info=told if where == "generation_info" else None)
    result = LLMResult(generations=[[generation, generation]], llm_output=told if where == "llm_output" else None)
    found = answers.response(result, False).usage
    assert found == {f"gen_ai.usage.{name}_tokens": count for name, count in EXPECTED[provider].items()}


def test_an_answer_from_langchains_cache_costs_nothing():
    message = AIMessage("fine", response_metadata={"token_usage": OPENAI})
    message.usage_metadata = {"total_cost": 0}
    result = LLMResult(generations=[[ChatGeneration(message=message)]])
    assert answers.response(result, False).usage == {}
