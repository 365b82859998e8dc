"""OpenTelemetry for LLM applications: spans, metrics and events by the GenAI semantic conventions."""

from .ambient import context, in_context
from .api import instrument, uninstrument
from .config import ContentCapture, MetricGeneration, Settings
from .version import __version__

__all__ = [
    "ContentCapture",
    "MetricGeneration",
    "Settings",
    "__version__",
    "context",
    "in_context",
    "instrument",
    "uninstrument",
]
