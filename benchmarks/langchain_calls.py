"""What instrumenting adds to runs of LangChain, in floors, against an in-process transport.

LangChain is patched in place, so a bare run and a traced one cannot take turns call by call: blocks of them do.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import statistics
from collections.abc import Callable
from time import process_time_ns
from typing import Any

import harness
import otel_llm
from harness import Result, Work
from otel_llm import ContentCapture, Settings

_CHAIN_LIMIT = 5.0
_AGENT_LIMIT = 16.0
#: A round's calls of each kind: few, as what the machine does besides changes from one moment to the next.
_CALLS = 12
_TITLE = "langchain, "


def _completion(message: dict[str, Any], reason: str) -> bytes:
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
            "service_tier": "default",
            "system_fingerprint": "fp_1",
        }
    ).encode()


_ANSWER = _completion({"content": "Hello there."}, "stop")


def _calling(number: int) -> bytes:
    call = {"id": f"call_{number}", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}
    return _completion({"content": None, "tool_calls": [call]}, "tool_calls")


def _work() -> dict[str, Work]:
    try:
        import httpx2 as http
    except ModuleNotFoundError:
        import httpx as http  # type: ignore[no-redef]
    from langchain.agents import create_agent
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    def answer(request: Any) -> Any:
        body = _ANSWER
        if b'"tools"' in request.content:  # two tools are called, then the agent is done
            called = request.content.count(b'"role":"tool"') + request.content.count(b'"role": "tool"')
            body = _ANSWER if called == 2 else _calling(called)
        return http.Response(200, headers={"content-type": "application/json"}, content=body)

    @tool
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    transport = http.MockTransport(answer)
    model = ChatOpenAI(
        model="gpt-4o-mini",
        api_key="k",
        base_url="http://bench.local/v1",
        http_client=http.Client(transport=transport),
        http_async_client=http.AsyncClient(transport=transport),
    )
    chain = ChatPromptTemplate([("system", "You are {who}."), ("user", "{question}")]) | model | StrOutputParser()
    asked: Any = {"who": "a poet", "question": "What is the sea?"}
    agent = create_agent(model, [add], name="adder")
    loop = asyncio.new_event_loop()
    return {
        "prompt | model | parser": lambda: chain.invoke(asked),
        "prompt | model | parser, async": lambda: loop.run_until_complete(chain.ainvoke(asked)),
        "agent, three inferences, two tools": lambda: agent.invoke({"messages": [("user", "Add.")]}),
    }


def _block(work: Work, calls: int) -> list[int]:
    """Processor time of each call, on whatever thread: an agent's nodes run on threads of LangGraph's."""
    gc.collect()
    for _ in range(3):  # after a turn of the instrumentation the first ones are slow
        work()
    return [_time_ns(work) for _ in range(calls)]


def _time_ns(work: Work) -> int:
    start = process_time_ns()
    work()
    return process_time_ns() - start


def _compare(
    name: str, limit: float | None, work: Work, floor: Work, turn: Callable[[bool], None], rounds: int
) -> Result:
    least: list[int] = []

    def floor_beside() -> None:
        work()
        least.append(_time_ns(floor))  # by itself: beside an agent's run it would be lost in that one's variation

    ratios = []
    gc.collect()
    gc.disable()
    try:
        for number in range(1 + rounds):
            times = {}
            turns = [False, True]
            random.Random(number).shuffle(turns)
            for on in turns:
                turn(on)
                times[on] = statistics.median(_block(work, _CALLS))
            turn(False)
            least.clear()
            _block(floor_beside, _CALLS)
            if number:  # the first round warms up
                ratios.append((times[True] - times[False]) / statistics.median(least))
    finally:
        gc.enable()
        turn(False)
    low, median, high = statistics.quantiles(ratios, n=4)
    return Result(name, median, low, high, limit)


def run(quick: bool = False) -> list[Result]:
    """Every measurement; ``quick`` takes few rounds, to see that they run."""
    tracers, meters = harness.tracer_provider(), harness.meter_provider()
    floor = harness.floor_work(tracers.get_tracer("floor"), meters.get_meter("floor"))

    def turn(on: bool, settings: Settings | None = None) -> None:
        for library in ("langchain", "openai"):
            otel_llm.uninstrument(library)
            if on:
                otel_llm.instrument(
                    library, settings=settings or Settings(), tracer_provider=tracers, meter_provider=meters
                )

    content = Settings(capture_content=ContentCapture.SPAN_ONLY)
    results = []
    for name, work in _work().items():
        limit = _AGENT_LIMIT if name.startswith("agent") else _CHAIN_LIMIT
        results.append(_compare(_TITLE + name, limit, work, floor, turn, 3 if quick else 60))
    work = _work()["prompt | model | parser"]
    name = _TITLE + "prompt | model | parser, content"
    results.append(_compare(name, None, work, floor, lambda on: turn(on, content), 3 if quick else 60))
    return results
