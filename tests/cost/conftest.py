"""Clients of the vendors' hosts that end at the stand-in, and costs that are worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import openai._base_client
import pytest

import otel_llm
from openai_clients import API_KEY, async_client, client, server, session_server
from otel_llm import Settings
from quietness import quiet
from standin.openai import OpenAIServer

__all__ = ["async_client", "client", "quiet", "server", "session_server"]

#: The HTTP library of the SDK, which is another one since its third version.
_httpx: Any = getattr(openai._base_client, "httpx2", None) or openai._base_client.httpx


class _Detour(_httpx.HTTPTransport):  # type: ignore[misc]
    """Sends what is for any host to the stand-in."""

    def __init__(self, server: OpenAIServer) -> None:
        super().__init__()
        self._to = _httpx.URL(server.url)

    def handle_request(self, request: Any) -> Any:
        request.url = request.url.copy_with(scheme=self._to.scheme, host=self._to.host, port=self._to.port)
        return super().handle_request(request)


@pytest.fixture
def at(server: OpenAIServer) -> Iterator[Callable[..., openai.OpenAI]]:
    """Makes a client of a host that answers like the stand-in."""
    made: list[Any] = []

    def client_at(host: str = "api.openai.com", kind: type = openai.OpenAI, **kwargs: Any) -> Any:
        transport = openai.DefaultHttpxClient(transport=_Detour(server))
        if kind is openai.OpenAI:
            kwargs.setdefault("base_url", f"https://{host}/v1")
        client = kind(api_key=API_KEY, max_retries=0, http_client=transport, **kwargs)
        made.append(client)
        return client

    yield client_at
    for one in made:
        one.close()


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], str]:
    """Writes the user's table of prices, and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "prices.yaml"
        whole = tmp_path / "whole.yaml"
        whole.write_text(text)
        return str(whole.replace(path))

    return write


class Costs:
    """What has been recorded of costs."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

    def on(self, prices: str | None = None, **settings: Any) -> None:
        """Work out costs from now on."""
        self._recorder.instrument(Settings(cost=True, prices=prices, **settings))

    @property
    def last(self) -> Any:
        """The attributes of the last span, once its price is known."""
        assert otel_llm.flush()
        return self._recorder.spans[-1].attributes

    @property
    def unpriced(self) -> dict[str, int]:
        """How many calls have no price, by the reason."""
        assert otel_llm.flush()
        points = self._recorder.points("otel_llm.client.unpriced_calls")
        return {point.attributes["otel_llm.unpriced.reason"]: point.value for point in points}


@pytest.fixture
def costs(lenient: Any) -> Costs:
    return Costs(lenient)
