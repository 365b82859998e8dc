"""The vocabulary of a model, by its name, and which models bill tokens that they do not send."""

from __future__ import annotations

import re
from functools import lru_cache

#: What names of models begin with, or have after a dot or hyphen, as Bedrock's do. The first that fits counts.
_VOCABULARIES = tuple(
    (re.compile(rf"(?<![a-z]){pattern}"), vocabulary)
    for pattern, vocabulary in (
        (r"gpt-?oss", "o200k_harmony"),
        (r"(?:gpt-?4o|gpt-?4\.[15]|gpt-?5|chatgpt|codex|o[1-9](?:-|$))", "o200k_base"),
        (r"(?:gpt-?4|gpt-?3\.?5|text-embedding-(?:3|ada))", "cl100k_base"),
        (r"code-?llama", "codellama"),
        (r"(?:meta-?)?llama-?3", "llama3"),
        (r"(?:meta-?)?llama-?2", "llama2"),
        (r"qwen-?3", "qwen3"),
        (r"qwen", "qwen2.5"),
        (r"deepseek-?(?:v3|r1|chat|reasoner)", "deepseek_v3"),
        (r"gemma-?2", "gemma2"),
        (r"gemma-?3", "gemma3"),
        (r"phi-?4", "phi4"),
        (r"olmo-?2", "olmo2"),
        (r"glm-?4", "glm4"),
        (r"kimi-?k2", "kimi_k2"),
        (r"(?:mistral-nemo|ministral)", "mistral_v3"),
        (r"mistral-7b(?:-instruct)?-v0\.3", "mistral_v2"),
        (r"(?:mistral-7b|mixtral-8x7b)", "mistral_v1"),
    )
)
#: A distilled model has the vocabulary of the model that was trained.
_DISTILLED = (("distill-llama", "llama3"), ("distill-qwen", "qwen2.5"))
_HIDDEN_REASONING = re.compile(r"(?<![a-z0-9])(?:o[1-9](?:-|$)|gpt-?5(?!.*chat)|codex)")


@lru_cache(maxsize=512)
def vocabulary(model: str) -> str | None:
    """The name of the vocabulary of ``model``; ``None`` if it is not known."""
    name = _plain(model)
    for made_from, known in _DISTILLED:
        if made_from in name:
            return known
    return next((known for pattern, known in _VOCABULARIES if pattern.search(name)), None)


@lru_cache(maxsize=512)
def hides_reasoning(model: str) -> bool:
    """Whether ``model`` bills tokens of reasoning that are not in its answer."""
    return _HIDDEN_REASONING.search(_plain(model)) is not None


def _plain(model: str) -> str:
    """``model`` without its owner, and without what a fine-tuned model has around its base."""
    name = model.lower().rpartition("/")[2]
    return name.split(":")[1] if name.startswith("ft:") and ":" in name[3:] else name
