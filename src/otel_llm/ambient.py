"""What the application says of whom and what its calls are for: session, user, conversation, tags, prompt.

:class:`context` puts it in the OpenTelemetry context, under one key; every span that begins below it has it as
attributes: ours by :func:`of`, those of other libraries by :class:`ContextSpanProcessor`.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from . import guard
from . import semconv as s
from .config import Settings

_P = ParamSpec("_P")
_R = TypeVar("_R")
Value = str | bool | int | float

_KEY = otel_context.create_key("otel_llm-ambient")
#: Longer ids, tags, names and values are cut.
MAX_LENGTH = 256
#: More tags, and more entries of metadata, are left out: a span has room for 128 attributes.
MAX_ENTRIES = 32
#: What may go to other processes, and the entry of the baggage it is in.
BAGGAGE = {name: f"otel_llm.{name}" for name in ("session_id", "user_id", "conversation_id")}
_CONVERSING = s.INFERENCE_OPERATIONS | {s.INVOKE_AGENT, s.INVOKE_WORKFLOW, s.EXECUTE_TOOL}
_AGENTS_OWN = s.INFERENCE_OPERATIONS | {s.EXECUTE_TOOL}


class Describes(Protocol):
    """What says something of an inference by attributes: a prompt, an experiment's variant."""

    def attributes(self) -> Mapping[str, Any]: ...


class Ambient:
    """What holds below a :class:`context`. Never changed: each context makes its own."""

    __slots__ = (
        "_everywhere",
        "agent",
        "conversation_id",
        "experiment",
        "metadata",
        "prompt",
        "session_id",
        "tags",
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
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.conversation_id = conversation_id
        self.tags = tags
        self.metadata = metadata or {}
        self.prompt = prompt
        self.experiment = experiment
        #: The agent whose own the calls below are; held weakly, as it has its context in turn.
        self.agent: weakref.ref[Any] | None = None
        self._everywhere: dict[str, Any] = described(tags, self.metadata)
        if session_id is not None:
            self._everywhere[s.SESSION_ID] = session_id
        if user_id is not None:
            self._everywhere[s.USER_ID] = user_id
        if experiment is not None:
            self._everywhere.update(experiment.attributes())

    def within(self, outer: Ambient | None) -> Ambient:
        """This one inside of ``outer``: it adds tags and metadata, and replaces all else that it has."""
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
        )
        made.agent = outer.agent
        return made

    @guard.never_raise
    def describe(self, attributes: dict[str, Any]) -> Describes | None:
        """Add to a span's ``attributes`` what they don't say yet; gives the prompt, if it is that which leads it."""
        operation = attributes.get(s.OPERATION_NAME)
        for name, value in self._everywhere.items():
            attributes.setdefault(name, value)
        if operation is None:
            return None
        if self.conversation_id is not None and operation in _CONVERSING:
            attributes.setdefault(s.CONVERSATION_ID, self.conversation_id)
        if self.agent is not None and operation in _AGENTS_OWN and (agent := self.agent()) is not None:
            attributes.setdefault(s.AGENT_NAME, agent.request.subject)
        if self.prompt is None or operation not in s.INFERENCE_OPERATIONS or _prompted(attributes):
            return None
        attributes.update(self.prompt.attributes())
        return self.prompt


def _prompted(attributes: Mapping[str, Any]) -> bool:
    """Whether the prompt is known from nearer by."""
    return s.PROMPT_NAME in attributes or s.LLM_PROMPT_TEMPLATE_HASH in attributes


# --- the values, as they are recorded ------------------------------------------------------------


