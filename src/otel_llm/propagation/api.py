"""``otel_llm.propagate_attributes`` sets attributes of all spans below: session, user, tags, prompt, ..."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import guard
from .. import semconv as s
from ..content.boundary import cleaned
from . import state
from .attach import Frame
from .global_providers import TRACER_PROVIDER
from .slot import IdleProcessor
from .state import Describes
from .validation import Value, describing, identifier, metadata_of, tag_list

_P = ParamSpec("_P")
_R = TypeVar("_R")


class propagate_attributes:  # noqa: N801
    """Set attributes of all spans below: ``with propagate_attributes(session_id="s-1", tags=["rag"]): ...``

    It works with ``with`` and ``async with``, and as a decorator of functions and coroutine functions. The spans below
    include those of other libraries, of tasks of asyncio, and of generators decorated with ``observe``. For threads,
    use OpenTelemetry's threading instrumentation or :func:`bind_context`. Blocks can be nested: tags and metadata are
    added to those outside, everything else replaces it, and ``None`` changes nothing.

    ``session_id``, ``user_id``, ``conversation_id`` and ``tenant_id`` are texts of at most 256 characters; the rest is
    cut. ``tenant_id`` is the customer or team that the work is done for; metrics are split by it, too. ``tags`` are
    texts, and ``metadata`` maps names to texts, numbers and booleans; at most 32 of each are kept. ``prompt`` (a
    :class:`.Prompt` or a text that one made) and ``experiment`` (from :meth:`.Experiment.assignment`) are recorded on
    the inferences below, the experiment on every span.

    Values of other types are converted, or left out with a warning: ids and decimals become text, times ISO 8601,
    containers JSON of at most 1024 bytes. Credentials in them are replaced by ``[SECRET]``. The ids that
    ``OTEL_LLM_BAGGAGE`` names are also sent to other processes, but never to providers of models.

    :raises RuntimeError: when it is entered again before it has been left.
    """

    __slots__ = ("_frame", "_given")

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
        tenant_id: str | None = None,
    ) -> None:
        self._given = state.Ambient(
            identifier("session_id", session_id, s.SESSION_ID),
            identifier("user_id", user_id, s.USER_ID),
            identifier("conversation_id", conversation_id, s.CONVERSATION_ID),
            tag_list(tags),
            metadata_of(metadata),
            describing("prompt", prompt),
            describing("experiment", experiment),
            identifier("tenant_id", tenant_id, s.LLM_TENANT_ID),
        )
        self._frame: Frame | None = None

    def _inside(self) -> Context:
        TRACER_PROVIDER.notice()  # so that spans of other libraries get it, too
        current = otel_context.get_current()
        return state.put(self._given.within(state.in_force(current)), current)

    def __enter__(self) -> None:
        if self._frame is not None:
            raise RuntimeError("this otel_llm.propagate_attributes(...) is entered already; make one for each use")
        self._frame = Frame(self._inside())
        self._frame.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        frame, self._frame = self._frame, None
        if frame is not None:
            frame.__exit__(kind, error, trace)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate ``function``: each call runs inside such a block.

        :raises TypeError: if ``function`` is a class, not callable, or a generator function.
        """
        if isinstance(function, type):
            raise TypeError(f"expected a function, not the class {function.__name__}")
        inside: Callable[_P, _R] = inside_of(function, self._inside)
        return inside


def bind_context(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return ``function`` bound to the current OpenTelemetry context, so that another thread runs it in that context.

    ``executor.submit(otel_llm.bind_context(work), item)``. Coroutine functions can be bound too. It is not needed with
    OpenTelemetry's threading instrumentation, nor for tasks of asyncio.

    :raises TypeError: if ``function`` is not callable, or a generator function, which runs when it is iterated.
    """
    here = otel_context.get_current()
    inside: Callable[_P, _R] = inside_of(function, lambda: here)
    return inside


def inside_of(function: Any, where: Callable[[], Context]) -> Any:
    """``function``, each call of which runs in the context that ``where`` returns.

    :raises TypeError: if ``function`` is not callable, or a generator function.
    """
    if isinstance(function, staticmethod | classmethod):
        return type(function)(inside_of(function.__func__, where))
    if not callable(function):
        raise TypeError(f"expected a function, not {type(function).__name__}")
    # For a callable object, __call__ shows whether it is a coroutine function.
    asked = [function] if isinstance(function, type) else [function, function.__call__]
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in asked):
        raise TypeError("a generator runs when it is iterated, not when it is called: use `with` inside of it")
    if any(map(inspect.iscoroutinefunction, asked)):
        called: Any = function

        @functools.wraps(function)
        async def inside_async(*args: Any, **kwargs: Any) -> Any:
            with Frame(where()):
                return await called(*args, **kwargs)

        return inside_async

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with Frame(where()):
            return function(*args, **kwargs)

    return inside


class ContextSpanProcessor(IdleProcessor):
    """A span processor that sets the propagated attributes on the spans of other libraries."""

    @guard.never_raise
    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        context = otel_context.get_current() if parent_context is None else parent_context
        if not context:
            return
        state.note_span(span, context)
        around = state.of(context)
        if around is None:
            return
        scope = span.instrumentation_scope
        if scope is not None and scope.name.startswith("otel_llm."):
            return  # our spans already start with these attributes
        known = span.attributes or {}
        attributes = dict(known)
        around.describe(attributes)
        if len(attributes) > len(known):
            span.set_attributes(cleaned({name: value for name, value in attributes.items() if name not in known}))
