"""Whether another GenAI instrumentation already watches the client: then a call would be sent twice."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
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
        # Live views of the classes that others wrap, and what was in them at the last look.
        self._create: Mapping[str, Any] = {}
        self._request: Mapping[str, Any] = {}
        self._request_async: Mapping[str, Any] = {}
        self._seen: tuple[Any, ...] = (None, None, None, None)
        self._found: str | None = None
        self._told: set[str] = set()

    def watches(self, client: Any) -> bool:
        """Whether one watches ``client``; the first time one is found, says so."""
        create, request, request_async = self._create, self._request, self._request_async
        if (
            create.get("create") is not self._seen[0]
            or request.get("request") is not self._seen[1]
            or request_async.get("request") is not self._seen[2]
            or client.__dict__.get("request") is not self._seen[3]
            or (not create and _RESOURCES in sys.modules)
            or not request
        ):
            self._look(client)
        return self._found is not None

    def _look(self, client: Any) -> None:
        openai, resources = sys.modules["openai"], sys.modules.get(_RESOURCES)
        self._create = vars(resources.Completions) if resources is not None else {}
        self._request, self._request_async = vars(openai.OpenAI), vars(openai.AsyncOpenAI)
        self._seen = (
            self._create.get("create"),
            self._request.get("request"),
            self._request_async.get("request"),
            vars(client).get("request"),
        )
        self._found = next((name for function in self._seen if (name := _wrapper_of(function)) is not None), None)
        if self._found is not None and self._found not in self._told:
            self._told.add(self._found)
            _logger.warning(
                "%s already instruments openai: otel-llm leaves its calls to it, so that none is sent twice. "
                "Switch one of them off with OTEL_PYTHON_DISABLED_INSTRUMENTATIONS or uninstrument()",
                self._found,
            )


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
