"""A small threaded HTTP/1.1 server whose answers are scripted or come from `route()`.

API, in short:

- `Reply(status, headers, body, chunks, delay, chunk_delay, abort)`: what to answer.
- `Request`: what was asked: `method, path, query, headers, body, .json, .form`, and how the answer went:
  `.done` (an Event), `.disconnected` (the client went away before the end).
- `Server.reply_with(*replies, path=None)`: script the next answers, first in first out, each used once; a reply may be
  a callable `(Request) -> Reply`; `path` binds them to requests whose path starts with it.
- `Server.hold()` -> `Gate`: put it among the chunks of a reply, or give it as `Reply.delay`; the server stops there
  until `gate.open()`, and `gate.reached` is set when it got there, so tests need no sleeping. A client that closes its
  connection during such a wait is noticed at once: `.disconnected` and `.done` of its request are set.
- `Server.requests`, `.failures`, `.url`, `.base_url`, `.start()`, `.stop()`, and use as a context manager.
- `sse(*events)`: chunks of a server-sent event stream.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from standin.wire import Chunk, Gate, Reply, Request, Scripted, sse

__all__ = ["Chunk", "Gate", "Reply", "Request", "Scripted", "Server", "sse"]

_GATE_LIMIT = 60.0  # so that a test that forgets to open its gate still ends
_POLL = 0.01


class Server:
    """The server. A protocol is a subclass with its own `route()`, and `headers_for()` if it needs one."""

    def __init__(self, *, port: int = 0) -> None:
        self.failures: list[Exception] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._script: list[tuple[str | None, Scripted]] = []
        self._gates: list[Gate] = []
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._http = _HTTPServer(("127.0.0.1", port), _Handler)
        self._http.standin = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="standin", daemon=True)

    def route(self, request: Request) -> Reply:
        """The reply if nothing is scripted for a request."""
        return Reply(status=404, body={"error": {"message": f"Nothing here: {request.method} {request.path}"}})

    def headers_for(self, request: Request) -> dict[str, str]:
        """Headers of every reply, including scripted ones."""
        return {}

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order of arrival (a copy)."""
        with self._lock:
            return list(self._requests)

    def reply_with(self, *replies: Scripted, path: str | None = None) -> None:
        with self._lock:
            self._script.extend((path, reply) for reply in replies)

    def hold(self) -> Gate:
        """A gate that `stop()` opens if the test does not."""
        gate = Gate()
        with self._lock:
            self._gates.append(gate)
        return gate

    def clear(self) -> None:
        """Forget the past requests and the scripted replies."""
        with self._lock:
            self._requests.clear()
            self._script.clear()

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self._requests.append(request)
            found = next((e for e in self._script if e[0] is None or request.path.startswith(e[0])), None)
            if found is not None:
                self._script.remove(found)
        try:
            if found is None:
                return self.route(request)
            return found[1] if isinstance(found[1], Reply) else found[1](request)
        except Exception as error:
            self.failures.append(error)
            return Reply(status=500, body={"error": {"message": f"stand-in failed: {error!r}", "type": "server_error"}})

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, and wait for the threads to end."""
        self.stopping.set()
        with self._lock:
            gates = list(self._gates)
        for gate in gates:
            gate.open()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join(5)
        self._http.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection, thread in connections.items():
            _shut(connection)
            thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections[connection] = threading.current_thread()

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.pop(connection, None)


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    standin: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback: clients that disconnect are normal here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet per flush, not one per write
    server: _HTTPServer

    def setup(self) -> None:
        super().setup()
        self.server.standin.opened(self.connection)

    def finish(self) -> None:
        self.server.standin.closed(self.connection)
        super().finish()

    def log_message(self, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=split.path,
            query=dict(parse_qsl(split.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        standin = self.server.standin
        reply = standin.answer(request)
        try:
            self._wait(reply.delay)
            self._send(reply, standin.headers_for(request))
        except OSError:
            request.disconnected = True
            self.close_connection = True
        finally:
            request.done.set()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _send(self, reply: Reply, headers: dict[str, str]) -> None:
        self.close_connection = self.close_connection or reply.abort
        if reply.abort and reply.body is None and reply.chunks is None:
            return
        body, content_type = _encode(reply)
        headers = {**headers, "content-type": content_type, **{k.lower(): v for k, v in reply.headers.items()}}
        if reply.chunks is None:
            headers["content-length"] = str(len(body) + reply.abort)
        else:
            headers["transfer-encoding"] = "chunked"
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in [body] if reply.chunks is None else self._framed(reply):
            self.wfile.write(piece)
            self.wfile.flush()

    def _framed(self, reply: Reply) -> Iterator[bytes]:
        for chunk in reply.chunks or ():
            if isinstance(chunk, Gate):
                self._wait(chunk)
                continue
            self._wait(reply.chunk_delay)
            data = chunk.encode() if isinstance(chunk, str) else chunk
            yield b"%x\r\n%s\r\n" % (len(data), data)
        if not reply.abort:
            yield b"0\r\n\r\n"

    def _wait(self, until: float | Gate) -> None:
        """Wait for a time or a gate. If the client disconnects, the wait ends with an OSError."""
        if not until:
            return
        self.wfile.flush()
        deadline = time.monotonic() + (_GATE_LIMIT if isinstance(until, Gate) else until)
        while (left := deadline - time.monotonic()) > 0 and not self.server.standin.stopping.is_set():
            if isinstance(until, Gate):
                if until.wait_open(_POLL):
                    return
            else:
                time.sleep(min(left, _POLL))
            with suppress(BlockingIOError):
                if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    raise ConnectionAbortedError("the client closed the connection")


def _encode(reply: Reply) -> tuple[bytes, str]:
    if reply.chunks is not None:
        return b"", "text/event-stream; charset=utf-8"
    if reply.body is None:
        return b"", "application/json"
    if isinstance(reply.body, bytes):
        return reply.body, "application/octet-stream"
    if isinstance(reply.body, str):
        return reply.body.encode(), "text/plain; charset=utf-8"
    return json.dumps(reply.body).encode(), "application/json"


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
