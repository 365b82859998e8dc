"""What ``otel_llm.propagate_attributes`` says reaches every span below it, and nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind

import otel_llm
from interpreter import python
from otel_llm import ContentCapture, Experiment, Prompt, Settings
from otel_llm.prompts import PromptUse, Template
from otel_llm.propagation import validation

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
WHO: dict[str, Any] = {"session_id": "s-1", "user_id": "u-1", "conversation_id": "c-1", "tenant_id": "t-1"}


def said(span: Any) -> dict[str, Any]:
    """What of a span's attributes the context said."""
    prefixes = ("session.", "user.", "gen_ai.conversation.", "gen_ai.prompt.", "otel_llm.tags", "otel_llm.metadata")
    return {name: value for name, value in span.attributes.items() if name.startswith(prefixes)}


# --- what is where -----------------------------------------------------------------------------------------------


def test_on_every_span(lenient: Any, client: Any) -> None:
    tracer = lenient.tracer_provider.get_tracer("other")
    with (
        otel_llm.propagate_attributes(**WHO, tags=["rag"], metadata={"tenant": "acme", "beta": True}),
        otel_llm.workflow_span("w"),
        otel_llm.step_span("s"),
        tracer.start_as_current_span("theirs"),
    ):
        client.chat.completions.create(**ASK)
        client.embeddings.create(model="e", input="hi", encoding_format="float")
        with tracer.start_as_current_span("chat", kind=SpanKind.CLIENT, attributes={"gen_ai.operation.name": "chat"}):
            pass
    everywhere = {
        "session.id": "s-1",
        "user.id": "u-1",
        "otel_llm.tags": ("rag",),
        "otel_llm.metadata.tenant": "acme",
        "otel_llm.metadata.beta": True,
    }
    conversing = {**everywhere, "gen_ai.conversation.id": "c-1"}
    chat, embeddings, foreign_chat, theirs, step, workflow = map(said, lenient.spans)
    assert chat == foreign_chat == workflow == conversing
    # The conventions have a conversation on some operations; other backends' GenAI views open for any ``gen_ai.*``.
    assert embeddings == theirs == step == everywhere
    lenient.missing |= {"gen_ai.provider.name"}


def test_nothing_outside(recorder: Any) -> None:
    with otel_llm.propagate_attributes(**WHO):
        pass
    with otel_llm.step_span("s"):
        pass
    assert said(recorder.span) == {}
    assert otel_context.get_current() == {}


def test_they_nest(recorder: Any) -> None:
    with (
        otel_llm.propagate_attributes(session_id="s-1", user_id="u-1", tags=["a", "b"], metadata={"x": 1, "y": 1}),
        otel_llm.propagate_attributes(session_id=None, user_id="u-2", tags=["b", "c"], metadata={"y": 2}),
        otel_llm.step_span("in"),
    ):
        pass
    assert said(recorder.span) == {
        "session.id": "s-1",
        "user.id": "u-2",
        "otel_llm.tags": ("a", "b", "c"),
        "otel_llm.metadata.x": 1,
        "otel_llm.metadata.y": 2,
    }


def test_what_is_nearer_holds(lenient: Any) -> None:
    with (
        otel_llm.propagate_attributes(**WHO),
        otel_llm.workflow_span("w", attributes={"gen_ai.conversation.id": "mine"}),
    ):
        pass
    assert lenient.attributes["gen_ai.conversation.id"] == "mine"


def test_samplers_see_it(recorder: Any, client: Any) -> None:
    seen = []

    class Sampler(ParentBased):
        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(dict(args[4] or {}))
            return super().should_sample(*args, **kwargs)

    recorder.instrument(sampler=Sampler(ALWAYS_ON))
    with otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("s"):
        client.chat.completions.create(**ASK)
    assert [attributes["session.id"] for attributes in seen] == ["s-1", "s-1"]


