"""The stand-ins that calls are made to."""

from openai_clients import async_client, client, server, session_server

__all__ = ["async_client", "client", "server", "session_server"]
