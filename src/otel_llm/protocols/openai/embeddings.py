"""Reads requests and answers for embeddings. Of the vectors only the length is read."""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...core.request import Request, Response
from .endpoint import Exchange
from .fields import billed, count, get, items, mapping, string, usage


def request(exchange: Exchange) -> Request:
    attributes = exchange.attributes(s.EMBEDDINGS)
    if (encoding := string(exchange.body.get("encoding_format"))) is not None:
        attributes[s.REQUEST_ENCODING_FORMATS] = [encoding]
    if (dimensions := count(exchange.body.get("dimensions"))) is not None:
        attributes[s.EMBEDDINGS_DIMENSION_COUNT] = dimensions
    return Request(s.EMBEDDINGS, exchange.model, attributes, 0)


def response(exchange: Exchange, answer: Any) -> Response:
    fields = mapping(answer)
    made = Response(
        model=string(fields.get("model")), usage=usage(fields.get("usage"), has_output=False), billed=billed(fields)
    )
    data = items(fields.get("data"))
    if data and (length := _dimensions(get(data[0], "embedding"))):
        made.attributes[s.EMBEDDINGS_DIMENSION_COUNT] = length
    return made


def _dimensions(vector: Any) -> int:
    """Length of a vector given as numbers, or as base64 of 4-byte floats."""
    if isinstance(vector, list):
        return len(vector)
    if isinstance(vector, str):
        return len(vector) * 3 // 16  # the padding is less than a float
    return 0
