"""The manual span for a call of an embedding model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from opentelemetry.trace import SpanKind

from .. import semconv as s
from ..core.request import AttributeValue
from ..propagation.validation import identifier
from .model_call import Attributes, ModelCall
from .requests import accepted_arguments, integer, request, required_name, server, strings


class embeddings_span(ModelCall):  # noqa: N801
    """A call of an embedding model that is not instrumented: span ``embeddings {model}``.

    Duration and tokens are metrics. ``model`` is the requested model. ``provider`` is the name of its provider in the
    conventions (``gen_ai.provider.name``), or one of your own. ``encoding_formats`` are those requested, such as
    ``float``. ``server_address`` and ``server_port`` are those of the provider's API. Texts and vectors are never
    recorded. ``attributes`` are set on the span.

    Values of other types are converted, or left out with a warning; an empty model or provider becomes ``_OTHER``.

    :raises RuntimeError: when it is entered a second time.
    """

    __slots__ = ()
    INPUT = OUTPUT = None

    def __init__(
        self,
        model: str,
        provider: str,
        *,
        encoding_formats: Sequence[str] | None = None,
        server_address: str | None = None,
        server_port: int | None = None,
        attributes: Attributes = None,
    ) -> None:
        model = required_name("model", model)
        known: dict[str, AttributeValue | None] = {
            s.PROVIDER_NAME: required_name("provider", provider),
            s.REQUEST_MODEL: model,
            s.REQUEST_ENCODING_FORMATS: strings("encoding_formats", encoding_formats, s.REQUEST_ENCODING_FORMATS),
            **server(server_address, server_port),
        }
        super().__init__(request(s.EMBEDDINGS, model, known, attributes, SpanKind.CLIENT))

    def response(
        self, *, model: str | None = None, dimensions: int | None = None, input_tokens: int | None = None
    ) -> Self:
        """Record the response. Returns the span.

        ``model`` is the model that answered, ``dimensions`` the number of dimensions of a vector, and ``input_tokens``
        the number of tokens that the provider reports.
        """
        self._response.model = identifier("model", model, s.RESPONSE_MODEL) or self._response.model
        if (known := integer("dimensions", dimensions)) is not None:
            self._response.attributes[s.EMBEDDINGS_DIMENSION_COUNT] = known
        return self.usage(input_tokens=input_tokens)

    def _respond(self, response: Mapping[str, Any]) -> None:
        self.response(**accepted_arguments(self.response, response))
