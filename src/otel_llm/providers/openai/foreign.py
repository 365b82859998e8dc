"""Whether another GenAI instrumentation already watches the client: then a call would be sent twice."""

from __future__ import annotations

import logging
import sys
from typing import Any

_logger = logging.getLogger("otel_llm")

#: Modules that wrap the openai SDK to trace it.
_KNOWN = (
    "opentelemetry.instrumentation.genai",
    "opentelemetry.instrumentation.openai",
    "opentelemetry.instrumentation.openai_v2",
    "openinference",
    "openlit",
    "logfire",
    "langfuse",
    "ddtrace",
    "sentry_sdk",
    "agentops",
)
_RESOURCES = "openai.resources.chat.completions.completions"


class ForeignInstrumentation:
    """Finds another instrumentation, whether it came before us or after; looks again only when something changed."""

    def __init__(self) -> None:
        self._probe: tuple[Any, ...] = ()
        self._found: str | None = None
        self._told: set[str] = set()

    def watches(self, client: Any) -> bool:
        """Whether one watches ``client``; the first time one is found, says so."""
        resources, openai = sys.modules.get(_RESOURCES), sys.modules["openai"]
        probe = (
            vars(resources.Completions).get("create") if resources is not None else None,
            vars(openai.OpenAI).get("request"),
            vars(openai.AsyncOpenAI).get("request"),
            vars(client).get("request"),
        )
        if not _same(probe, self._probe):
            self._probe = probe
            self._found = next((name for function in probe if (name := _wrapper_of(function)) is not None), None)
            if self._found is not None and self._found not in self._told:
                self._told.add(self._found)
                _logger.warning(
                    "%s already instruments openai: otel-llm leaves its calls to it, so that none is sent twice. "
                    "Switch one of them off with OTEL_PYTHON_DISABLED_INSTRUMENTATIONS or uninstrument()",
                    self._found,
                )
        return self._found is not None


def _same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return len(left) == len(right) and all(one is other for one, other in zip(left, right, strict=True))


def _wrapper_of(function: Any) -> str | None:
    """The known instrumentation in the chain of wrappers around ``function``."""
    for _ in range(50):
        if function is None:
            return None
        # A wrapper made with functools.wraps names the module of what it wraps; its globals tell the truth.
        wrappers: tuple[Any, ...] = (getattr(function, "_self_wrapper", None), function)
        for candidate in wrappers:
            while hasattr(candidate, "func"):
                candidate = candidate.func
            candidate = getattr(candidate, "__func__", candidate)
            module = getattr(candidate, "__globals__", {}).get("__name__", "")
            for known in _KNOWN:
                if module == known or module.startswith(f"{known}."):
                    return known
        function = getattr(function, "__wrapped__", None)
    return None
