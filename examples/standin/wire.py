"""The requests that the stand-in receives, and its replies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from functools import cached_property
from typing import Any


class Gate:
    """A point in a reply where the server waits until the test opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def wait_open(self, seconds: float) -> bool:
        """Wait for at most this time. Returns whether the gate is open."""
        self.reached.set()
        return self._opened.wait(seconds)


Chunk = bytes | str | Gate


@dataclass(frozen=True)
class Reply:
    """One answer.

    `body` is bytes (sent as they are), text, or anything `json.dumps` takes. With `chunks` the answer is sent in
    chunked transfer, one HTTP chunk each. `delay` is the wait (seconds, or a gate) before the status line,
    `chunk_delay` the wait before each chunk. `abort` drops the connection: after the chunks but without the chunk that
    ends them; inside a body; or, with neither, before any answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    chunks: Iterable[Chunk] | None = None
    delay: float | Gate = 0.0
    chunk_delay: float = 0.0
    abort: bool = False


@dataclass
class Request:
    """A request as it was received. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    done: threading.Event = field(default_factory=threading.Event)
    disconnected: bool = False

    @cached_property
    def json(self) -> Any:
        """The parsed body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @cached_property
    def form(self) -> dict[str, Any]:
        """The fields of a multipart body: text for plain fields, bytes for files, a list where a name repeats."""
        content_type = self.headers.get("content-type", "")
        if not content_type.startswith("multipart/form-data"):
            return {}
        parsed = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + self.body)
        fields: dict[str, Any] = {}
        for part in parsed.get_payload():
            if not isinstance(part, Message):
                continue
            name = str(part.get_param("name", "", header="content-disposition")).removesuffix("[]")
            raw = part.get_payload(decode=True)
            value: Any = raw if part.get_filename() or not isinstance(raw, bytes) else raw.decode()
            fields[name] = value if name not in fields else [*_as_list(fields[name]), value]
        return fields


Scripted = Reply | Callable[[Request], Reply]


def sse(*events: Any, done: bool = True, named: bool = False) -> list[Chunk]:
    """Chunks of an event stream: gates and bytes pass unchanged, text is the data, anything else becomes JSON.

    With `named` each event carries an `event:` line with its "type"; `done` adds the closing `data: [DONE]`.
    """
    chunks: list[Chunk] = []
    for event in events:
        if isinstance(event, Gate | bytes):
            chunks.append(event)
            continue
        data = event if isinstance(event, str) else json.dumps(event, separators=(",", ":"))
        name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
        chunks.append(f"{name}data: {data}\n\n")
    return [*chunks, "data: [DONE]\n\n"] if done else chunks


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
