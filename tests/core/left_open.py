"""A program that ends while all kinds of calls are open, each of a model, or with a name, of its own."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import boto3
import openai
from langchain_core.embeddings import Embeddings
from langchain_openai import ChatOpenAI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

import otel_llm

loop = asyncio.new_event_loop()


@functools.cache
def client() -> openai.OpenAI:
    return openai.OpenAI()


def ask(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True}


# --- streams: each returns what keeps it open ------------------------------------------------------


def left_by_break(model: str) -> Any:
    stream = client().chat.completions.create(**ask(model))
    for _ in stream:
        break
    return stream


def not_read(model: str) -> Any:
    return client().chat.completions.create(**ask(model))


def raw(model: str) -> Any:
    stream = client().chat.completions.with_raw_response.create(**ask(model)).parse()
    next(stream)
    return stream


def lines(model: str) -> Any:
    manager = client().chat.completions.with_streaming_response.create(**ask(model))
    read = manager.__enter__().iter_lines()
    next(read)
    return manager, read


def read_by_a_generator(model: str) -> Any:
    def words() -> Iterator[Any]:
        yield from client().chat.completions.create(**ask(model))

    held = words()
    next(held)
    return held


def of_a_loop_that_is_stopped(model: str) -> Any:
    async def read() -> Any:
        other = openai.AsyncOpenAI()
        stream = await other.chat.completions.create(**ask(model))
        await anext(stream)
        return other, stream

    return loop.run_until_complete(read())


def of_a_loop_that_is_closed(model: str) -> Any:
    async def read() -> Any:
        other = openai.AsyncOpenAI()
        stream = await other.chat.completions.create(**ask(model))
        await anext(stream)
        return other, stream

    return asyncio.run(read())


def of_langchain(model: str) -> Any:
    chunks = ChatOpenAI(model=model).stream("hi")
    next(chunks)
    return chunks


def of_langchain_async(model: str) -> Any:
    chunks = ChatOpenAI(model=model).astream("hi")
    loop.run_until_complete(anext(chunks))
    return chunks


def of_sagemaker(model: str) -> Any:
    body = json.dumps({**ask(model), "model": None})
    runtime = boto3.client("sagemaker-runtime")
    asked = {"EndpointName": model, "ContentType": "application/json", "Body": body}
    events = runtime.invoke_endpoint_with_response_stream(**asked)["Body"]
    next(iter(events))
    return events


def a_body_of_sagemaker(model: str) -> Any:
    body = json.dumps({**ask(model), "model": None, "stream": False})
    runtime = boto3.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=model, ContentType="application/json", Body=body)["Body"]
    answer.read(5)
    return answer


# --- work of the program's own -----------------------------------------------------------------------


def a_block_in_a_generator(name: str) -> Any:
    def work() -> Iterator[int]:
        with otel_llm.workflow_span(name):
            yield 1

    held = work()
    next(held)
    return held


def an_observed_generator(name: str) -> Any:
    @otel_llm.observe(name=name)
    def work() -> Iterator[int]:
        with otel_llm.step_span(f"{name}, inside"):
            yield 1

    held = work()
    next(held)
    return held


def an_observed_asynchronous_generator(name: str) -> Any:
    @otel_llm.observe(name=name)
    async def work() -> AsyncIterator[int]:
        yield 1

    held = work()
    loop.run_until_complete(anext(held))
    return held


def an_observed_coroutine(name: str) -> Any:
    @otel_llm.observe(name=name)
    async def work() -> None:
        await asyncio.Event().wait()

    async def start() -> Any:
        task = asyncio.ensure_future(work())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return task

    return loop.run_until_complete(start())


def hang(work: Callable[[Callable[[], None]], Any]) -> None:
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        threading.Event().wait()

    threading.Thread(target=work, args=(wait,), daemon=True).start()
    begun.wait()


def a_block_in_a_thread(name: str) -> Any:
    def work(wait: Callable[[], None]) -> None:
        with otel_llm.agent_span(name):
            wait()

    hang(work)


def a_call_in_a_thread(model: str) -> Any:
    def work(wait: Callable[[], None]) -> None:
        other = openai.OpenAI()
        other._client.event_hooks = {"request": [lambda request: wait()]}
        other.embeddings.create(model=model, input="x")

    hang(work)


def local_embeddings_in_a_thread(model: str) -> Any:
    class Local(Embeddings):
        def __init__(self, wait: Callable[[], None]) -> None:
            self.model, self.wait = model, wait

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            self.wait()
            return []

    hang(lambda wait: Local(wait).embed_query("x"))


STREAMS = [
    *(left_by_break, not_read, raw, lines, read_by_a_generator, of_a_loop_that_is_stopped, of_a_loop_that_is_closed),
    *(of_langchain, of_langchain_async, of_sagemaker, a_body_of_sagemaker),
]
WORK = [
    *(a_block_in_a_generator, an_observed_generator, an_observed_asynchronous_generator, an_observed_coroutine),
    *(a_block_in_a_thread, a_call_in_a_thread, local_embeddings_in_a_thread),
]


def line(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    return (
        json.dumps([span.name, attributes.get("otel_llm.stream.outcome"), attributes.get("gen_ai.response.model")])
        + "\n"
    )


if __name__ == "__main__":
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=line)))
    trace.set_tracer_provider(provider)
    otel_llm.instrument()
    held = [case(case.__name__) for case in (*STREAMS, *WORK)]
