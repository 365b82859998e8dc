"""Read by a type checker, never run: ``observe`` keeps what a function takes and gives."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import assert_type

import otel_llm


@otel_llm.observe
def plain(a: int, /, b: str = "b", *, c: float = 1.0) -> list[str]:
    return [b] * a


@otel_llm.observe(name="named", operation="tool", capture=True)
def named(a: int) -> str:
    return str(a)


@otel_llm.observe
async def coroutine(a: int) -> str:
    return str(a)


@otel_llm.observe()
def generator(a: int) -> Iterator[str]:
    yield str(a)


@otel_llm.observe
async def async_generator(a: int) -> AsyncIterator[str]:
    yield str(a)


@otel_llm.propagate_attributes(session_id="s", tags=["a"], metadata={"k": 1})
def in_session(a: int) -> str:
    return str(a)


class Thing:
    @otel_llm.observe
    def method(self, a: int) -> str:
        return str(a)

    @staticmethod
    @otel_llm.observe
    def static(a: int) -> str:
        return str(a)

    @classmethod
    @otel_llm.observe
    def class_method(cls, a: int) -> str:
        return str(a)


async def uses() -> None:
    assert_type(plain(1, "b", c=2.0), list[str])
    assert_type(named(1), str)
    assert_type(await coroutine(1), str)
    assert_type(generator(1), Iterator[str])
    assert_type(async_generator(1), AsyncIterator[str])
    assert_type(in_session(1), str)
    assert_type(Thing().method(1), str)
    assert_type(Thing.static(1), str)
    assert_type(Thing.class_method(1), str)
    carried: Callable[[int], str] = otel_llm.bind_context(named)
    assert_type(carried(1), str)
    plain("1")  # wrong
    plain(1, d=2)  # wrong
    named()  # wrong
    Thing().method("a")  # wrong
    otel_llm.observe(operation=3)(named)  # wrong
    otel_llm.observe(operation="stpe")(named)  # wrong
    otel_llm.observe(operation="step")(named)
    otel_llm.instrument("openai", "langchain")
    otel_llm.instrument("opnai")  # wrong
    otel_llm.uninstrument("opnai")  # wrong
    otel_llm.Settings(langchain_steps="all")  # wrong
    otel_llm.Settings(langchain_steps=otel_llm.LangChainSteps.ALL, evaluation_sample_rate=0.1)
    with otel_llm.chat_span("m", "p", temperature=0.5) as call:
        assert_type(call, otel_llm.chat_span)
        call.chunk("a").response("b", id="c", finish_reason="stop", input_tokens=1)
        call.response(input_tokens="1")  # wrong
    async with otel_llm.workflow_span("w") as flow:
        assert_type(flow, otel_llm.workflow_span)
        flow.update(tags=["a"], output=object())
    with otel_llm.propagate_attributes(session_id=3):  # wrong
        pass
    with otel_llm.retrieval_span("articles", top_k=3) as found:
        found.documents([{"id": "a"}])
    assert_type(otel_llm.current_ids().get("trace_id"), str | None)
