"""The stand-in and its clients, and what every test of a promise must not see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from exits import chunk
from one_call import begin
from within_foreign import framework, said

from openai_clients import async_client, client, server, session_server
from otel_llm.core.scopes import SCOPES
from quietness import quiet
from standin.server import Reply, sse

__all__ = ["async_client", "begin", "client", "framework", "quiet", "said", "server", "session_server"]


@pytest.fixture
def gate(server: Any, recorder: Any) -> Any:
    """The server sends one chunk, then waits at this gate."""
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "openai.response.service_tier"}
    recorder.missing |= {
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }
    gate = server.hold()
    server.reply_with(Reply(chunks=sse(chunk("Pa"), gate, chunk("ris"), chunk(None, "stop"))))
    yield gate
    gate.open()


@pytest.fixture(autouse=True)
def no_call_left() -> Iterator[None]:
    """Forget the calls that a test of the core begins and never ends."""
    yield
    SCOPES.of("otel_llm.test").active_calls.under_way.clear()
