"""The stand-in and its clients, and what no test here must see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openai_clients import async_client, client, server, session_server
from otel_llm.content.boundary import SHARED
from quietness import quiet

__all__ = ["async_client", "client", "quiet", "server", "session_server"]


@pytest.fixture(autouse=True)
def policy_of_the_environment() -> Iterator[None]:
    """The content policy of one test holds in no other."""
    yield
    SHARED.use(None)
