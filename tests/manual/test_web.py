"""A streamed HTTP response, by a real server, of which the browser goes away half-way."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from typing import Any

import pytest

import otel_llm

fastapi = pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")
_DEADLINE = 30.0


@pytest.fixture(params=["sync", "async"])
def site(request: Any, recorder: Any) -> Any:
    """The address of a site whose answer is long."""
    app = fastapi.FastAPI()
    over = time.monotonic() + _DEADLINE

    @otel_llm.observe(name="stream")
    def stream() -> Any:
        while time.monotonic() < over:
            yield "words " * 1000

    @otel_llm.observe(name="stream")
    async def astream() -> Any:
        while time.monotonic() < over:
            await asyncio.sleep(0)
            yield "words " * 1000

    @app.get("/")
    async def ask() -> Any:
        with otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("handler"):
            return fastapi.responses.StreamingResponse(stream() if request.param == "sync" else astream())

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()
    server.should_exit = True
    thread.join(_DEADLINE)
    listener.close()
    assert not thread.is_alive()


@pytest.mark.timeout(90)
def test_the_browser_goes_away(site: Any, recorder: Any) -> None:
    before = time.monotonic()
    with socket.create_connection(site) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in browser.recv(1000)
        assert browser.recv(10_000)
    deadline = before + _DEADLINE
    while (spans := [span for span in recorder.spans if span.name in ("handler", "stream")])[1:] == []:
        assert time.monotonic() < deadline
        gc.collect()  # what the server drops may be in a cycle
        time.sleep(0.01)
    handler, stream = spans
    assert (handler.name, stream.name) == ("handler", "stream")
    assert stream.parent.span_id == handler.context.span_id
    assert stream.attributes["session.id"] == "s-1"
