"""A client of either kind, so that a test of both is written once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest


class Either:
    """`await api(lambda client: client.chat.completions.create(...))` works with the sync and the async client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.is_async = isinstance(client, openai.AsyncOpenAI)

    async def __call__(self, call: Callable[[Any], Any]) -> Any:
        return await settled(call(self.client))

    async def drain(self, call: Callable[[Any], Any], into: list[Any] | None = None) -> list[Any]:
        """Everything that the stream, or the iterator, that `call` gives has; `into` has it also if that fails."""
        return await drained(await self(call), into)

    @asynccontextmanager
    async def entered(self, call: Callable[[Any], Any]) -> AsyncIterator[Any]:
        """Enter the context manager that `call` gives, as `with` or as `async with`."""
        manager = call(self.client)
        if self.is_async:
            async with manager as entered:
                yield entered
        else:
            with manager as entered:
                yield entered

    def helper(self, name: str) -> Any:
        """`chat.completions.parse` or `.stream`, which the first SDKs have under `beta` only."""
        plain = getattr(self.client.chat.completions, name, None)
        return plain or getattr(self.client.beta.chat.completions, name)


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def drained(iterator: Any, into: list[Any] | None = None) -> list[Any]:
    items = [] if into is None else into
    if hasattr(iterator, "__aiter__"):
        async for item in iterator:
            items.append(item)
    else:
        items.extend(iterator)
    return items


def needs(function: Any, *parameters: str) -> None:
    """Skip the test if the installed SDK's `function` has no such parameters, or is not there (`None`)."""
    missing = parameters if function is None else set(parameters) - set(inspect.signature(function).parameters)
    if function is None or missing:
        pytest.skip(f"this SDK does not have {', '.join(sorted(missing)) or 'it'}")
