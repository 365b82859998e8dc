"""All that a caller can see of a call, as text, so that two calls can be compared whole."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

#: Differs from call to call.
_VARYING = ("x-request-id", "date", "openai-processing-ms")


async def outcome(call: Callable[[], Any], read: Callable[[Any], Any]) -> list[str]:
    """What ``call`` gives and what ``read`` then sees of it, or what they raise, and every warning."""
    seen: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            value = call()
            if inspect.isawaitable(value):
                value = await value
            seen.append(kind(value))
            async for line in read(value):
                seen.append(line)  # noqa: PERF401 - what came before an error counts
        except BaseException as error:
            seen += raised(error)
    return seen + [f"warning: {one.category.__name__}: {one.message}" for one in warned]


def kind(value: Any) -> str:
    return f"{type(value)} {[base.__name__ for base in type(value).__mro__]}"


def shown(value: Any) -> str:
    """A value, by its dump: fields that the model does not know included."""
    if not hasattr(value, "model_dump"):
        return f"{type(value)} {value!r}"
    return f"{type(value)} {_fields(value)!r} {sorted(value.model_fields_set)}"


def _fields(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        private = {name: _fields(one) for name, one in vars(value).items() if name != "_request_id"}
        return {**private, **{name: _fields(one) for name, one in (value.__pydantic_extra__ or {}).items()}}
    return [_fields(one) for one in value] if type(value) is list and len(value) != 1 else repr(value)


def raised(error: BaseException) -> list[str]:
    body = getattr(error, "body", None)
    causes = f"{type(error.__cause__)} {type(error.__context__)} {error.__suppress_context__}"
    return [f"raised {type(error)}", str(error), repr(body), causes, repr(error.args)]


async def read_value(value: Any) -> Any:
    """A parsed answer, or a raw one: its headers, its bytes, and what it parses to."""
    if not hasattr(value, "http_response"):
        yield shown(value)
        return
    yield str({name: text for name, text in value.headers.items() if name not in _VARYING})
    yield f"{value.status_code} {value.is_closed} {value.retries_taken} {value.content!r} {value.text!r}"
    parsed = value.parse()
    yield shown(parsed)
    yield str(value.parse() is parsed)


async def read_stream(value: Any) -> Any:
    """A stream, or the raw response of one, to its end."""
    if hasattr(value, "http_response"):
        yield str({name: text for name, text in value.headers.items() if name not in _VARYING})
        value = value.parse()
        yield kind(value)
    if not hasattr(value, "response"):
        yield shown(value)
        return
    if hasattr(value, "__aiter__"):
        async for chunk in value:
            yield shown(chunk)
    else:
        for chunk in value:
            yield shown(chunk)
    yield str(value.response.is_closed)


def reader(how: str) -> Callable[[Any], Any]:
    """Reads the response of a ``with_streaming_response``, in one of the ways it has."""

    async def read(manager: Any) -> Any:
        if hasattr(manager, "__aenter__"):
            async with manager as response:
                yield str(sorted(set(response.headers) - set(_VARYING)))
                if how.startswith("iter"):
                    async for part in getattr(response, how)():
                        yield repr(part)
                else:
                    given = await getattr(response, how)()
                    yield shown(given) if not hasattr(given, "response") else kind(given)
                    if hasattr(given, "response"):
                        async for chunk in given:
                            yield shown(chunk)
        else:
            with manager as response:
                yield str(sorted(set(response.headers) - set(_VARYING)))
                given = getattr(response, how)()
                if how.startswith("iter"):
                    for part in given:
                        yield repr(part)
                else:
                    yield shown(given) if not hasattr(given, "response") else kind(given)
                    if hasattr(given, "response"):
                        for chunk in given:
                            yield shown(chunk)
        yield f"{response.is_closed} {response.http_response.is_stream_consumed} {sorted(vars(response.http_response))}"

    return read
