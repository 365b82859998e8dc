"""What every test of the manual API must not see, and what several share."""

from __future__ import annotations

from typing import Any

import pytest

from openai_clients import async_client, client, server, session_server
from quietness import quiet

__all__ = ["async_client", "client", "quiet", "server", "session_server"]


@pytest.fixture
def lenient(recorder: Any) -> Any:
    """A recorder for spans of which the test tells no more than it needs."""
    recorder.missing |= {
        "gen_ai.embeddings.dimension.count",
        "gen_ai.request.encoding_formats",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.retrieval.top_k",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "openai.response.service_tier",
        "server.address",
        "server.port",
    }
    return recorder
