"""The callback handler, which turns LangChain's runs into calls.

This module has the start of chains, tools and retrievers; :mod:`.model_starts` has the start of models, :mod:`.endings`
everything after the start. The handler is imported after LangChain. LangChain calls it in the thread of the event
(``run_inline``). It raises nothing and makes no context current: that is the work of :mod:`.boundary`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler  # type: ignore[import-not-found,unused-ignore]
from opentelemetry.trace import SpanKind

from ... import guard
from ... import semconv as s
from ...config.choices import LangChainSteps
from ...core.call import Call
from ...core.local_call import InProcessCall
from ...core.request import AttributeValue, Request
from ...instrumentation.instrumentor import Instrumentor
from . import content, models, naming
from .endings import Endings, went_in
from .model_starts import ModelStarts
from .runs import Run, Runs
from .templates import Templates


class Handler(ModelStarts, Endings, BaseCallbackHandler):  # type: ignore[misc]
    """The handler of the process. It knows the runs in progress."""

    run_inline = True
    raise_error = False

    def __init__(self, instrumentor: Instrumentor, templates: Templates) -> None:
        self._instrumentor = instrumentor
        self._templates = templates
        self.runs = Runs()

    def run_of(self, run_id: Any) -> Run | None:
        return self.runs.get(run_id) if isinstance(run_id, UUID) else None

    def __deepcopy__(self, memo: Any) -> Handler:
        return self  # LangChain copies configurations together with their callbacks

    def __reduce__(self) -> Any:
        # A configuration may be pickled for another process, which has its own handler or none.
        return BaseCallbackHandler, ()

    @guard.never_raise
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        run_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        settings = self._instrumentor.telemetry.settings
        if run_type is not None and run_type != "llm" and settings.langchain_steps is not LangChainSteps.ALL:
            above = self.runs.get(parent_run_id)
            if above is not None:  # a prompt or a parser in a chain has no span, whether or not it is traced
                self.runs.add(run_id, above, own=False)
                return
        if not self.active:
            return
        if run_type == "llm":
            self._decision(inputs, run_id, parent_run_id, tags, metadata, name)
            return
        told, marks = metadata or {}, tags or []
        place = self._place(parent_run_id, told, tags)
        parent, key = place.parent, naming.agent_key(told)
        attributes: dict[str, AttributeValue] = {}
        outermost = (parent is None or parent.wraps) and run_type is None and not naming.is_node(marks)
        wraps = outermost and naming.is_wrapper(name)
        if naming.starts_agent(key, place.agent_key, name, marks):
            request = Request(s.INVOKE_AGENT, key or None, attributes, 0, kind=SpanKind.INTERNAL)
            if key:
                attributes[s.AGENT_NAME] = key
        elif outermost and not wraps:
            subject = naming.own_name(name)
            request = Request(s.INVOKE_WORKFLOW, subject, attributes, 0, kind=SpanKind.INTERNAL)
            if subject:
                attributes[s.WORKFLOW_NAME] = subject
        elif naming.is_step(settings.langchain_steps, name, run_type, marks, key):
            request = Request(name or "step", None, attributes, 0, kind=SpanKind.INTERNAL)
            attributes[s.LLM_OPERATION_NAME] = run_type or "step"
        else:
            # A step without a span: its children belong to the run above.
            if parent is not None and not place.says_more:
                self.runs.add(run_id, parent, own=False)
            else:
                self._enter(run_id, place, None, place.agent_key).wraps = wraps
            return
        if request.operation in (s.INVOKE_AGENT, s.INVOKE_WORKFLOW):
            attributes[s.OPERATION_NAME] = request.operation
        attributes.update(naming.described(None, run_id, tags, told))
        call = InProcessCall.begin(self._instrumentor.telemetry, request, place.context)
        if s.OPERATION_NAME in attributes:
            call.record_content(lambda: went_in(inputs, settings.capture_media))
        self._enter(run_id, place, call, key)

    @guard.never_raise
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        tool_call_id: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not self.active:
            return
        told, tool = metadata or {}, serialized or {}
        place = self._place(parent_run_id, told, tags)
        subject = str(tool.get("name") or name or "tool")
        attributes: dict[str, AttributeValue] = {
            s.OPERATION_NAME: s.EXECUTE_TOOL,
            s.TOOL_NAME: subject,
            s.TOOL_TYPE: "function",
        }
        if isinstance(description := tool.get("description"), str) and description:
            attributes[s.TOOL_DESCRIPTION] = description[:1024]
        if isinstance(tool_call_id, str):
            attributes[s.TOOL_CALL_ID] = tool_call_id
        attributes.update(naming.described(name, run_id, tags, told))
        request = Request(s.EXECUTE_TOOL, subject, attributes, 0, kind=SpanKind.INTERNAL)
        call = InProcessCall.begin(self._instrumentor.telemetry, request, place.context)
        given = input_str if inputs is None else inputs
        call.record_content(lambda: {s.TOOL_CALL_ARGUMENTS: content.arguments(given)})
        self._enter(run_id, place, call, naming.agent_key(told))

    @guard.never_raise
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not self.active:
            return
        told = metadata or {}
        place = self._place(parent_run_id, told, tags)
        attributes: dict[str, AttributeValue] = {s.OPERATION_NAME: s.RETRIEVAL}
        if place.opened is not None:
            attributes.update(models.server(place.opened.subject))
            if (top_k := _top_k(place.opened.subject)) is not None:
                attributes[s.RETRIEVAL_TOP_K] = top_k
        attributes.update(naming.described(name, run_id, tags, told))
        call = Call.begin(self._instrumentor.telemetry, Request(s.RETRIEVAL, None, attributes, 0), place.context)
        call.record_content(lambda: {s.RETRIEVAL_QUERY_TEXT: str(query)})
        self._enter(run_id, place, call, place.agent_key)


def _top_k(retriever: Any) -> int | None:
    fields = getattr(retriever, "__dict__", {})
    for value in ((fields.get("search_kwargs") or {}).get("k"), fields.get("k"), fields.get("top_k")):
        if type(value) is int:
            return value
    return None
