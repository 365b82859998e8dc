"""The propagated attributes: session, user, conversation, tenant, tags, metadata, prompt and experiment.

:class:`otel_llm.propagate_attributes` stores it in the OpenTelemetry context. Every span that starts below has it as
attributes: our spans read it by :func:`of`, a span processor adds it to the spans of other libraries.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext

from .. import guard
from .. import semconv as s
from ..content.boundary import cleaned
from .baggage import carries_ids, sharing, without_ids
from .validation import Value, described, merged, union

_KEY = otel_context.create_key("otel_llm-ambient")
_REQUEST = otel_context.create_key("otel_llm-request")
_CONVERSING = s.INFERENCE_OPERATIONS | {s.INVOKE_AGENT, s.INVOKE_WORKFLOW, s.EXECUTE_TOOL}
_AGENTS_OWN = s.INFERENCE_OPERATIONS | {s.EXECUTE_TOOL}


class Describes(Protocol):
    """Has attributes for an inference: a prompt, or the variant of an experiment."""

    def attributes(self) -> Mapping[str, Any]: ...


class Ambient:
    """What one ``propagate_attributes`` sets for the code inside. It is immutable."""

    __slots__ = (
        "_everywhere",
        "agent",
        "conversation_id",
        "experiment",
        "metadata",
        "prompt",
        "session_id",
        "tags",
        "tenant_id",
        "user_id",
    )

    def __init__(
        self,
        session_id: str | None = None,
        user_id: str | None = None,
        conversation_id: str | None = None,
        tags: tuple[str, ...] = (),
        metadata: Mapping[str, Value] | None = None,
        prompt: Describes | None = None,
        experiment: Describes | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.conversation_id = conversation_id
        self.tags = tags
        self.metadata = metadata or {}
        self.prompt = prompt
        self.experiment = experiment
        self.tenant_id = tenant_id
        #: The agent that counts the calls below. A weak reference, as the agent holds its context.
        self.agent: weakref.ref[Any] | None = None
        self._everywhere: dict[str, Any] = described(tags, self.metadata)
        if session_id is not None:
            self._everywhere[s.SESSION_ID] = session_id
        if user_id is not None:
            self._everywhere[s.USER_ID] = user_id
        if tenant_id is not None:
            self._everywhere[s.LLM_TENANT_ID] = tenant_id
        if experiment is not None:
            self._everywhere.update(cleaned(experiment.attributes()))

    def within(self, outer: Ambient | None) -> Ambient:
        """This one inside ``outer``. Tags and metadata are added; everything else replaces what ``outer`` has."""
        if outer is None:
            return self
        made = Ambient(
            self.session_id or outer.session_id,
            self.user_id or outer.user_id,
            self.conversation_id or outer.conversation_id,
            union(outer.tags, self.tags),
            merged(outer.metadata, self.metadata),
            self.prompt or outer.prompt,
            self.experiment or outer.experiment,
            self.tenant_id or outer.tenant_id,
        )
        made.agent = outer.agent
        return made

    @guard.never_raise
    def describe(self, attributes: dict[str, Any]) -> Describes | None:
        """Add what a span's ``attributes`` don't have yet. Returns the prompt if it was added."""
        operation = attributes.get(s.OPERATION_NAME)
        for name, value in self._everywhere.items():
            attributes.setdefault(name, value)
        if operation is None:
            return None
        if self.conversation_id is not None and operation in _CONVERSING:
            attributes.setdefault(s.CONVERSATION_ID, self.conversation_id)
        agent = self.agent() if self.agent is not None and operation in _AGENTS_OWN else None
        if agent is not None and agent.request.subject:
            attributes.setdefault(s.AGENT_NAME, agent.request.subject)
        if self.prompt is None or operation not in s.INFERENCE_OPERATIONS or _prompted(attributes):
            return None
        attributes.update(cleaned(self.prompt.attributes()))
        return self.prompt


def _prompted(attributes: Mapping[str, Any]) -> bool:
    """Whether the attributes name a prompt already."""
    return s.PROMPT_NAME in attributes or s.LLM_PROMPT_TEMPLATE_HASH in attributes


# --- what applies where ----------------------------------------------------------------------------


class _Request:
    """What was set in a web request. It applies until the request ends."""

    __slots__ = ("said", "span")

    def __init__(self) -> None:
        self.said: Ambient | None = None
        #: The first span that began in it.
        self.span: SpanContext | None = None

    def hear(self, ambient: Ambient, outermost: bool) -> None:
        """Keep the values of the last outermost block, and ids that only blocks inside it have set."""
        if outermost or self.said is None:
            self.said = ambient
        else:
            ids = Ambient(ambient.session_id, ambient.user_id, ambient.conversation_id, tenant_id=ambient.tenant_id)
            self.said = self.said.within(ids)


def for_request(context: Context) -> Context:
    """``context`` for a web request: what is set in it applies until its end."""
    return otel_context.set_value(_REQUEST, _Request(), context)


def note_span(span: Span, context: Context) -> None:
    """Remember that ``span`` begins in ``context``, if it is the first one of a web request."""
    request = context.get(_REQUEST)
    if isinstance(request, _Request) and request.span is None:
        request.span = span.get_span_context()


def span_of_request(context: Context) -> SpanContext | None:
    """The first span that began in the web request of ``context``."""
    request = context.get(_REQUEST)
    return request.span if isinstance(request, _Request) else None


def of(context: Context) -> Ambient | None:
    """What applies in ``context``: set here, earlier in the same web request, or by the calling process."""
    if not context:
        return None
    if context.get(_KEY) is None:
        request = context.get(_REQUEST)
        if isinstance(request, _Request) and request.said is not None:
            return request.said
    return in_force(context)


def in_force(context: Context) -> Ambient | None:
    """What applies in ``context``, without what was set earlier in the same web request."""
    found = context.get(_KEY)
    if found is None and sharing.names and context:
        return _received(context)
    return found  # type: ignore[return-value]


def current() -> Ambient | None:
    """What applies in the current context."""
    return of(otel_context.get_current())


@guard.never_raise
def _received(context: Context) -> Ambient | None:
    ids = sharing.received(context)
    if not ids:
        return None
    return Ambient(
        ids.get("session_id"), ids.get("user_id"), ids.get("conversation_id"), tenant_id=ids.get("tenant_id")
    )


def private(context: Context) -> Context:
    """``context`` for a call of a model provider, without sessions and users in its baggage.

    The provider must not get them in a header, neither the ids that this process shares nor those that it received.
    """
    if not carries_ids(context):
        return context
    return without_ids(otel_context.set_value(_KEY, of(context), context))


def put(ambient: Ambient, context: Context) -> Context:
    """``context`` with ``ambient``, and with its shared ids in the baggage."""
    if isinstance(request := context.get(_REQUEST), _Request):
        request.hear(ambient, outermost=context.get(_KEY) is None)
    return inside(ambient, context)


def inside(ambient: Ambient, context: Context) -> Context:
    """:func:`put` for code below only: a web request does not keep it."""
    return sharing.put(ambient, otel_context.set_value(_KEY, ambient, context))


def agent_in(context: Context) -> Any:
    """The agent that counts the calls in ``context``, if there is one."""
    around = of(context)
    return None if around is None or around.agent is None else around.agent()


def with_agent(agent: Any, context: Context) -> Context:
    """``context`` in which ``agent`` counts the calls; ``None``: no agent does."""
    outer = of(context)
    if agent is None and (outer is None or outer.agent is None):
        return context
    ambient = Ambient().within(outer or Ambient())
    ambient.agent = None if agent is None else weakref.ref(agent)
    return otel_context.set_value(_KEY, ambient, context)