def test_the_prompt_is_on_inferences(lenient: Any, client: Any) -> None:
    use = PromptUse(Template.of("Say {what}"), {"what": "secret"}, "greeting", "2")
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    with otel_llm.propagate_attributes(prompt=use), otel_llm.workflow_span("w"):
        client.chat.completions.create(**ASK)
        with otel_llm.chat_span("m", "own"):
            pass
    *inferences, workflow = lenient.spans
    for attributes in (dict(span.attributes) for span in inferences):
        assert (attributes["gen_ai.prompt.name"], attributes["gen_ai.prompt.version"]) == ("greeting", "2")
        assert attributes["otel_llm.prompt.template.hash"] == use.template.hash
        assert attributes["otel_llm.prompt.template"] == "Say {what}"
        assert attributes["gen_ai.prompt.variable.what"] == "secret"
    assert said(workflow) == {}


def test_the_event_says_it_too(recorder: Any, client: Any) -> None:
    recorder.instrument(Settings(emit_event=True))
    with otel_llm.propagate_attributes(**WHO):
        client.chat.completions.create(**ASK)
    (event,) = recorder.logs
    assert event.attributes["session.id"] == "s-1"
    assert event.attributes["gen_ai.conversation.id"] == "c-1"


def test_never_on_metrics(lenient: Any, client: Any) -> None:
    use = PromptUse(Template.of("Say {what}"), {"what": "hi"}, "greeting", "2")
    with (
        otel_llm.propagate_attributes(**WHO, tags=["t"], metadata={"k": 1}, prompt=use),
        otel_llm.agent_span("a"),
        otel_llm.tool_span("t"),
    ):
        client.chat.completions.create(**ASK)
    dimensions: set[str] = set()
    for resource in lenient.metrics.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    dimensions |= set(point.attributes)
    assert not {name for name in dimensions if "session" in name or "user" in name or "hash" in name}
    assert not {name for name in dimensions if name.startswith(("otel_llm.tags", "otel_llm.metadata"))}


# --- where it gets to --------------------------------------------------------------------------------------------


async def test_tasks(recorder: Any) -> None:
    async def work(number: int) -> None:
        async with otel_llm.propagate_attributes(session_id=f"s-{number}"):
            await asyncio.sleep(0)
            await asyncio.gather(asyncio.create_task(step(number)), step(number))

    async def step(number: int) -> None:
        await asyncio.sleep(0)
        with otel_llm.step_span(f"s-{number}"):
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(10)))
    assert len(recorder.spans) == 20
    assert all(span.attributes["session.id"] == span.name for span in recorder.spans)


def work() -> str:
    with otel_llm.step_span("work"):
        return threading.current_thread().name


async def async_work() -> None:
    with otel_llm.step_span("async work"):
        await asyncio.sleep(0)


def test_executors_and_threads(recorder: Any) -> None:
    with ThreadPoolExecutor(1) as pool, otel_llm.propagate_attributes(session_id="s-1"), otel_llm.step_span("parent"):
        assert pool.submit(otel_llm.bind_context(work)).result() != threading.current_thread().name
        assert pool.submit(work).result()
        thread = threading.Thread(target=otel_llm.bind_context(work))
        thread.start()
        thread.join()
        pool.submit(lambda: asyncio.run(otel_llm.bind_context(async_work)())).result()  # what it makes is run elsewhere
    carried, bare, threaded, coroutine, parent = recorder.spans
    assert said(bare) == {}
    assert bare.parent is None
    for span in (carried, threaded):
        assert span.attributes["session.id"] == "s-1"
        assert span.parent.span_id == parent.context.span_id
    assert coroutine.parent is None  # the context of where `in_context` was called: there was none
    assert otel_context.get_current() == {}


def test_a_coroutine_in_another_loop(recorder: Any) -> None:
    with otel_llm.propagate_attributes(session_id="s-1"):
        carried = otel_llm.bind_context(async_work)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(carried())).result()
    assert recorder.attributes["session.id"] == "s-1"


def test_the_threading_instrumentation(recorder: Any) -> None:
    threading_instrumentation = pytest.importorskip("opentelemetry.instrumentation.threading")
    instrumentor = threading_instrumentation.ThreadingInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    try:
        with ThreadPoolExecutor(1) as pool, otel_llm.propagate_attributes(session_id="s-1"):
            pool.submit(work).result()
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    finally:
        instrumentor.uninstrument()
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1", "s-1"]