def identifier(what: str, value: object) -> str | None:
    """``value`` as an id; ``None`` and the empty string are none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {type(value).__name__}")
    return _cut(value)


def _cut(value: str) -> str:
    from .messages import utf8  # when it is used: this module is loaded at the start of every program

    return utf8(value)[:MAX_LENGTH]


def tag_list(tags: Iterable[str] | None) -> tuple[str, ...]:
    """``tags`` without repetition.

    :raises TypeError: for a single string, whose letters would each be a tag, and for tags that are no strings.
    """
    if tags is None:
        return ()
    if isinstance(tags, str):
        raise TypeError(f"tags must be a list of strings, not one string: tags=[{tags!r}]")
    return union((), tuple(identifier("a tag", tag) or "" for tag in tags))


def union(tags: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag for tag in dict.fromkeys((*tags, *more)) if tag)[:MAX_ENTRIES]


def metadata_of(metadata: Mapping[str, Value] | None) -> dict[str, Value]:
    """``metadata`` with plain values, less those that are ``None``.

    :raises TypeError: for anything but a mapping of strings to strings, numbers and booleans.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a mapping, not {type(metadata).__name__}")
    plain: dict[str, Value] = {}
    for key, value in metadata.items():
        name = identifier("a key of metadata", key)
        if name is None or value is None:
            continue
        if isinstance(value, str):
            plain[name] = _cut(value)
        elif isinstance(value, bool | int | float):
            plain[name] = value
        else:
            kind = type(value).__name__
            raise TypeError(f"metadata[{key!r}] must be a string, a number or a boolean, not {kind}")
    return merged({}, plain)


def merged(metadata: Mapping[str, Value], more: Mapping[str, Value]) -> dict[str, Value]:
    return dict(list({**metadata, **more}.items())[:MAX_ENTRIES])


def describing(what: str, value: Any) -> Any:
    """``value``, if it has attributes to give.

    :raises TypeError: if it has not.
    """
    if value is not None and not callable(getattr(value, "attributes", None)):
        raise TypeError(f"{what} must be a {what.capitalize()} of otel_llm, not {type(value).__name__}")
    return value


def described(tags: tuple[str, ...], metadata: Mapping[str, Value]) -> dict[str, Any]:
    """Tags and metadata as attributes."""
    attributes: dict[str, Any] = {s.LLM_METADATA_PREFIX + name: value for name, value in metadata.items()}
    if tags:
        attributes[s.LLM_TAGS] = tags
    return attributes


# --- what holds where ----------------------------------------------------------------------------

#: What this process gives other processes and takes from them; ``None``: the environment has not been asked.
shared: frozenset[str] | None = None


def share(names: frozenset[str] | None) -> None:
    """Let ``names`` (of :data:`BAGGAGE`) go into the baggage and be read from it; ``None``: as the environment says."""
    global shared
    shared = names


def _sharing() -> frozenset[str]:
    global shared
    if shared is None:
        shared = Settings.from_environment().baggage
    return shared


def of(context: Context) -> Ambient | None:
    """What holds in ``context``: said in this process, or by the one that the request comes from."""
    found = context.get(_KEY)
    if found is None and shared and context:
        return _received(context)
    return found  # type: ignore[return-value]


def current() -> Ambient | None:
    """What holds here."""
    return of(otel_context.get_current())


@guard.never_raise
def _received(context: Context) -> Ambient | None:
    carried = baggage.get_all(context)
    found: dict[str, Any] = {name: identifier(name, carried.get(BAGGAGE[name])) for name in _sharing()}
    return Ambient(**found) if any(found.values()) else None


def private(context: Context) -> Context:
    """``context`` for a call of a model provider's, which must not learn of sessions and users by a header."""
    if not shared:
        return context
    carried = baggage.get_all(context)
    ours = [entry for entry in BAGGAGE.values() if entry in carried]
    if not ours:
        return context
    context = otel_context.set_value(_KEY, of(context), context)
    for entry in ours:
        context = baggage.remove_baggage(entry, context)
    return context


def with_agent(agent: Any, context: Context) -> Context:
    """``context`` below ``agent``, which counts the calls; ``None``: below none."""
    outer = of(context)
    if agent is None and (outer is None or outer.agent is None):
        return context
    ambient = Ambient().within(outer or Ambient())
    ambient.agent = None if agent is None else weakref.ref(agent)
    return otel_context.set_value(_KEY, ambient, context)


