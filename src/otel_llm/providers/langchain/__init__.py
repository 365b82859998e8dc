"""LangChain (langchain-core 1.x), with all that is built on it: langchain's agents, LangGraph, the integrations.

LangChain reports its runs through callbacks. One handler of ours, added to every callback manager, turns them into
calls, and that makes the trace. The other targets make a run's context current while LangChain calls code that is not
its own (:mod:`.boundary`), link prompt templates to inferences (:mod:`.templates`), and trace embeddings, which have no
callbacks (:mod:`.embeddings`).
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

from ... import guard
from ...background.forks import ForkLock
from ...instrumentation.instrumentor import Instrumentor
from ...instrumentation.patching import Target
from ...instrumentation.provider import LANGCHAIN
from .._botocore import errors as botocore_errors
from .._stainless import errors as stainless_errors
from .._stainless import self_tracing
from .boundary import Boundaries
from .embeddings import Embeddings
from .templates import Templates

if TYPE_CHECKING:
    from .handler import Handler

_CORE = "langchain_core"
_CHAT = f"{_CORE}.language_models.chat_models"
_TEXT = f"{_CORE}.language_models.llms"


class LangChainInstrumentor(Instrumentor):
    """Instruments ``langchain-core`` and what builds on it."""

    provider = LANGCHAIN
    #: Of the SDKs that the integrations call.
    error_readers = (stainless_errors.read, botocore_errors.read)

    #: The only handler. It is made when LangChain has been imported, as its class inherits from one of LangChain's.
    handler: Handler | None = None
    _making = ForkLock()

    # Cached properties rather than ``__init__``: an instrumentor is a singleton, and ``__init__`` runs each time the
    # class is called.
    @cached_property
    def templates(self) -> Templates:
        return Templates(lambda: self.active, lambda: self.telemetry.captures_content, _metadata)

    @cached_property
    def embeddings(self) -> Embeddings:
        return Embeddings(self)

    def targets(self) -> list[Target]:
        templates, boundaries = self.templates, Boundaries(self)
        return [
            Target(f"{_CORE}.callbacks.manager", "CallbackManager.configure", self._configure),
            Target(f"{_CORE}.callbacks.manager", "AsyncCallbackManager.configure", self._configure),
            Target(f"{_CORE}.callbacks.manager", "AsyncCallbackManager.on_llm_start", self._start_text_runs),
            # The application's code: tools, functions, and the steps of chains and graphs.
            Target(f"{_CORE}.runnables.config", "_set_config_context", boundaries.config_context),
            Target("langgraph._internal._runnable", "_set_config_context", boundaries.config_context),
            # Models, which call the provider's SDK; tools and retrievers.
            Target(_CHAT, "BaseChatModel._generate_with_cache", boundaries.generate),
            Target(_CHAT, "BaseChatModel._agenerate_with_cache", boundaries.agenerate),
            Target(_CHAT, "BaseChatModel._convert_cached_generations", boundaries.cached),
            Target(_CHAT, "BaseChatModel.stream", boundaries.stream),
            Target(_CHAT, "BaseChatModel.astream", boundaries.astream),
            Target(_CHAT, "BaseChatModel._iter_v2_events", boundaries.events),
            Target(_CHAT, "BaseChatModel._aiter_v2_events", boundaries.aevents),
            Target(_TEXT, "BaseLLM._generate_helper", boundaries.generate),
            Target(_TEXT, "BaseLLM._agenerate_helper", boundaries.agenerate),
            Target(_TEXT, "BaseLLM.stream", boundaries.stream),
            Target(_TEXT, "BaseLLM.astream", boundaries.astream),
            Target(f"{_CORE}.tools.base", "BaseTool.run", boundaries.invoke),
            Target(f"{_CORE}.tools.base", "BaseTool.arun", boundaries.ainvoke),
            Target(f"{_CORE}.retrievers", "BaseRetriever.invoke", boundaries.invoke),
            Target(f"{_CORE}.retrievers", "BaseRetriever.ainvoke", boundaries.ainvoke),
            # Prompt templates.
            Target(f"{_CORE}.prompts.chat", "ChatPromptTemplate.format_messages", templates.format),
            Target(f"{_CORE}.prompts.chat", "ChatPromptTemplate.aformat_messages", templates.aformat),
            Target(f"{_CORE}.prompts.few_shot", "FewShotChatMessagePromptTemplate.format_messages", templates.format),
            Target(f"{_CORE}.prompts.few_shot", "FewShotChatMessagePromptTemplate.aformat_messages", templates.aformat),
            Target(f"{_CORE}.prompts.string", "StringPromptTemplate.format_prompt", templates.format),
            Target(f"{_CORE}.prompts.string", "StringPromptTemplate.aformat_prompt", templates.aformat),
            Target(f"{_CORE}.prompt_values", "StringPromptValue.to_messages", templates.to_messages),
            Target(_CHAT, "_format_for_tracing", templates.traced),
            *self_tracing.targets(),
        ]

    def accept(self, module: ModuleType) -> bool:
        if not module.__name__.startswith(_CORE):
            return True  # a library that builds on langchain-core: what it has of the targets is patched
        about = ModuleType(_CORE)
        about.__version__ = getattr(importlib.import_module(f"{_CORE}.version"), "VERSION", None)  # type: ignore[attr-defined]
        return super().accept(about)

    def _instrument(self, **kwargs: Any) -> None:
        # Not with the first run: a child that is forked while another thread imports it could never import it.
        wrapt.register_post_import_hook(self._make_handler, f"{_CORE}.callbacks.manager")
        super()._instrument(**kwargs)
        wrapt.register_post_import_hook(self.embeddings.apply, f"{_CORE}.embeddings.embeddings")

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        self.embeddings.restore()

    # --- what the boundaries ask ---------------------------------------------------------------

    def run_of(self, run_id: Any) -> Any:
        return self.handler.run_of(run_id) if self.handler is not None else None

    def left(self, run: Any, error: BaseException) -> None:
        if self.handler is not None:
            self.handler.left(run, error)

    # --- the handler ---------------------------------------------------------------------------

    def _configure(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        manager = wrapped(*args, **kwargs)
        if self.active:
            self._add_handler(manager)
        return manager

    @guard.never_raise
    def _add_handler(self, manager: Any) -> None:
        if self.handler is not None:
            manager.add_handler(self.handler, True)

    @guard.never_raise
    def _make_handler(self, manager: ModuleType) -> None:
        from .handler import Handler  # before the lock, because an import takes locks of its own

        with self._making.lock:  # several threads may instrument at once
            if self.handler is None:
                self.handler = Handler(self, self.templates)

    async def _start_text_runs(self, wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        """``on_llm_start`` of an asynchronous text LLM.

        If one handler runs inline, langchain-core calls the inline handlers only. Ours runs inline, so the
        application's handlers would miss the event. Therefore they are called without ours, and ours is called after
        them.
        """
        ours = self.handler
        others = [handler for handler in manager.handlers if handler is not ours]
        if not others or len(others) == len(manager.handlers):
            return await wrapped(*args, **kwargs)
        apart = copy.copy(manager)  # several calls may use one manager at the same time
        apart.handlers = others
        runs = await wrapped.__func__(apart, *args, **kwargs)
        for run in runs:
            run.handlers = manager.handlers
        self._start_ours(manager, runs, *args, **kwargs)
        return runs

    @guard.never_raise
    def _start_ours(
        self, manager: Any, runs: Any, serialized: Any, prompts: Any, run_id: Any = None, **kwargs: Any
    ) -> None:
        if self.handler is None:
            return
        about = {"parent_run_id": manager.parent_run_id, "tags": manager.tags, "metadata": manager.metadata}
        for run, prompt in zip(runs, prompts, strict=False):
            self.handler.on_llm_start(serialized, [prompt], run_id=run.run_id, **about, **kwargs)


def _metadata() -> dict[str, Any]:
    """The metadata of LangChain's current run."""
    config = sys.modules[f"{_CORE}.runnables.config"].var_child_runnable_config.get()
    return (config or {}).get("metadata") or {}
