"""``@otel_llm.observe`` makes each call of a function a span."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, ParamSpec, TypeVar, overload

from ..core.request import AttributeValue
from . import models, operations
from .operation import Operation
from .requests import named, plain_attributes
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
    "embeddings": models.embeddings_span,
    "chat": models.chat_span,
    "completion": models.completion_span,
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
    """Make every call of a function a span: ``@otel_llm.observe`` or ``@otel_llm.observe(name="rerank")``.

    It takes functions, coroutine functions, generators, asynchronous generators, methods, static and class methods and
    other callables, and returns one of the same kind. A generator's span begins when the generator is called. It is
    current while the generator's own code runs, never while its consumer's does, and ends with the generator: when it
    is exhausted, raises, is closed, or is dropped.

    ``operation`` is ``step``, ``workflow``, ``agent``, ``tool``, ``retrieval``, ``embeddings``, ``chat`` or
    ``completion``. ``name`` defaults to the function's name. For a retrieval it is the data source; for embeddings,
    chats and completions it is the model, and ``provider`` is needed too. What a chat yields are the chunks of its
    answer.

    ``capture_args`` records the arguments, ``capture_result`` the result, ``capture`` both. They are content, and so
    recorded only where content is captured.

    :raises TypeError: if the decorated object is not callable, or an argument has the wrong type.
    :raises ValueError: for an unknown operation, or a model operation without name and provider.
    """

    if operation not in _MAKERS:
        raise ValueError(f"operation {operation!r} is not known; use one of {', '.join(_MAKERS)}")

    def decorate(function: Any) -> Any:
        pattern = _pattern(function, operation, name, provider, attributes)
        args, result = (capture if told is None else told for told in (capture_args, capture_result))
        if args or result:
            return wrap(function, _capturing(function, pattern, args, result), _returned if result else None)
        return wrap(function, lambda args, kwargs: pattern.another())

    return decorate if function is None else decorate(function)


def _pattern(
    function: Any,
    operation: OperationName,
    name: str | None,
    provider: str | None,
    attributes: Mapping[str, AttributeValue] | None,
) -> Operation:
    kind = _MAKERS[operation]
    inner = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    if name is None and operation not in _NAMED_OTHERWISE:
        name = _name(inner)
    given: dict[str, Any] = {"attributes": plain_attributes(attributes) or None}
    positional: tuple[Any, ...] = (name,)
    if operation in ("embeddings", "chat", "completion"):
        if name is None or provider is None:
            raise ValueError(f"operation {operation!r} needs the model's name and its provider: name=..., provider=...")
        positional = (named("name", name), named("provider", provider))
    elif provider is not None:
        raise ValueError(f"operation {operation!r} takes no provider")
    if operation in ("tool", "agent") and (documentation := inspect.getdoc(inner)):
        given["description"] = documentation.partition("\n")[0]
    return kind(*positional, **given)


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _returned(operation: Operation, value: Any) -> None:
    operation.returned(value)


def _capturing(function: Any, pattern: Operation, takes: bool, keeps: bool) -> Make:
    inner = function.__func__ if isinstance(function, staticmethod | classmethod) else function

    # Only plain objects in this closure: Ray, Dask and Spark pickle it and send it to workers.
    known: list[inspect.Signature] = []

    def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not known:
            known.append(inspect.signature(inner))
        bound = dict(known[0].bind(*args, **kwargs).arguments)
        if (first := next(iter(bound), None)) in ("self", "cls"):
            del bound[first]
        return bound

    def capturing(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
        made = pattern.another()
        if keeps:
            made.kept = []
        if takes:
            made.given = lambda: arguments(args, kwargs)
        return made

    return capturing
