"""What :func:`~otel_llm.instrument` has set up in this process."""

from __future__ import annotations

from typing import Any


class Installation:
    """The state that instrumenting leaves behind, and flushing and taking back need."""

    def __init__(self) -> None:
        #: Whether the application's own spans, the baggage and the prompt log are set up.
        self.configured = False
        #: The providers that were given last, by the name of the parameter.
        self.providers: dict[str, Any] = {}


INSTALLATION = Installation()
