"""``@otel_llm.observe`` makes each call of a function a span."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, ParamSpec, TypeVar, overload

from ..core.request import AttributeValue
from . import chat, embeddings, operations
from .operation import Operation
from .requests import plain_attributes, required_name
from .wrapping import Make, wrap

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: What ``observe`` takes as ``operation``.
OperationName = Literal["step", "workflow", "agent", "tool", "retrieval", "embeddings", "chat", "completion"]
#: Makes the span of each operation, given its name (or model, or data source) and further arguments.
_MAKERS: dict[OperationName, Callable[..., Operation]] = {
    "step": operations.step_span,
    "workflow": operations.workflow_span,
    "agent": operations.agent_span,
    "tool": operations.tool_span,
    "retrieval": operations.retrieval_span,
    "embeddings": embeddings.embeddings_span,
    "chat": chat.chat_span,
    "completion": chat.completion_span,
}
#: Operations whose ``name`` does not default to the function's.
_NAMED_OTHERWISE = frozenset({"retrieval", "embeddings", "chat", "completion"})


@overload
def observe(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def observe(
    *,
    name: str | None = None,
    operation: OperationName = "step",
    provider: str | None = None,
    capture: bool = False,
    capture_args: bool | None = None,
    capture_result: bool | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...


def observe(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    operation: OperationName = "step",
    provider: str | None = None,
    capture: bool = False,
    capture_args: bool | None = None,
    capture_result: bool | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Any:
    """Make each call of ``function`` a span: ``@otel_llm.observe`` or ``@otel_llm.observe(name="rerank")``.

    Decorates functions, coroutine functions, generators, asynchronous generators, methods, static and class methods
    and other callables, and returns one of the same kind. The span of a generator starts when the generator is called
    and ends when it is exhausted, raises, is closed or is dropped. It is current while the generator's own code runs,
    not while its consumer's code runs.

    ``operation`` is ``step``, ``workflow``, ``agent``, ``tool``, ``retrieval``, ``embeddings``, ``chat`` or
    ``completion``. ``name`` defaults to the name of the function. For a retrieval it is the data source. For
    embeddings, a chat and a completion it is the model; ``provider`` is then required too. What a generator of a chat
    or completion yields are the chunks of the answer. The description of a tool or agent is the first line of the
    function's docstring. ``attributes`` are set on each span.

    ``capture_args`` records the arguments, ``capture_result`` the result, ``capture`` both. They are content: they are
    recorded only if content is captured.

    The decorated function raises what the original raises, and nothing of its own.

    :raises TypeError: if the decorated object is a class or not callable.
    :raises ValueError: for an unknown operation, for a model operation without ``name`` or ``provider``, and for
        another operation with a ``provider``.
    """
    if operation not in _MAKERS:
        raise ValueError(f"operation {operation!r} is not known; use one of {', '.join(_MAKERS)}")

    def decorate(function: Any) -> Any:
        pattern = _pattern(function, operation, name, provider, attributes)
        args = capture if capture_args is None else capture_args
        result = capture if capture_result is None else capture_result
        if args or result:
            return wrap(function, _capturing(function, pattern, args, result), Operation.returned if result else None)
        return wrap(function, lambda args, kwargs: pattern.unstarted_copy())

    return decorate if function is None else decorate(function)


def _pattern(
    function: Any,
    operation: OperationName,
    name: str | None,
    provider: str | None,
    attributes: Mapping[str, AttributeValue] | None,
) -> Operation:
    """An operation that is never started itself; each call of the function starts a copy of it."""
    kind = _MAKERS[operation]
    inner = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    if name is None and operation not in _NAMED_OTHERWISE:
        name = _name(inner)
    given: dict[str, Any] = {"attributes": plain_attributes(attributes) or None}
    positional: tuple[Any, ...] = (name,)
    if operation in ("embeddings", "chat", "completion"):
        if name is None or provider is None:
            raise ValueError(f"operation {operation!r} needs the model's name and its provider: name=..., provider=...")
        positional = (required_name("name", name), required_name("provider", provider))
    elif provider is not None:
        raise ValueError(f"operation {operation!r} takes no provider")
    if operation in ("tool", "agent") and (documentation := inspect.getdoc(inner)):
        given["description"] = documentation.partition("\n")[0]
    return kind(*positional, **given)


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _capturing(function: Any, pattern: Operation, args: bool, result: bool) -> Make:
    """Makes operations like ``pattern`` that record the arguments, the result (what a generator yields), or both."""
    inner = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    # Determined at the first call. A list, because Ray, Dask and Spark pickle this closure and send it to workers.
    signatures: list[inspect.Signature] = []

    def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not signatures:
            signatures.append(inspect.signature(inner))
        bound = dict(signatures[0].bind(*args, **kwargs).arguments)
        if (first := next(iter(bound), None)) in ("self", "cls"):
            del bound[first]
        return bound

    def make(given: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
        made = pattern.unstarted_copy()
        if result:
            made.capture_yielded()
        if args:
            made.capture_input(lambda: arguments(given, kwargs))
        return made

    return make
