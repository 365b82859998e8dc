"""Wrap functions of other libraries when they are imported, and restore them exactly.

A provider gives a table of :class:`Target`; :class:`Patcher` drives both ways from it.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import wrapt

from .. import guard

_logger = logging.getLogger("otel_llm")

#: A wrapt wrapper: ``(wrapped, instance, args, kwargs) -> result``.
Handler = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One function to wrap: ``qualname`` (such as ``OpenAI.request``) in ``module``."""

    module: str
    qualname: str
    handler: Handler


class _Patch:
    """A target that is wrapped now."""

    def __init__(self, owner: Any, name: str, handler: Handler) -> None:
        self._owner, self._name = owner, name
        self._inherited = name not in vars(owner)
        self._original = getattr(owner, name) if self._inherited else vars(owner)[name]
        self._wrapper = wrapt.FunctionWrapper(self._original, handler)
        self._wrapper._self_otel_llm = True  # type: ignore[attr-defined]
        setattr(owner, name, self._wrapper)

    def restore(self) -> bool:
        """Put the original back; return whether that was possible."""
        # Another library may have wrapped this wrapper since. Removing it would remove theirs too, so it stays. It
        # traces nothing, because handlers ask Telemetry.traces.
        if vars(self._owner).get(self._name) is not self._wrapper:
            return False
        if self._inherited:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._original)
        return True


class Patcher:
    """Applies a table of targets, each as soon as its module is imported, and takes them back."""

    def __init__(self, accept: Callable[[ModuleType], bool] = lambda module: True) -> None:
        """``accept`` decides, when a module of the table is imported, whether it is patched (its version, say)."""
        self._accept = accept
        self._lock = threading.Lock()
        self._targets: dict[str, list[Target]] = {}
        self._patches: list[_Patch] = []
        self._hooked: set[str] = set()
        self.active = False

    def apply(self, targets: Sequence[Target]) -> None:
        """Wrap ``targets``; those whose module is not imported yet, on its import."""
        self._targets = {}
        for target in targets:
            self._targets.setdefault(target.module, []).append(target)
        self.active = True
        for name in self._targets:
            if name in sys.modules:
                # If another thread is importing the module, this waits until the import is complete.
                self._on_import(importlib.import_module(name))
            elif name not in self._hooked:  # a hook that has not run yet stays
                self._hooked.add(name)
                wrapt.register_post_import_hook(self._on_import, name)

    def restore(self) -> None:
        """Put the original objects back."""
        self.active = False
        with self._lock:
            self._patches = [patch for patch in self._patches if not patch.restore()]

    @guard.never_raise
    def _on_import(self, module: ModuleType) -> None:
        self._hooked.discard(module.__name__)  # wrapt runs a hook once
        if not self.active or not self._accept(module):
            return
        for target in self._targets.get(module.__name__, ()):
            *path, name = target.qualname.split(".")
            owner: Any = module
            for part in path:
                owner = getattr(owner, part, None)  # may import, so not under the lock
            if getattr(owner, name, None) is None:
                _logger.debug("%s has no %s to instrument", module.__name__, target.qualname)
                continue
            with self._lock:
                if self.active and not _is_wrapped(getattr(owner, name)):
                    self._patches.append(_Patch(owner, name, target.handler))


def _is_wrapped(function: Any) -> bool:
    """Whether the chain has a wrapper of this package: one that :meth:`_Patch.restore` left works again by itself."""
    for _ in range(50):
        if function is None:
            return False
        # Looking up a method gives a bound wrapper, whose parent has the mark. Older versions of wrapt skip the parent.
        parent = getattr(function, "_self_parent", None)
        if getattr(parent or function, "_self_otel_llm", False) is True:  # a mock has any attribute, none is True
            return True
        function = getattr(function, "__wrapped__", None)
    return False
