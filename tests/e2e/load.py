"""A sender of spans that knows which were acknowledged."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

HEADERS = {"Content-Type": "application/x-protobuf"}


def attribute(key: str, value: str | bool | int) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))


def request(service: str, spans: Sequence[Span], **more: str) -> bytes:
    """`more` are attributes of the resource, with `_` for dots."""
    known = {"service.name": service, **{name.replace("_", "."): value for name, value in more.items()}}
    resource = Resource(attributes=[attribute(name, value) for name, value in known.items()])
    scope = ScopeSpans(spans=spans)
    message = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])
    return bytes(message.SerializeToString())


def trace(spans: int, text: str = "") -> list[Span]:
    """A trace of a root and its children, each with `text` for a message."""
    trace_id, now = os.urandom(16), time.time_ns()
    root = os.urandom(8)
    return [
        Span(
            trace_id=trace_id,
            span_id=root if number == 0 else os.urandom(8),
            parent_span_id=b"" if number == 0 else root,
            name="answer" if number == 0 else "chat model",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=now,
            end_time_unix_nano=now + 1_000_000,
            attributes=[attribute("gen_ai.operation.name", "chat"), attribute("gen_ai.input.messages", text)],
        )
        for number in range(spans)
    ]


def post(address: str, body: bytes, seconds: float = 60) -> bool:
    """Whether the receiver has acknowledged it."""
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request("POST", "/v1/traces", body=body, headers=HEADERS)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Sender:
    """Sends traces, one a request, from threads of its own, each again until it is acknowledged or the end has come.

    With a `pause` before each, so that a fast machine doesn't send more than can be counted afterwards.

    Attributes:
        acknowledged: Trace id in hex -> number of its spans.
    """

    def __init__(
        self, address: str, service: str, spans: int = 20, text: str = "", pause: float = 0.05, threads: int = 2
    ) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused = 0
        self._address, self._service, self._spans, self._text, self._pause = address, service, spans, text, pause
        self._threads = threads
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        workers = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(self._threads)]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            self._ended.set()
            for worker in workers:
                worker.join()

    def _work(self, number: int) -> None:
        """Send until the end, as the thread of this number."""
        while not self._ended.wait(self._pause):
            spans = trace(self._spans, self._text)
            body = request(self._service, spans)
            while not post(self._address, body):
                self.refused += 1
                if self._ended.wait(0.05):
                    return
            self.acknowledged[spans[0].trace_id.hex()] = len(spans)
