"""The callback handler: LangChain's runs to calls. Here they begin; :mod:`.endings` has the rest.

Imported only once LangChain is. It is run where the event happens (``run_inline``), raises nothing, and makes no
context current: :mod:`.boundary` does.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler  # type: ignore[import-not-found,unused-ignore]
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from ... import guard, prompts
from ... import semconv as s
from ...config import LangChainSteps
from ...content.messages import Content
from ...core import nesting
from ...core.call import Call
from ...core.local_call import InProcessCall
from ...core.request import AttributeValue, Request
from ...instrumentation.instrumentor import Instrumentor
from . import content, models, naming
from .boundary import Opening, opening
from .endings import Endings, went_in
from .runs import Run, Runs, current_run
from .templates import Templates, identity


class Handler(Endings, BaseCallbackHandler):  # type: ignore[misc]
    """One for the process. What it knows is the runs under way."""

    run_inline = True
    raise_error = False

    def __init__(self, instrumentor: Instrumentor, templates: Templates) -> None:
        self._instrumentor = instrumentor
        self._templates = templates
        self.runs = Runs()

    @property
    def active(self) -> bool:
        return self._instrumentor.telemetry.traces(otel_context.get_current())

    def run_of(self, run_id: Any) -> Run | None:
        return self.runs.get(run_id) if isinstance(run_id, UUID) else None

    def __deepcopy__(self, memo: Any) -> Handler:
        return self  # configurations are copied, with the callbacks in them

    def __reduce__(self) -> Any:
        return BaseCallbackHandler, ()  # and sent to other processes, which have a handler of their own, or none

    # --- beginning -----------------------------------------------------------------------------

    def _parent(self, parent_run_id: UUID | None) -> tuple[Run | None, Context, Opening | None]:
        """The run above, the context that a run below it begins in, and the frame that waits for that.

        The run tree says who the parent is. What is current may be nearer: a span of the application's own within
        that very run. And where the application left out LangChain's config, only it knows the parent.
        """
        current = otel_context.get_current()
        run, inside = self.runs.get(parent_run_id), current_run(current)
        if run is None or run.ended or run is inside:
            return inside, current, opening(current)
        return run, run.context, opening(current)

    def _enter(self, run_id: UUID, run: Run, context: Context, opened: Opening | None) -> None:
        self.runs.add(run_id, run)
        run.enter(context, run.call if isinstance(run.call, nesting.LayeredCall) else None)
        if opened is not None:
            opened.began(run)

    def _model(
        self,
        operation: str,
        given: list[Any],
        run_id: UUID,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        kwargs: dict[str, Any],
    ) -> None:
        if not self.active:
            return
        told = metadata or {}
        parent, context, opened = self._parent(parent_run_id)
        params = kwargs.get("invocation_params") or {}
        settings = self._instrumentor.telemetry.settings
        words = given[0] if operation == s.CHAT else given

        def give() -> Content:
            if operation == s.CHAT:
                return models.chat_content(words, params, settings.capture_media)
            return models.text_content(words)

        subject = opened.subject if opened is not None else None
        request = models.request(operation, params, told, subject, give)
        if request.attributes[s.PROVIDER_NAME] in settings.langchain_leave_to_sdk:
            self._enter(run_id, Run(None, None), context, opened)
            return
        attributes = request.attributes
        attributes.update(naming.described(kwargs.get("name"), run_id, tags, told))
        attributes.update(naming.conversation(told))
        known = self._templates
        use = known.behind_messages(words) if operation == s.CHAT else known.behind_text(words[0])
        if prompts.known:
            use = prompts.latest(use, prompts.behind(words))
        if use is not None:
            if not use.name:
                use.name, version = identity(told)
                use.version = use.version or version
            attributes.update(use.attributes())
        call = nesting.start_outer(self._instrumentor.telemetry, request, context)
        if use is not None:
            call.record_content(use.content)
        run = Run(call, parent.agent_key if parent is not None else None)
        self._enter(run_id, run, call.context, opened)

    @guard.never_raise
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._model(s.CHAT, messages, run_id, parent_run_id, tags, metadata, kwargs)

    @guard.never_raise
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._model(s.TEXT_COMPLETION, prompts, run_id, parent_run_id, tags, metadata, kwargs)

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
        if not self.active:
            return
        settings = self._instrumentor.telemetry.settings
        if run_type is not None and settings.langchain_steps is not LangChainSteps.ALL:
            above = self.runs.get(parent_run_id)
            if above is not None:  # a prompt or a parser in a chain
                self.runs.add(run_id, above, own=False)
                return
        told, marks = metadata or {}, tags or []
        parent, context, opened = self._parent(parent_run_id)
        key, outer = naming.agent_key(told), parent.agent_key if parent is not None else None
        attributes: dict[str, AttributeValue] = {}
        if naming.starts_agent(key, outer, name, marks):
            request = Request(s.INVOKE_AGENT, key or None, attributes, 0, kind=SpanKind.INTERNAL)
            if key:
                attributes[s.AGENT_NAME] = key
        elif parent is None and run_type is None:
            subject = naming.own_name(name)
            request = Request(s.INVOKE_WORKFLOW, subject, attributes, 0, kind=SpanKind.INTERNAL)
            if subject:
                attributes[s.WORKFLOW_NAME] = subject
        elif naming.is_step(settings.langchain_steps, name, run_type, marks, key):
            request = Request(name or "step", None, attributes, 0, kind=SpanKind.INTERNAL)
            attributes[s.LLM_OPERATION_NAME] = run_type or "step"
        else:
            # A step that is no span of its own: what is in it is in the run above.
            if parent is not None:
                self.runs.add(run_id, parent, own=False)
            else:
                self._enter(run_id, Run(None, None), context, opened)
            return
        if request.operation in (s.INVOKE_AGENT, s.INVOKE_WORKFLOW):
            attributes[s.OPERATION_NAME] = request.operation
            attributes.update(naming.conversation(told))
        attributes.update(naming.described(None, run_id, tags, told))
        call = InProcessCall.begin(self._instrumentor.telemetry, request, context)
        if s.OPERATION_NAME in attributes:
            call.record_content(lambda: went_in(inputs, settings.capture_media))
        self._enter(run_id, Run(call, key), call.context, opened)

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
        _, context, opened = self._parent(parent_run_id)
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
        attributes.update(naming.conversation(told))
        attributes.update(naming.described(name, run_id, tags, told))
        request = Request(s.EXECUTE_TOOL, subject, attributes, 0, kind=SpanKind.INTERNAL)
        call = InProcessCall.begin(self._instrumentor.telemetry, request, context)
        given = input_str if inputs is None else inputs
        call.record_content(lambda: {s.TOOL_CALL_ARGUMENTS: content.arguments(given)})
        self._enter(run_id, Run(call, naming.agent_key(told)), call.context, opened)

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
        parent, context, opened = self._parent(parent_run_id)
        attributes: dict[str, AttributeValue] = {s.OPERATION_NAME: s.RETRIEVAL}
        if opened is not None:
            attributes.update(models.server(opened.subject))
            if (top_k := _top_k(opened.subject)) is not None:
                attributes[s.RETRIEVAL_TOP_K] = top_k
        attributes.update(naming.described(name, run_id, tags, told))
        call = Call.begin(self._instrumentor.telemetry, Request(s.RETRIEVAL, None, attributes, 0), context)
        call.record_content(lambda: {s.RETRIEVAL_QUERY_TEXT: str(query)})
        key = parent.agent_key if parent is not None else None
        self._enter(run_id, Run(call, key), call.context, opened)


def _top_k(retriever: Any) -> int | None:
    fields = getattr(retriever, "__dict__", {})
    for value in ((fields.get("search_kwargs") or {}).get("k"), fields.get("k"), fields.get("top_k")):
        if type(value) is int:
            return value
    return None
