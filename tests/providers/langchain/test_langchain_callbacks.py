"""The application's own callback handlers: they are told the same with us as without."""

from __future__ import annotations

import logging

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import FakeListLLM, FakeStreamingListLLM
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.context import collect_runs
from shapes import FAKE_LACKS
from traces import tree


@pytest.fixture(autouse=True)
def _fake(recorder):
    recorder.missing |= FAKE_LACKS | {"gen_ai.request.model"}


class Heard(BaseCallbackHandler):
    def __init__(self):
        self.events = []

    def on_llm_start(self, serialized, prompts, *, run_id, **kwargs):
        self.events.append(("start", run_id, *prompts))

    def on_llm_end(self, response, *, run_id, **kwargs):
        self.events.append(("end", run_id))


class HeardInline(Heard):
    run_inline = True


class AsyncHeard(AsyncCallbackHandler):
    def __init__(self):
        self.events = []

    async def on_llm_start(self, serialized, prompts, *, run_id, **kwargs):
        self.events.append(("start", run_id, *prompts))

    async def on_llm_end(self, response, *, run_id, **kwargs):
        self.events.append(("end", run_id))


async def drained(stream):
    return [piece async for piece in stream]


CALLS = {
    "ainvoke": (lambda llm, config: llm.ainvoke("one", config), ["one"]),
    "astream": (lambda llm, config: drained(llm.astream("one", config)), ["one"]),
    "agenerate": (lambda llm, config: llm.agenerate(["one", "two"], **config), ["one", "two"]),
    "abatch": (lambda llm, config: llm.abatch(["one", "two"], config), ["one", "two"]),
    "astream_events": (lambda llm, config: drained(llm.astream_events("one", config, version="v2")), ["one"]),
}


@pytest.mark.parametrize("kind", [Heard, AsyncHeard])
@pytest.mark.parametrize("how", CALLS)
async def test_a_text_llms_handlers_are_all_told(recorder, caplog, how, kind):
    caplog.set_level(logging.WARNING)
    call, prompts = CALLS[how]
    heard = kind()
    with collect_runs() as collected:
        await call(FakeStreamingListLLM(responses=["a", "b"]), {"callbacks": [heard]})
    assert sorted(event[2] for event in heard.events if event[0] == "start") == prompts
    started, ended = ({event[1] for event in heard.events if event[0] == what} for what in ("start", "end"))
    assert started == ended
    assert len(started) == len(prompts)
    assert {run.id for run in collected.traced_runs} == started
    assert "No indexed run ID" not in caplog.text
    assert tree(recorder) == ["text_completion"] * len(prompts)


async def test_a_text_llms_inline_handler_is_told(recorder):
    heard = HeardInline()
    await FakeListLLM(responses=["a"]).ainvoke("one", {"callbacks": [heard]})
    assert [event[0] for event in heard.events] == ["start", "end"]
    assert tree(recorder) == ["text_completion"]


async def test_a_text_llms_spans_keep_their_parents(recorder):
    async def ask(question):
        return await FakeListLLM(responses=["a"]).ainvoke(question)

    await RunnableLambda(ask).ainvoke("why?", {"callbacks": [Heard()]})
    assert tree(recorder) == ["invoke_workflow ask", "  text_completion"]
