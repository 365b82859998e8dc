"""The start of model runs: chat models, text LLMs and decision models."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ... import guard
from ... import semconv as s
from ...content.messages import Content
from ...core import nesting
from ...prompts import PromptUse
from ...propagation import state
from . import decisions, models, naming
from .starts import Starts
from .templates import identity


class ModelStarts(Starts):
    """The part of the callback handler that starts the runs of models."""

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
        params = kwargs.get("invocation_params") or {}
        settings = self._instrumentor.telemetry.settings
        words = given[0] if operation == s.CHAT else given
        place = self._place(parent_run_id, told, tags)

        def give() -> Content:
            if operation == s.CHAT:
                return models.chat_content(words, params, settings.capture_media)
            return models.text_content(words)

        subject = place.opened.subject if place.opened is not None else None
        request = models.request(operation, params, told, subject, give)
        if request.attributes[s.PROVIDER_NAME] in settings.langchain_leave_to_sdk:
            place.context = state.private(place.context)  # the SDK makes the request: it must not send our baggage
            self._enter(run_id, place, None, None)
            return
        attributes = request.attributes
        attributes.update(naming.described(kwargs.get("name"), run_id, tags, told))
        request.texts, request.prompt = words, self._template_use(operation, words, told)
        call = nesting.start_outer(self._instrumentor.telemetry, request, place.context)
        self._enter(run_id, place, call, place.agent_key)

    def _template_use(self, operation: str, words: Any, metadata: dict[str, Any]) -> PromptUse | None:
        """The use of the LangChain template from which ``words`` were made, if it is known."""
        known = self._templates
        use = known.behind_messages(words) if operation == s.CHAT else known.behind_text(words[0])
        if use is not None and not use.name:
            use.name, version = identity(metadata)
            use.version = use.version or version
        return use

    @guard.never_raise
    def _decision(
        self,
        asked: Any,
        run_id: UUID,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        name: str | None,
    ) -> None:
        """Start the run of a decision model. LangChain reports it as a chain with the run type ``llm``."""
        told = metadata or {}
        telemetry = self._instrumentor.telemetry
        place = self._place(parent_run_id, told, tags)
        subject = place.opened.subject if place.opened is not None else None
        request = decisions.request(asked, told, subject, telemetry.settings.capture_media)
        request.attributes.update(naming.described(name, run_id, tags, told))
        call = nesting.start_outer(telemetry, request, place.context)
        self._enter(run_id, place, call, place.agent_key)

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
