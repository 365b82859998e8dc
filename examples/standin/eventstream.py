"""Frames of `application/vnd.amazon.eventstream`, as AWS streams them: prelude, headers, payload, checksums."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Iterable, Iterator

from standin.wire import Chunk, Gate

_STRING = 7


def frame(payload: bytes, headers: dict[str, str]) -> bytes:
    """One message."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", crc32(prelude)) + packed + payload
    return message + struct.pack("!I", crc32(message))


def payload_part(data: bytes) -> bytes:
    """An event with a piece of the model's output."""
    return frame(
        data,
        {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"},
    )


def exception(kind: str, message: str, code: str | None = None) -> bytes:
    """An error in the middle of a stream."""
    body = {"Message": message, **({"ErrorCode": code} if code else {})}
    return frame(
        json.dumps(body).encode(),
        {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"},
    )


def parts(pieces: Iterable[Chunk]) -> Iterator[Chunk]:
    """Each piece as a payload part. Gates are passed on."""
    for piece in pieces:
        if isinstance(piece, Gate):
            yield piece
        else:
            yield payload_part(piece.encode() if isinstance(piece, str) else piece)
