"""Posts to endpoints that are not known here, such as those that are newer: ``client.post("/new", ...)``.

What such a request is shows only in its answer: with a usage in tokens it was a call of a model. Its span is made then,
as of the start of the request. The body may have any form, so no content is read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ... import guard
from ... import semconv as s
from ...core import nesting
from ...core.call import Call
from ...core.recording import Moment, moment
from ...core.request import Request, Response
from ...core.telemetry import Telemetry
from ...protocols.openai.endpoint import Exchange
from ...protocols.openai.fields import billed, get, mapping, string, usage
from .._stainless.raw import read_body

if TYPE_CHECKING:
    from opentelemetry.context import Context

_logger = logging.getLogger("otel_llm")

#: The beginnings of paths whose answers have the usage of other calls: of runs that OpenAI has under way, of stored
#: completions, of batches.
_OF_OTHERS = ("threads/", "agents/", "chat/completions/", "responses/", "batches/")
#: What an endpoint is called, rather than an id.
_NAME = re.compile(r"[a-z][a-z_-]{0,39}", re.ASCII)


def starts(method: str, path: str) -> Moment | None:
    """When the request that is about to be sent starts; ``None`` if its answer can't be that of a call."""
    if method.lower() != "post" or f"{path.strip('/')}/".startswith(_OF_OTHERS):
        return None
    return moment()


class UnknownEndpoints:
    """Makes the spans of calls of unknown endpoints."""

    def __init__(self) -> None:
        self._told = guard.Once()

    @guard.never_raise
    def answered(
        self, telemetry: Telemetry, exchange: Exchange, result: Any, context: Context, started: Moment
    ) -> None:
        """The SDK has returned ``result`` for a request that began at ``started``."""
        fields = getattr(result, "__dict__", {})
        if "_iterator" in fields:
            self._passed_by(exchange.path)
            return
        response = result if "is_closed" in fields else fields.get("http_response")
        if response is not None and not response.is_closed:
            self._passed_by(exchange.path)
            return
        answer = mapping(result if response is None else read_body(response))
        told = usage(answer.get("usage"))
        if not told or nesting.enclosing(context) is not None:  # a layer above has the usage
            return
        attributes = exchange.attributes(s.GENERATE_CONTENT)
        attributes[s.LLM_OPERATION_NAME] = _name_of(exchange.path)
        call = Call.begin(telemetry, Request(s.GENERATE_CONTENT, exchange.model, attributes, 0), context, started)
        call.finish(_response(answer, told))

    def _passed_by(self, path: str) -> None:
        name = _name_of(path)
        if self._told.first(name):
            _logger.warning(
                "openai: POST /%s is not known to otel-llm, and its answer is read by the application: "
                "if it has a usage, no span and no metric has that",
                name,
            )


def _name_of(path: str) -> str:
    """The names in ``path``, without ids: few, because metrics have it too."""
    parts = urlsplit(path).path.strip("/").split("/")[:4]
    return "/".join(part for part in parts if _NAME.fullmatch(part)) or "unknown"


def _response(answer: Mapping[str, Any], told: dict[str, int]) -> Response:
    return Response(model=string(get(answer, "model")), id=string(get(answer, "id")), usage=told, billed=billed(answer))
