"""The stand-in and its clients, and what no test here must see."""

from __future__ import annotations

from openai_clients import async_client, client, server, session_server
from quietness import quiet

__all__ = ["async_client", "client", "quiet", "server", "session_server"]
