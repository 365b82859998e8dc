"""Context managers for the operations that run in this process, and for steps that are no operation."""

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
from .requests import description_of, integer, plain_attributes, request, required_name, server

_Attributes = Mapping[str, AttributeValue] | None


class step_span(Operation):  # noqa: N801
    """A step of the application, such as reranking: ``with otel_llm.step_span("rerank") as step: ...``

    The span is named ``name``; it has no metrics. ``input`` is content: any value, recorded only if content is
    captured. ``attributes`` are set on the span. What is known later is added with :meth:`update`.

    Values of other types are converted, or left out with a warning; an empty name becomes ``_OTHER``.

    :raises RuntimeError: when it is entered a second time.
    """

    __slots__ = ()

    def __init__(self, name: str, *, input: Any = content.UNSET, attributes: _Attributes = None) -> None:  # noqa: A002
        known = plain_attributes(attributes)
        known[s.LLM_OPERATION_NAME] = "step"
        name = required_name("the name of a step", name)
        super().__init__(Request(name, None, known, 0, kind=SpanKind.INTERNAL), input)

    def unstarted_copy(self) -> Self:
        made = object.__new__(type(self))
        Operation.__init__(made, self._request)  # not copied: a step does not change it
        return made


class _InProcess(Operation):
    __slots__ = ()

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return InProcessCall.begin(telemetry, request, parent)


class workflow_span(_InProcess):  # noqa: N801
    """A whole run of the application, such as the answer to one request: span ``invoke_workflow {name}``.

    ``name`` is also the attribute ``gen_ai.workflow.name``. The duration is a metric. ``input``, and ``output`` of
    :meth:`update`, are content: a text, or messages in OpenAI's or the conventions' shape. ``attributes`` are set on
    the span.

    Values of other types are converted, or left out with a warning; an empty name becomes ``_OTHER``.

    :raises RuntimeError: when it is entered a second time.
    """

    __slots__ = ()
    INPUT, OUTPUT = s.INPUT_MESSAGES, s.OUTPUT_MESSAGES

    def __init__(self, name: str, *, input: Any = content.UNSET, attributes: _Attributes = None) -> None:  # noqa: A002
        name = required_name("the name of a workflow", name)
        super().__init__(request(s.INVOKE_WORKFLOW, name, {s.WORKFLOW_NAME: name}, attributes), input)


class agent_span(_InProcess):  # noqa: N801
    """A run of an agent: span ``invoke_agent {name}``.

    It counts the inferences and tool calls below it, up to the next agent or tool, and sums up their tokens. Counts and
    duration are metrics.

    ``name`` is also the attribute ``gen_ai.agent.name``. ``model`` is the agent's model, if it uses only one.
    ``description`` is cut at 1024 characters. ``input``, and ``output`` of :meth:`update`, are content: a text, or
    messages in OpenAI's or the conventions' shape. ``attributes`` are set on the span.

    Values of other types are converted, or left out with a warning; an empty name becomes ``_OTHER``.

    :raises RuntimeError: when it is entered a second time.
    """

    __slots__ = ()
    INPUT, OUTPUT = s.INPUT_MESSAGES, s.OUTPUT_MESSAGES

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        model: str | None = None,
        input: Any = content.UNSET,  # noqa: A002
        attributes: _Attributes = None,
    ) -> None:
        name = required_name("the name of an agent", name)
        known: dict[str, AttributeValue | None] = {
            s.AGENT_NAME: name,
            s.AGENT_DESCRIPTION: description_of(description),
            s.REQUEST_MODEL: identifier("model", model, s.REQUEST_MODEL),
        }
        super().__init__(request(s.INVOKE_AGENT, name, known, attributes), input)

    def _response_of(self, call: Call) -> Response | None:
        return call.totals() if isinstance(call, InProcessCall) else None


class tool_span(_InProcess):  # noqa: N801
    """The execution of a tool in this process: span ``execute_tool {name}``.

    ``name`` is also the attribute ``gen_ai.tool.name``. The duration is a metric. ``kind`` is ``function``,
    ``extension`` or ``datastore``, as the conventions define them. ``call_id`` is the id that the model gave its tool
    call. ``description`` is cut at 1024 characters. ``input`` are the arguments and ``output`` of :meth:`update` is the
    result; both are content. ``attributes`` are set on the span.

    Values of other types are converted, or left out with a warning; an empty name becomes ``_OTHER``.

    :raises RuntimeError: when it is entered a second time.
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
        input: Any = content.UNSET,  # noqa: A002
        attributes: _Attributes = None,
    ) -> None:
        name = required_name("the name of a tool", name)
        known: dict[str, AttributeValue | None] = {
            s.TOOL_NAME: name,
            s.TOOL_TYPE: required_name("the kind of a tool", kind),
            s.TOOL_DESCRIPTION: description_of(description),
            s.TOOL_CALL_ID: identifier("call_id", call_id, s.TOOL_CALL_ID),
        }
        super().__init__(request(s.EXECUTE_TOOL, name, known, attributes), input)


class retrieval_span(Operation):  # noqa: N801
    """A search for documents: span ``retrieval {data_source}``.

    ``data_source`` is the id of the index or database. The duration is a metric. ``top_k`` is the number of documents
    that are requested. ``provider``, ``model``, ``server_address`` and ``server_port`` are recorded if they are given.
    ``query`` is content, as are the documents (:meth:`documents`). ``attributes`` are set on the span.

    Values of other types are converted, or left out with a warning.

    :raises RuntimeError: when it is entered a second time.
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
        source = identifier("data_source", data_source, s.DATA_SOURCE_ID)
        known: dict[str, AttributeValue | None] = {
            s.DATA_SOURCE_ID: source,
            s.RETRIEVAL_TOP_K: integer("top_k", top_k),
            s.PROVIDER_NAME: identifier("provider", provider, s.PROVIDER_NAME),
            s.REQUEST_MODEL: identifier("model", model, s.REQUEST_MODEL),
            **server(server_address, server_port),
        }
        query = content.UNSET if query is None else query
        super().__init__(request(s.RETRIEVAL, source, known, attributes, SpanKind.CLIENT), query)

    def _start(self, telemetry: Telemetry, request: Request, parent: Context) -> Call:
        return Call.begin(telemetry, request, parent)

    def documents(self, documents: Sequence[Any]) -> Self:
        """Record ``documents``, those that were found. Returns the span.

        They are content. A document is a text, a mapping (``id``, ``score`` and ``content`` have their meaning in the
        conventions), or a document of LangChain.
        """
        return self.update(output=documents)
