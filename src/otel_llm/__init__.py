"""OpenTelemetry for LLM applications: spans, metrics and events by the GenAI semantic conventions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import Settings
from .config.choices import (
    ChunkMetrics,
    ContentCapture,
    ForeignSpans,
    LangChainSteps,
    MetricGeneration,
    SamplingAlgorithm,
)
from .lifecycle.api import instrument, uninstrument
from .propagation.api import bind_context, propagate_attributes
from .version import __version__

if TYPE_CHECKING:
    from . import log_correlation
    from .content.redaction import Redactor, Where
    from .lifecycle.flush import flush
    from .lifecycle.setup import setup
    from .manual.chat import chat_span, completion_span
    from .manual.current import current_ids, update_current_span
    from .manual.decorator import observe
    from .manual.embeddings import embeddings_span
    from .manual.feedback.api import Feedback, feedback_token, record_feedback
    from .manual.operations import agent_span, retrieval_span, step_span, tool_span, workflow_span
    from .prompt_log import PromptLog, log_prompts
    from .prompts.experiment import Experiment
    from .prompts.notation import PromptError
    from .prompts.prompt import Prompt
    from .prompts.registry import PromptNotFoundError, PromptRegistry
    from .propagation.asgi import OtelLlmMiddleware

__all__ = [
    "ChunkMetrics",
    "ContentCapture",
    "Experiment",
    "Feedback",
    "ForeignSpans",
    "LangChainSteps",
    "MetricGeneration",
    "OtelLlmMiddleware",
    "Prompt",
    "PromptError",
    "PromptLog",
    "PromptNotFoundError",
    "PromptRegistry",
    "Redactor",
    "SamplingAlgorithm",
    "Settings",
    "Where",
    "__version__",
    "agent_span",
    "bind_context",
    "chat_span",
    "completion_span",
    "current_ids",
    "embeddings_span",
    "feedback_token",
    "flush",
    "instrument",
    "log_correlation",
    "log_prompts",
    "observe",
    "propagate_attributes",
    "record_feedback",
    "retrieval_span",
    "setup",
    "step_span",
    "tool_span",
    "uninstrument",
    "update_current_span",
    "workflow_span",
]

#: What few programs use, by the module it is in: imported when it is asked for.
_LATER = {
    "Experiment": ".prompts.experiment",
    "Feedback": ".manual.feedback.api",
    "OtelLlmMiddleware": ".propagation.asgi",
    "Prompt": ".prompts.prompt",
    "PromptError": ".prompts.notation",
    "PromptLog": ".prompt_log",
    "PromptNotFoundError": ".prompts.registry",
    "PromptRegistry": ".prompts.registry",
    "Redactor": ".content.redaction",
    "Where": ".content.redaction",
    "agent_span": ".manual.operations",
    "chat_span": ".manual.chat",
    "completion_span": ".manual.chat",
    "current_ids": ".manual.current",
    "embeddings_span": ".manual.embeddings",
    "feedback_token": ".manual.feedback.api",
    "flush": ".lifecycle.flush",
    "log_correlation": ".log_correlation",
    "observe": ".manual.decorator",
    "log_prompts": ".prompt_log",
    "record_feedback": ".manual.feedback.api",
    "retrieval_span": ".manual.operations",
    "setup": ".lifecycle.setup",
    "step_span": ".manual.operations",
    "tool_span": ".manual.operations",
    "update_current_span": ".manual.current",
    "workflow_span": ".manual.operations",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LATER[name], __name__)
    value = getattr(module, name, module)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
