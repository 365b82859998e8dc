"""Recognises the exceptions of LangGraph that are not errors."""

from __future__ import annotations

import sys


def bubbles_up(error: BaseException) -> bool:
    """Whether LangGraph leaves a node by ``error``: for an interrupt, or with a command for the graph above."""
    module = sys.modules.get("langgraph.errors")
    kind = getattr(module, "GraphBubbleUp", None)
    return isinstance(kind, type) and isinstance(error, kind)
