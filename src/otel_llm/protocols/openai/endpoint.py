"""What calls of all endpoints have in common: the server, the request, and how both ways are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ... import semconv as s
from ...core.request import AttributeValue, Request, Response
from ...core.streams import Accumulator
from .fields import Body, answered_error, mapping
from .items import ItemConverter


@dataclass(slots=True)
class Server:
    """Who answers: the provider's name in the conventions, and the host; behind SageMaker's route, the endpoint.

    ``is_openai``: the server stands for OpenAI's API, so what it says of service tiers and fingerprints is recorded as
    ``openai.*``. Model containers fill in those fields too, where they mean nothing.
    """

    provider: str
    address: str | None
    port: int | None
    sagemaker_endpoint: str | None = None
    is_openai: bool = True
    #: The result of :meth:`attributes` by its argument.
    _known: dict[str | None, dict[str, AttributeValue]] = field(default_factory=dict, repr=False, compare=False)

    def attributes(self, operation: str | None) -> dict[str, AttributeValue]:
        """What all requests for ``operation`` have in common. The result is a copy."""
        known = self._known.get(operation)
        if known is None:
            known = self._known[operation] = self._attributes(operation)
        return known.copy()

    def _attributes(self, operation: str | None) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {}
        if operation is not None:
            attributes[s.OPERATION_NAME] = operation
            attributes[s.PROVIDER_NAME] = self.provider
        if self.address is not None:
            attributes[s.SERVER_ADDRESS] = self.address
            if self.port is not None:
                attributes[s.SERVER_PORT] = self.port
        if self.sagemaker_endpoint is not None:
            attributes[s.LLM_SAGEMAKER_ENDPOINT] = self.sagemaker_endpoint
        return attributes


@dataclass(slots=True)
class Exchange:
    """One request on its way. ``path`` is the API's, below the base URL; ``body`` what will be sent as JSON.

    ``content`` converts messages, also when content is not captured. ``described`` says whether anybody sees more of
    the answer than its metrics. ``cost`` is what a gateway told beside the answer that it cost, with the currency.
    """

    server: Server
    path: str
    body: Body
    model: str | None
    stream: bool
    keeps_content: bool
    content: ItemConverter
    choices: int = 1
    described: bool = True
    cost: tuple[float, str] | None = None

    def attributes(self, operation: str | None) -> dict[str, AttributeValue]:
        """The attributes of every request. Those of GenAI need an operation that the conventions name."""
        attributes = self.server.attributes(operation)
        if self.model is not None:
            attributes[s.REQUEST_MODEL if operation is not None else s.LLM_REQUEST_MODEL] = self.model
        if self.stream:
            attributes[s.REQUEST_STREAM] = True
        return attributes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one endpoint of the API is read; ``accumulator`` where it can stream events."""

    request: Callable[[Exchange], Request]
    response: Callable[[Exchange, Any], Response]
    accumulator: Callable[[Exchange], Accumulator] | None = None
    #: Whether a stream sends its usage only if asked to, by ``stream_options.include_usage``.
    usage_on_request: bool = False

    def read(self, exchange: Exchange, answer: Any) -> Response:
        """Read ``answer``, also if it is an error that a gateway sent with status 200."""
        fields = mapping(answer)
        made = self.response(exchange, fields or answer)
        made.cost = exchange.cost
        # A response or batch that was fetched has its status, and maybe an error of its own.
        if fields.get("error") and made.error is None and (fields.get("id") is None or fields.get("status") is None):
            made.error = answered_error(fields)
        return made