def test_as_a_decorator(recorder: Any) -> None:
    @otel_llm.propagate_attributes(session_id="s-1")
    @otel_llm.observe
    def step(depth: int) -> int:
        return step(depth - 1) if depth else 7

    assert step(1) == 7
    assert step.__name__ == "step"
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1", "s-1"]


async def test_as_a_decorator_of_coroutine_functions(recorder: Any) -> None:
    @otel_llm.propagate_attributes(session_id="s-1")
    async def step() -> None:
        await async_work()

    assert asyncio.iscoroutinefunction(step)
    await asyncio.gather(step(), step())
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1", "s-1"]


async def test_as_a_decorator_of_what_else_is_called(recorder: Any) -> None:
    class Called:
        async def __call__(self) -> None:
            await async_work()

    class Thing:
        @otel_llm.propagate_attributes(session_id="s-1")
        @staticmethod
        def static(depth: int) -> None:
            work()

        @otel_llm.propagate_attributes(session_id="s-1")
        @classmethod
        def of_class(cls, depth: int) -> None:
            work()

        @otel_llm.propagate_attributes(session_id="s-1")
        def method(self) -> None:
            work()

    await otel_llm.propagate_attributes(session_id="s-1")(Called())()
    Thing.static(1)
    Thing().static(1)
    Thing().of_class(1)
    Thing().method()
    with otel_llm.propagate_attributes(session_id="s-1"):
        carried = otel_llm.bind_context(Called())
    await carried()
    assert [span.attributes["session.id"] for span in recorder.spans] == ["s-1"] * 6


def test_a_provider_of_the_applications_own() -> None:
    """Spans that are written elsewhere are told as well, once their provider has been seen."""
    provider = TracerProvider()
    seen: list[Any] = []

    class Keep:
        def on_start(self, span: Any, parent_context: Any = None) -> None: ...
        def _on_ending(self, span: Any) -> None: ...
        def on_end(self, span: Any) -> None:
            seen.append(span)

        def shutdown(self) -> None: ...
        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    provider.add_span_processor(Keep())  # type: ignore[arg-type]
    for _ in range(3):
        otel_llm.instrument(tracer_provider=provider)
        otel_llm.uninstrument()
    assert len(provider._active_span_processor._span_processors) == 2  # ours only once
    with otel_llm.propagate_attributes(session_id="s-1"):
        provider.get_tracer("own").start_span("own").end()
    assert seen[0].attributes["session.id"] == "s-1"


@pytest.mark.parametrize(
    "use",
    [
        "with otel_llm.propagate_attributes(session_id='s-1'): work()",
        "otel_llm.propagate_attributes(session_id='s-1')(work)()",
    ],
)
def test_a_program_that_never_instruments(use: str) -> None:
    program = f"""
import otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

with otel_llm.propagate_attributes(session_id="early"):  # no SDK as yet
    pass
trace.set_tracer_provider(TracerProvider())

def work():
    with otel_llm.step_span("ours"):
        span = trace.get_tracer("theirs").start_span("theirs")
        assert trace.get_current_span().attributes["session.id"] == span.attributes["session.id"] == "s-1"

{use}
"""
    python("-c", program)


# --- left elsewhere than entered ------------------------------------------------------------------------------------


def holding(which: str) -> Any:
    return otel_llm.propagate_attributes(session_id="s-1") if which == "context" else otel_llm.step_span("s")


@pytest.mark.parametrize("which", ["context", "step"])
def test_entered_and_left_by_different_threads(recorder: Any, which: str) -> None:
    """As a dependency of a web framework's is, that is a generator."""
    both = holding(which)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, both.__enter__).result()
        pool.submit(contextvars.copy_context().run, both.__exit__, None, None, None).result()


