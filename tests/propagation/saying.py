"""What the tests of ``otel_llm.propagate_attributes`` share."""

from __future__ import annotations

from typing import Any


def said(span: Any) -> dict[str, Any]:
    """What of a span's attributes the context said."""
    prefixes = ("session.", "user.", "gen_ai.conversation.", "gen_ai.prompt.", "otel_llm.tags", "otel_llm.metadata")
    return {name: value for name, value in span.attributes.items() if name.startswith(prefixes)}
