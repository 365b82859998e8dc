"""``@otel_llm.observe``: every call of a function is a span."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from ..core.request import AttributeValue
from . import models, operations
from .operation import Operation
from .requests import named, plain_attributes
from .wrapping import Make, wrap

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: How each operation is made of its name (of a model, of a data source) and of what else is given.
_MAKERS: dict[str, Callable[..., Operation]] = {
    "step": operations.step_span,
    "workflow": operations.workflow_span,
    "agent": operations.agent_span,
    "tool": operations.tool_span,
    "retrieval": operations.retrieval_span,
    "embeddings": models.embeddings_span,
    "chat": models.chat_span,
    "completion": models.completion_span,
}
#: Those that are named after something else than the function.
_NAMED_OTHERWISE = frozenset({"retrieval", "embeddings", "chat", "completion"})


@overload
def observe(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def observe(
    *,
    name: str | None = None,
    operation: str = "step",
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
    operation: str = "step",
    provider: str | None = None,
    capture: bool = False,
    capture_args: bool | None = None,
    capture_result: bool | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Any:
    """Make every call of a function a span: ``@otel_llm.observe`` or ``@otel_llm.observe(name="rerank")``.

    Functions, coroutine functions, generators and asynchronous generators, methods, static and class methods, and other
    callables; each stays what it is. A generator's span is current while the generator's own code runs, never while
    its consumer does, and ends when the generator does: at its end, by an error, closed, or dropped. It begins where
    the generator is called.

    ``operation`` is ``step``, ``workflow``, ``agent``, ``tool``, ``retrieval``, ``embeddings``, ``chat`` or
    ``completion``. ``name`` is the function's by default; of a retrieval it is the data source, of embeddings, chats
    and completions the model, which need a ``provider``, too. What a chat yields are the chunks of its answer.

    ``capture_args`` and ``capture_result`` (``capture``: both) record what goes in and comes out, which is content:
    only where content is captured.

    :raises TypeError: for what is no function, and for values of other types.
    :raises ValueError: for an operation that is not known, or a model without a name and a provider.
    """

    def decorate(function: Any) -> Any:
        pattern = _pattern(function, operation, name, provider, attributes)
        args, result = (capture if told is None else told for told in (capture_args, capture_result))
        if args or result:
            return wrap(function, _capturing(function, pattern, args, result), _returned if result else None)
        return wrap(function, lambda args, kwargs: pattern.another())

    return decorate if function is None else decorate(function)


def _pattern(
    function: Any,
    operation: str,
    name: str | None,
    provider: str | None,
    attributes: Mapping[str, AttributeValue] | None,
) -> Operation:
    kind = _MAKERS.get(operation)
    if kind is None:
        raise ValueError(f"operation {operation!r} is not known; use one of {', '.join(_MAKERS)}")
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

    known: list[inspect.Signature] = []  # a closure of plain objects: it is sent to the workers of Ray, Dask, Spark

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
