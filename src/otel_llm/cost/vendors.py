"""Which hosts belong to the vendors of models: only there are their prices charged."""

from __future__ import annotations

#: Providers by their name in the conventions -> the ends of their hosts' names. A host with a leading dot has others
#: below it.
_HOSTS: dict[str, tuple[str, ...]] = {
    "anthropic": ("api.anthropic.com",),
    "aws.bedrock": (".amazonaws.com",),
    "azure.ai.inference": (".services.ai.azure.com", ".models.ai.azure.com"),
    "azure.ai.openai": (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
    "cohere": ("api.cohere.com", "api.cohere.ai"),
    "deepseek": ("api.deepseek.com",),
    "gcp.gemini": ("generativelanguage.googleapis.com",),
    "gcp.gen_ai": (".googleapis.com",),
    "gcp.vertex_ai": ("aiplatform.googleapis.com", "-aiplatform.googleapis.com"),
    "groq": ("api.groq.com",),
    "ibm.watsonx.ai": (".ml.cloud.ibm.com",),
    "mistral_ai": ("api.mistral.ai",),
    "moonshot_ai": ("api.moonshot.ai", "api.moonshot.cn"),
    "openai": ("api.openai.com",),
    "perplexity": ("api.perplexity.ai",),
    "x_ai": ("api.x.ai",),
}


def owns(provider: str, host: str) -> bool:
    """Whether ``host`` is operated by the vendor ``provider`` itself."""
    host = host.lower()
    return any(host == end or (end[0] in ".-" and host.endswith(end)) for end in _HOSTS.get(provider, ()))
