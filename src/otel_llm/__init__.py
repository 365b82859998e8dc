"""OpenTelemetry for LLM applications: spans, metrics and events by the GenAI semantic conventions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .api import instrument, uninstrument
from .config import ContentCapture, MetricGeneration, Settings
from .contexts import context, in_context
from .version import __version__

if TYPE_CHECKING:
    from . import logs
    from .manual.current import current_ids, update_current
    from .manual.decorator import observe
    from .manual.models import chat, completion, embeddings
    from .manual.operations import agent, retrieval, step, tool, workflow
    from .promptlog import PromptLog, prompt_log
    from .prompts.experiment import Experiment
    from .prompts.notation import PromptError
    from .prompts.prompt import Prompt
    from .prompts.registry import PromptNotFoundError, PromptRegistry

__all__ = [
    "ContentCapture",
    "Experiment",
    "MetricGeneration",
    "Prompt",
    "PromptError",
    "PromptLog",
    "PromptNotFoundError",
    "PromptRegistry",
    "Settings",
    "__version__",
    "agent",
    "chat",
    "completion",
    "context",
    "current_ids",
    "embeddings",
    "in_context",
    "instrument",
    "logs",
    "observe",
    "prompt_log",
    "retrieval",
    "step",
    "tool",
    "uninstrument",
    "update_current",
    "workflow",
]

#: What few programs use, by the module it is in: imported when it is asked for.
_LATER = {
    "Experiment": ".prompts.experiment",
    "Prompt": ".prompts.prompt",
    "PromptError": ".prompts.notation",
    "PromptLog": ".promptlog",
    "PromptNotFoundError": ".prompts.registry",
    "PromptRegistry": ".prompts.registry",
    "agent": ".manual.operations",
    "chat": ".manual.models",
    "completion": ".manual.models",
    "current_ids": ".manual.current",
    "embeddings": ".manual.models",
    "logs": ".logs",
    "observe": ".manual.decorator",
    "prompt_log": ".promptlog",
    "retrieval": ".manual.operations",
    "step": ".manual.operations",
    "tool": ".manual.operations",
    "update_current": ".manual.current",
    "workflow": ".manual.operations",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LATER[name], __name__)
    value = getattr(module, name, module)
    globals()[name] = value
    return value
