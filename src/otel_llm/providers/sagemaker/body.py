"""Reads the body of an answer after the caller has read it."""

from __future__ import annotations

import json
import re

from ... import semconv as s
from ...core.call import Call
from ...core.request import Response
from ...protocols.lines import Decoder
from ...protocols.openai.fields import answered_error
from .answers import is_classification, read
from .invocation import Invocation
from .not_language_models import Misses
from .pieces import Pieces

#: A longer body is not read for telemetry, only its beginning.
MAX_BODY_BYTES = 4 * 1024 * 1024
_HEAD_BYTES = 4096
#: The beginning of embeddings of a large batch of texts, in any format that is read.
_VECTORS = re.compile(rb'\s*(?:\[[\s\[]*[-\d]|[\[{].*?"(?:embeddings?|vectors)"\s*:)', re.DOTALL)


class Answer:
    """Keeps the bytes of a body and parses them at the end. Notes in ``misses`` whether a language model answered."""

    def __init__(self, call: Call, invocation: Invocation, length: int | None, misses: Misses) -> None:
        self._call = call
        self._invocation = invocation
        self._length = length
        self._misses = misses
        self._parts: list[bytes] = []
        self._size = 0
        self.whole = False
        self.model: str | None = None

    def add(self, chunk: bytes) -> None:
        was_short = self._size <= MAX_BODY_BYTES
        self._size += len(chunk)
        if was_short:
            self._parts.append(chunk)
            if self._size > MAX_BODY_BYTES:
                self._parts[:] = [b"".join(self._parts)[:_HEAD_BYTES]]
        if self._size == self._length:
            self.whole = True

    def response(self) -> Response:
        response = self._read()
        response.attributes.update(self._invocation.told)
        return response

    def _read(self) -> Response:
        body = b"".join(self._parts)
        self._parts.clear()
        if self._size > MAX_BODY_BYTES:
            return self._too_long(body)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return self._unparsed(body)
        code = answered_error(answer)
        found = read(self._invocation, answer) if code is None else None
        if found is None and code is None:
            return self._unknown(is_classification(answer))
        settle(self._call, self._invocation, found[0] if found is not None else None)
        if found is None:
            return Response(error=code)
        if not self._invocation.settled:
            self._misses.clear(self._invocation)
        return found[1]

    def _unparsed(self, body: bytes) -> Response:
        """Read all events at once: some containers answer so over a route that can't stream."""
        pieces, decoder = Pieces(self._invocation), Decoder()
        for event in (*decoder.feed(body), *decoder.end()):
            if isinstance(event, dict):
                pieces.add(event)
        if pieces.empty:
            return self._unknown(False)
        settle(self._call, self._invocation)
        return pieces.response()

    def _too_long(self, head: bytes) -> Response:
        """Read the beginning of a long body. If the request left the operation open, it can only be embeddings."""
        if self._invocation.settled or _VECTORS.match(head) is None:
            return self._unknown(False)
        settle(self._call, self._invocation, s.EMBEDDINGS)
        return Response()

    def _unknown(self, certain: bool) -> Response:
        """End with an answer in an unknown format. It is no language model's, unless the request shows that it is."""
        if self.whole and not self._invocation.settled:
            self._misses.add(self._invocation, certain)
            self._call.discard()
        else:
            settle(self._call, self._invocation)
        return Response()


def settle(call: Call, invocation: Invocation, operation: str | None = None) -> None:
    """Set the operation of ``call`` if the request left it open. A failed call gets the most likely one."""
    if not invocation.settled:
        operation = operation or invocation.operation
        # The input of embeddings is not a message of a conversation.
        call.settle(operation, invocation.waiting if operation in _WITH_CONTENT else None)


_WITH_CONTENT = frozenset({"chat", "text_completion"})