@pytest.mark.parametrize("which", ["context", "step"])
async def test_a_generator_that_is_dropped(recorder: Any, which: str) -> None:
    """The loop closes it in a task of its own, as when a browser goes away."""
    closed = asyncio.Event()

    async def stream() -> Any:
        try:
            with holding(which):
                yield 1
        finally:
            closed.set()

    async for _ in stream():
        break
    gc.collect()
    await asyncio.wait_for(closed.wait(), 30)


@pytest.mark.parametrize("which", ["context", "step"])
def test_left_where_it_is_current_but_was_not_entered(recorder: Any, which: str) -> None:
    both = holding(which)

    def leave() -> None:
        both.__exit__(None, None, None)
        assert otel_context.get_current() == {}

    def enter() -> None:
        both.__enter__()
        contextvars.copy_context().run(leave)

    contextvars.copy_context().run(enter)


@pytest.mark.parametrize("decorate", [otel_llm.propagate_attributes(session_id="s"), otel_llm.bind_context])
def test_a_coroutine_that_is_dropped(decorate: Any) -> None:
    class Pause:
        def __await__(self) -> Any:
            yield

    async def wait() -> None:
        await Pause()

    waiting = decorate(wait)()
    contextvars.copy_context().run(waiting.send, None)
    waiting.close()


# --- what it takes -------------------------------------------------------------------------------------------------


def test_it_is_bounded(recorder: Any) -> None:
    with (
        otel_llm.propagate_attributes(
            session_id="s" * 1000,
            tags=[f"t{number}" for number in range(100)],
            metadata={f"k{number}": "v" * 1000 for number in range(100)},
        ),
        otel_llm.propagate_attributes(tags=["one more"], metadata={"one more": 1}),
        otel_llm.step_span("s"),
    ):
        pass
    attributes = recorder.attributes
    assert len(attributes["session.id"]) == validation.MAX_LENGTH
    assert len(attributes["otel_llm.tags"]) == validation.MAX_ENTRIES
    metadata = {name: value for name, value in attributes.items() if name.startswith("otel_llm.metadata.")}
    assert len(metadata) == validation.MAX_ENTRIES
    assert {len(value) for value in metadata.values()} == {validation.MAX_LENGTH}


def test_a_lone_surrogate(recorder: Any) -> None:
    with (
        otel_llm.propagate_attributes(session_id="s\ud800", tags=["t\ud800"], metadata={"k": "\ud800"}),
        otel_llm.step_span("s"),
    ):
        pass
    assert said(recorder.span) == {"session.id": "s?", "otel_llm.tags": ("t?",), "otel_llm.metadata.k": "?"}


class Tier(Enum):
    GOLD = "gold"


