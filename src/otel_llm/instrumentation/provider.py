"""What each provider instruments: declared here, so that nothing of a provider is imported before its library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: a folder of ``otel_llm.providers``, and the library that it instruments.

    ``name`` is the folder's, and the instrumentation scope's after ``otel_llm.``. ``instrumentor`` is a class in it.
    ``supported`` are the versions of the library, as a specifier. ``library`` is its import name (default: ``name``),
    ``distribution`` the name it is installed by (default: ``library``).
    """

    name: str
    instrumentor: str
    supported: str
    library: str = ""
    distribution: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "library", self.library or self.name)
        object.__setattr__(self, "distribution", self.distribution or self.library)

    @property
    def module(self) -> str:
        return f"otel_llm.providers.{self.name}"

    @property
    def scope(self) -> str:
        return f"otel_llm.{self.name}"


OPENAI = Provider("openai", "OpenAIInstrumentor", ">=1.66.0,<4")
LANGCHAIN = Provider("langchain", "LangChainInstrumentor", ">=1.4,<2", "langchain_core", "langchain-core")
#: Every SDK for SageMaker uses botocore, and imports it first.
SAGEMAKER = Provider("sagemaker", "SageMakerInstrumentor", ">=1.34", "botocore")
