"""A context manager for each operation of the conventions that runs in the process, and for any other step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from .. import semconv as s
from ..core.call import Call
from ..core.local_call import InProcessCall
from ..core.request import AttributeValue, Request, Response
from ..core.telemetry import Telemetry
from ..propagation.validation import identifier
from . import content
from .operation import Operation
from .requests import description_of, named, plain_attributes, request, server, whole

_Attributes = Mapping[str, AttributeValue] | None


class step_span(Operation):  # noqa: N801
    """A step of the application's own, such as ``rerank``: ``with otel_llm.step_span("rerank") as step: ...``"""

    __slots__ = ()

    def __init__(self, name: str, *, input: Any = content.NOTHING, attributes: _Attributes = None) -> None:  # noqa: A002
        known = plain_attributes(attributes)
        known[s.LLM_OPERATION_NAME] = "step"
        super().__init__(Request(named("the name of a step", name), None, known, 0, kind=SpanKind.INTERNAL), input)

    def another(self) -> Self:
        made = object.__new__(type(self))
        Operation.__init__(made, self._request)  # a step leaves it as it is
        return made


class _InProcess(Operation):
    __slots__ = ()

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return InProcessCall.begin(telemetry, request, parent)


class workflow_span(_InProcess):  # noqa: N801
    """A whole run of the application's, such as the answer to a request: ``invoke_workflow {name}``."""

    __slots__ = ()
    INPUT, OUTPUT = s.INPUT_MESSAGES, s.OUTPUT_MESSAGES

    def __init__(self, name: str, *, input: Any = content.NOTHING, attributes: _Attributes = None) -> None:  # noqa: A002
        name = named("the name of a workflow", name)
        super().__init__(request(s.INVOKE_WORKFLOW, name, {s.WORKFLOW_NAME: name}, attributes), input)


class agent_span(Operation):  # noqa: N801
    """An agent at work: ``invoke_agent {name}``. Inferences and tools directly below it count as its own, tokens too.

    ``model`` is the one model it can use, if there is but one.
    """

    __slots__ = ()
    INPUT, OUTPUT = s.INPUT_MESSAGES, s.OUTPUT_MESSAGES

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        model: str | None = None,
        input: Any = content.NOTHING,  # noqa: A002
        attributes: _Attributes = None,
    ) -> None:
        name = named("the name of an agent", name)
        known: dict[str, AttributeValue | None] = {
            s.AGENT_NAME: name,
            s.AGENT_DESCRIPTION: description_of(description),
            s.REQUEST_MODEL: identifier("model", model),
        }
        super().__init__(request(s.INVOKE_AGENT, name, known, attributes), input)

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return InProcessCall.begin(telemetry, request, parent)

    def _answer(self, call: Call) -> Response | None:
        return call.totals() if isinstance(call, InProcessCall) else None


class tool_span(_InProcess):  # noqa: N801
    """A tool that runs in this process: ``execute_tool {name}``.

    ``kind`` is ``function``, ``extension`` or ``datastore``; ``call_id`` the id the model gave its call.
    ``input`` is the arguments (content), ``output`` the result.
    """

    __slots__ = ()
    INPUT, OUTPUT = s.TOOL_CALL_ARGUMENTS, s.TOOL_CALL_RESULT

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        kind: str = "function",
        call_id: str | None = None,
        input: Any = content.NOTHING,  # noqa: A002
        attributes: _Attributes = None,
    ) -> None:
        name = named("the name of a tool", name)
        known: dict[str, AttributeValue | None] = {
            s.TOOL_NAME: name,
            s.TOOL_TYPE: named("the kind of a tool", kind),
            s.TOOL_DESCRIPTION: description_of(description),
            s.TOOL_CALL_ID: identifier("call_id", call_id),
        }
        super().__init__(request(s.EXECUTE_TOOL, name, known, attributes), input)


class retrieval_span(Operation):  # noqa: N801
    """A search for documents: ``retrieval {data_source}``. ``query`` and the documents are content.

    ``top_k`` is how many documents are asked for; ``provider``, ``model`` and the server are set where there are any.
    """

    __slots__ = ()
    INPUT, OUTPUT = s.RETRIEVAL_QUERY_TEXT, s.RETRIEVAL_DOCUMENTS

    def __init__(
        self,
        data_source: str | None = None,
        *,
        query: str | None = None,
        top_k: int | None = None,
        provider: str | None = None,
        model: str | None = None,
        server_address: str | None = None,
        server_port: int | None = None,
        attributes: _Attributes = None,
    ) -> None:
        source = identifier("data_source", data_source)
        known: dict[str, AttributeValue | None] = {
            s.DATA_SOURCE_ID: source,
            s.RETRIEVAL_TOP_K: whole("top_k", top_k),
            s.PROVIDER_NAME: identifier("provider", provider),
            s.REQUEST_MODEL: identifier("model", model),
            **server(server_address, server_port),
        }
        query = content.NOTHING if query is None else query
        super().__init__(request(s.RETRIEVAL, source, known, attributes, SpanKind.CLIENT), query)

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return Call.begin(telemetry, request, parent)

    def documents(self, documents: Sequence[Any]) -> Self:
        """Tell what was found (content): texts, mappings with ``id``, ``score`` and what else there is, or LangChain's
        documents."""
        return self.update(output=documents)