_ID = UUID("12345678123456781234567812345678")
_AT = datetime(2026, 11, 28, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "told", "says"),
    [
        ({"session_id": 3}, {"session.id": "3"}, "session_id was given as int and is recorded as text"),
        ({"user_id": _ID}, {"user.id": str(_ID)}, "user_id was given as UUID"),
        ({"user_id": b"u"}, {"user.id": "[1 bytes]"}, "user_id was given as bytes"),
        ({"user_id": Tier.GOLD}, {"user.id": "gold"}, "user_id was given as Tier"),
        ({"tags": "rag"}, {"otel_llm.tags": ("rag",)}, "tags was given as str and is recorded as one tag"),
        ({"tags": 3}, {"otel_llm.tags": ("3",)}, "tags was given as int and is recorded as one tag"),
        ({"tags": ["a", 1, None, Tier.GOLD]}, {"otel_llm.tags": ("a", "1", "gold")}, "a tag was given as int"),
        ({"metadata": {"k": {"a": [1, _ID]}}}, {"otel_llm.metadata.k": f'{{"a":[1,"{_ID}"]}}'}, "given as dict"),
        ({"metadata": {"k": ("a", _AT)}}, {"otel_llm.metadata.k": f'["a","{_AT.isoformat()}"]'}, "given as tuple"),
        ({"metadata": {"k": Decimal("1.50")}}, {"otel_llm.metadata.k": "1.50"}, "given as Decimal"),
        ({"metadata": {"k": _AT}}, {"otel_llm.metadata.k": "2026-11-28T06:00:00+00:00"}, "given as datetime"),
        ({"metadata": {"k": Tier.GOLD}}, {"otel_llm.metadata.k": "gold"}, "given as Tier"),
        ({"metadata": {1: "v"}}, {"otel_llm.metadata.1": "v"}, "a key of metadata was given as int"),
        ({"metadata": ["a"]}, {}, "metadata was given as list and is left out: it must be a mapping"),
        ({"prompt": "text"}, {}, "prompt was given as str and is left out: it must be a Prompt of otel_llm or a text"),
        ({"prompt": [{"role": "user", "content": "Why?"}]}, {}, "prompt was given as list"),
        ({"prompt": Prompt}, {}, "prompt was given as type"),
        ({"experiment": "text"}, {}, "experiment was given as str"),
        ({"experiment": Experiment("tone", ["a", "b"])}, {}, r"\.assignment\(key\) of an Experiment of otel_llm gives"),
        ({"experiment": Experiment("tone", {"a": Prompt("ask", "1", "Why?")}).assign("u-1")}, {}, "given as Prompt"),
    ],
)
def test_any_value_is_converted_and_said_once(
    recorder: Any, quiet: Any, given: dict[str, Any], told: dict[str, Any], says: str
) -> None:
    """The model was paid for by the time this is called: a value of another type must not raise."""
    for _ in range(2):
        with otel_llm.propagate_attributes(**given), otel_llm.step_span("s"):
            pass
    assert [said(span) for span in recorder.spans] == [told, told]
    warnings = [record.getMessage() for record in quiet.records if record.name == "otel_llm"]
    assert len([warning for warning in warnings if re.search(says, warning)]) == 1
    quiet.clear()


def test_scalars_of_numpy(recorder: Any, quiet: Any) -> None:
    numpy = pytest.importorskip("numpy")
    metadata = {"a": numpy.float32(0.5), "b": numpy.int64(7), "c": numpy.bool_(True), "d": numpy.float64(1.5)}
    with otel_llm.propagate_attributes(user_id=numpy.int64(42), metadata=metadata), otel_llm.step_span("s"):
        pass
    prefix = "otel_llm.metadata."
    told = {"user.id": "42", **{prefix + name: value.item() for name, value in metadata.items()}}
    assert said(recorder.span) == told
    assert {type(value) for value in recorder.attributes.values()} == {str, float, int, bool}
    quiet.clear()


def test_containers_in_metadata_are_bounded(recorder: Any, quiet: Any) -> None:
    with otel_llm.propagate_attributes(metadata={"k": {"context": ["words " * 1000] * 50}}), otel_llm.step_span("s"):
        pass
    encoded = recorder.attributes["otel_llm.metadata.k"]
    assert len(encoded.encode()) <= 1024
    assert "context" in json.loads(encoded) or "truncated" in json.loads(encoded)
    quiet.clear()


def test_entered_twice() -> None:
    once = otel_llm.propagate_attributes(session_id="s")
    with once, pytest.raises(RuntimeError, match="entered already"):
        once.__enter__()
    with once:  # one after the other is fine
        pass


@pytest.mark.parametrize("decorate", [otel_llm.propagate_attributes(), otel_llm.bind_context])
def test_not_for_generators(decorate: Any) -> None:
    def generator() -> Any:
        yield

    with pytest.raises(TypeError, match="a generator runs when it is iterated"):
        decorate(generator)
    with pytest.raises(TypeError, match="expected a function"):
        decorate(3)

    class Called:
        def __call__(self) -> Any:
            yield

    with pytest.raises(TypeError, match="a generator runs when it is iterated"):
        decorate(Called())


def test_a_class_is_no_function() -> None:
    """It would no longer be a class; to make one in another thread is fine."""
    with pytest.raises(TypeError, match="not the class Thread"):
        otel_llm.propagate_attributes(session_id="s")(threading.Thread)
    assert isinstance(otel_llm.bind_context(threading.Thread)(), threading.Thread)
