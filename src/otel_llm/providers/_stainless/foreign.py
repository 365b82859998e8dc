"""Finds other GenAI instrumentations of an SDK, because a call that both trace would be exported twice."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any

_logger = logging.getLogger("otel_llm")

#: Modules of instrumentations that wrap SDKs of several providers.
_KNOWN = (
    "opentelemetry.instrumentation.genai",
    "openinference",
    "openlit",
    "logfire",
    "langfuse",
    "ddtrace",
    "sentry_sdk",
    "agentops",
)
#: How many wrappers around a function are looked through.
_MAX_LAYERS = 50
_CLIENT_METHOD = "request"


class ForeignInstrumentation:
    """Tells whether another instrumentation traces a client's calls.

    The other one may be switched on before or after ours. The methods are compared with those of the last look at each
    call, and examined only if one of them has changed.
    """

    def __init__(self, library: str, methods: Sequence[tuple[str, str, str]]) -> None:
        """``methods`` are those that others wrap: module, class and name."""
        self._library = library
        self._known = (
            *_KNOWN,
            f"opentelemetry.instrumentation.{library}",
            f"opentelemetry.instrumentation.{library}_v2",
        )
        self._absent = tuple(methods)
        # The ``__dict__`` of each class, which shows changes at once; the method's name; the function seen there.
        self._seen: list[tuple[Mapping[str, Any], str, Any]] = []
        self._clients_own: Any = None
        self._found: str | None = None
        self._reported: set[str] = set()

    def watches(self, client: Any) -> bool:
        """Return whether another instrumentation traces ``client``."""
        if self._changed(client):
            self._look(client)
        return self._found is not None

    def report(self) -> None:
        """Log that calls are left to the instrumentation that was found, the first time that it was."""
        found = self._found
        if found is not None and found not in self._reported:
            self._reported.add(found)
            _logger.warning(
                "%s already instruments %s: otel-llm leaves its calls to it, so that none is sent twice. "
                "Switch one of them off with OTEL_PYTHON_DISABLED_INSTRUMENTATIONS or uninstrument()",
                found,
                self._library,
            )

    def _changed(self, client: Any) -> bool:
        for methods, name, function in self._seen:
            if methods.get(name) is not function:
                return True
        if client.__dict__.get(_CLIENT_METHOD) is not self._clients_own:
            return True
        return bool(self._absent) and any(module in sys.modules for module, _, _ in self._absent)

    def _look(self, client: Any) -> None:
        absent = []
        for module, owner, name in self._absent:
            methods = vars(getattr(sys.modules.get(module), owner, object))
            if methods is vars(object):
                absent.append((module, owner, name))
            else:
                self._seen.append((methods, name, None))
        self._absent = tuple(absent)
        self._seen = [(methods, name, methods.get(name)) for methods, name, _ in self._seen]
        self._clients_own = client.__dict__.get(_CLIENT_METHOD)
        functions = (*(function for _, _, function in self._seen), self._clients_own)
        found = (wrapper_of(function, self._known) for function in functions)
        self._found = next((name for name in found if name is not None), None)


def wrapper_of(function: Any, known: Sequence[str] = _KNOWN) -> str | None:
    """Return the module among ``known`` that a wrapper around ``function`` comes from, ``None`` if there is none."""
    for layer in _layers(function):
        # A wrapper made with functools.wraps names the module of what it wraps; its globals tell the truth.
        module = layer.__globals__.get("__name__", "")
        for name in known:
            if module == name or module.startswith(f"{name}."):
                return name
    return None


def _layers(function: Any) -> Iterator[FunctionType]:
    """The functions that calling ``function`` passes, as far as the types of its wrappers are known.

    Of an object of any other type only its ``__dict__`` is read: attributes of a mock, say, never end.
    """
    pending = [function]
    for _ in range(_MAX_LAYERS):
        if not pending:
            return
        layer = pending.pop()
        kind = type(layer)
        if kind is FunctionType:
            yield layer
        if kind is MethodType:
            pending.append(layer.__func__)
        elif issubclass(kind, functools.partial | functools.partialmethod):
            pending.append(layer.func)
        elif any(base.__name__ == "ObjectProxy" for base in kind.__mro__):  # wrapt, or a copy of it in another library
            pending += [layer.__wrapped__, getattr(layer, "_self_wrapper", None)]
        elif "__wrapped__" in (held := _fields(layer)):
            pending.append(held["__wrapped__"])


def _fields(value: Any) -> Mapping[str, Any]:
    try:
        fields: Mapping[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return fields
