"""A function of each kind that can be observed."""

from __future__ import annotations

import asyncio
from typing import Any

import otel_llm


def plain(a: int, /, b: int = 2, *rest: int, c: str = "c", **more: Any) -> tuple[Any, ...]:
    """What it does."""
    return a, b, rest, c, more


async def coroutine(a: int) -> int:
    await asyncio.sleep(0)
    return a


def generator(a: int) -> Any:
    yield from range(a)


async def async_generator(a: int) -> Any:
    for one in range(a):
        yield one


class Callable:
    def __call__(self, a: int) -> int:
        return a


class AsyncCallable:
    limit = 9

    async def __call__(self, a: int) -> int:
        return a


class GeneratorCallable:
    def __call__(self, a: int) -> Any:
        yield from range(a)


class Thing:
    def __init__(self) -> None:
        self.value = 7

    @otel_llm.observe
    def method(self, a: int) -> tuple[int, int]:
        return self.value, a

    @otel_llm.observe
    async def coroutine(self) -> int:
        return self.value

    @otel_llm.observe
    def generator(self) -> Any:
        yield self.value

    @otel_llm.observe
    async def async_generator(self) -> Any:
        yield self.value

    @otel_llm.observe
    @staticmethod
    def outer_static(a: int) -> int:
        return a

    @staticmethod
    @otel_llm.observe
    def inner_static(a: int) -> int:
        return a

    @otel_llm.observe
    @classmethod
    def outer_class(cls) -> type:
        return cls

    @classmethod
    @otel_llm.observe
    def inner_class(cls) -> type:
        return cls