class context:  # noqa: N801
    """Say whom and what all spans below are for: ``with otel_llm.context(session_id="s-1", tags=["rag"]): ...``

    Also an asynchronous context manager, and a decorator of functions and coroutine functions. It reaches spans of
    other libraries, tasks, and generators of this API; threads by OpenTelemetry's threading instrumentation or by
    :func:`in_context`. Contexts nest: tags and metadata add up, all else is replaced; ``None`` leaves it as it is.

    ``session_id``, ``user_id`` and ``conversation_id`` are strings of at most 256 characters (the rest is cut),
    ``tags`` strings, ``metadata`` maps names to strings, numbers and booleans; of both at most 32 are kept.
    ``prompt`` and ``experiment`` say by which prompt and variant the inferences below are led. What
    ``OTEL_LLM_BAGGAGE`` names also goes to other processes, never to providers of models.

    :raises TypeError: for values of other types.
    """

    __slots__ = ("_given", "_token")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        conversation_id: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Value] | None = None,
        prompt: Describes | None = None,
        experiment: Describes | None = None,
    ) -> None:
        self._given = Ambient(
            identifier("session_id", session_id),
            identifier("user_id", user_id),
            identifier("conversation_id", conversation_id),
            tag_list(tags),
            metadata_of(metadata),
            describing("prompt", prompt),
            describing("experiment", experiment),
        )
        self._token: Any = None

    def _inside(self) -> Context:
        shared = _sharing()
        current = otel_context.get_current()
        ambient = self._given.within(of(current))
        inside = otel_context.set_value(_KEY, ambient, current)
        for name in shared:
            if (value := getattr(ambient, name)) is not None:
                inside = baggage.set_baggage(BAGGAGE[name], value, inside)
        return inside

    def __enter__(self) -> None:
        if self._token is not None:
            raise RuntimeError("this otel_llm.context(...) is entered already; make one for each use")
        from .startup import watch_global  # late: it adds the processor below

        watch_global()
        self._token = otel_context.attach(self._inside())

    def __exit__(self, *error: object) -> None:
        token, self._token = self._token, None
        if token is not None:
            otel_context.detach(token)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Run every call of ``function`` inside of such a context."""
        return _inside_of(function, self._inside)


def in_context(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """``function``, to be run by another thread, in the OpenTelemetry context of here and now.

    ``executor.submit(otel_llm.in_context(work), item)``; needless where OpenTelemetry's threading instrumentation is
    on, and for asyncio's tasks. Coroutine functions are run so, too.

    :raises TypeError: for what can't be called, and for generator functions, which run when they are iterated.
    """
    here = otel_context.get_current()
    return _inside_of(function, lambda: here)


def _inside_of(function: Callable[_P, _R], where: Callable[[], Context]) -> Callable[_P, _R]:
    if not callable(function):
        raise TypeError(f"expected a function, not {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("a generator runs when it is iterated, not when it is called: use `with` inside of it")
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def inside_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            token = otel_context.attach(where())
            try:
                return await function(*args, **kwargs)
            finally:
                otel_context.detach(token)

        return inside_async  # type: ignore[return-value]

    @functools.wraps(function)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        token = otel_context.attach(where())
        try:
            return function(*args, **kwargs)
        finally:
            otel_context.detach(token)

    return inside


class ContextSpanProcessor:
    """Puts on the spans of other libraries what holds where they begin. An SDK span processor by its methods."""

    @guard.never_raise
    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        ambient = of(otel_context.get_current() if parent_context is None else parent_context)
        if ambient is None:
            return
        known = span.attributes or {}
        attributes = dict(known)
        ambient.describe(attributes)
        if len(attributes) > len(known):
            span.set_attributes({name: value for name, value in attributes.items() if name not in known})

    def _on_ending(self, span: Any) -> None:
        """Part of the SDK's interface."""

    def on_end(self, span: Any) -> None:
        """Part of the SDK's interface."""

    def shutdown(self) -> None:
        """Part of the SDK's interface."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True
