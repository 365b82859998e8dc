"""aiobotocore and aioboto3: the same calls, bodies and streams, read asynchronously."""

from __future__ import annotations

import asyncio
import gc
import json
from contextlib import suppress
from typing import Any

import pytest
from aio_asking import ask
from asking import CHAT, UNTOLD, told

import otel_llm
from standin.eventstream import exception, parts
from standin.sagemaker import event_stream
from standin.wire import Reply, sse

aiobotocore = pytest.importorskip("aiobotocore")
aiohttp = pytest.importorskip("aiohttp")

_EVENTS = [
    {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]}
    for n in range(5)
]
_END = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_FRAMES = list(parts(sse(*_EVENTS, _END)))


async def open_stream(client: Any, endpoint: str = "chat", body: Any = CHAT) -> Any:
    answer = await client.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps(body), ContentType="application/json"
    )
    return answer["Body"]


async def test_a_chat(aio: Any, recorder: Any, durations: Any) -> None:
    answer = await ask(aio)
    assert recorder.spans == []
    assert json.loads(await answer["Body"].read())["choices"]
    assert recorder.span.name == "chat chat"
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert asyncio.iscoroutinefunction(aio._make_api_call)
    assert durations() == []


async def test_endpoints_of_no_language_model(aio: Any, recorder: Any) -> None:
    answer = await aio.invoke_endpoint(EndpointName="csv", Body=b"1,2", ContentType="text/csv")
    assert await answer["Body"].read()
    answer = await ask(aio, "classifier", {"inputs": "I love it"})
    assert await answer["Body"].read()
    assert recorder.spans == []


async def test_an_error(aio: Any, recorder: Any) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError):
        await ask(aio, "error-model")
    assert recorder.attributes["error.type"] == "ModelError"
    assert recorder.attributes["otel_llm.sagemaker.error.original_status_code"] == 500


async def test_an_asynchronous_invocation(aio: Any, recorder: Any) -> None:
    await aio.invoke_endpoint_async(EndpointName="llama", InputLocation="s3://bucket/in.json")
    assert recorder.span.name == "invoke_endpoint_async llama"


async def test_a_stream(aio: Any, sparse: Any, server: Any) -> None:
    server.reply_with(event_stream(_FRAMES))
    stream = await open_stream(aio, "e")
    events = [event async for event in stream]
    assert len(events) == len(_FRAMES)
    given = told(sparse.attributes, "gen_ai.response.")
    assert given == {
        "gen_ai.response.id": "c",
        "gen_ai.response.model": "m",
        "gen_ai.response.finish_reasons": ("stop",),
    }
    (between,) = sparse.points("gen_ai.client.operation.time_per_output_chunk")
    assert between.count == 5


async def _broken(stream: Any) -> None:
    async for _ in stream:
        break


async def _closed(stream: Any) -> None:
    await _broken(stream)
    stream.close()


@pytest.mark.parametrize(("leave", "outcome"), [(_broken, "abandoned"), (_closed, "closed"), (None, "abandoned")])
async def test_ways_out_of_a_stream(aio: Any, sparse: Any, server: Any, leave: Any, outcome: str) -> None:
    server.reply_with(event_stream(_FRAMES))
    stream = await open_stream(aio, "e")
    if leave is not None:
        await leave(stream)
    del stream
    for _ in range(3):  # the loop closes the generators that were left
        gc.collect()
        await asyncio.sleep(0)
    assert sparse.attributes["otel_llm.stream.outcome"] == outcome


async def _outcome(aio: Any) -> list[Any]:
    seen: list[Any] = []
    try:
        stream = await open_stream(aio, "e")
        seen += [type(stream), type(stream.__aiter__())]
        seen += [event async for event in stream]
    except BaseException as error:
        seen += [type(error), str(error), getattr(error, "response", None)]
    return seen


@pytest.mark.parametrize("end", [[exception("ModelStreamError", "Oh.", "500")], [b"half a frame"], []])
async def test_a_failing_stream_is_the_same_with_and_without_us(aio: Any, sparse: Any, server: Any, end: Any) -> None:
    reply = event_stream([*_FRAMES[:2], *end])
    server.reply_with(reply)
    with_us = await _outcome(aio)
    gc.collect()
    assert len(sparse.spans) == 1
    otel_llm.uninstrument()
    server.reply_with(reply)
    assert with_us == await _outcome(aio)


async def test_a_call_that_is_cancelled(aio: Any, recorder: Any, server: Any) -> None:
    gate = server.hold()
    server.reply_with(Reply(delay=gate, body={}))
    task = asyncio.ensure_future(ask(aio))
    await asyncio.to_thread(gate.reached.wait, 5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    gate.open()
    assert task.cancelled()
    assert recorder.attributes["otel_llm.stream.outcome"] == "cancelled"
    assert "error.type" not in recorder.attributes


async def test_calls_side_by_side_have_their_own_parents(aio: Any, recorder: Any) -> None:
    tracer = recorder.tracer_provider.get_tracer("application")

    async def request(number: int) -> None:
        with tracer.start_as_current_span(f"request {number}"):
            await (await ask(aio, f"chat-{number}"))["Body"].read()

    await asyncio.gather(*(request(number) for number in range(5)))
    names = {span.context.span_id: span.name for span in recorder.spans}
    calls = [span for span in recorder.spans if span.name.startswith("chat")]
    assert {span.name: names[span.parent.span_id] for span in calls} == {
        f"chat chat-{number}": f"request {number}" for number in range(5)
    }


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
@pytest.mark.parametrize("made", ["before", "after"])
async def test_one_span_with_botocores_instrumentation(server: Any, recorder: Any, order: str, made: str) -> None:
    from aiobotocore.session import get_session

    theirs: Any = pytest.importorskip("opentelemetry.instrumentation.botocore")
    if not hasattr(theirs, "AiobotocoreInstrumentor"):
        pytest.skip("it does not know aiobotocore")
    instrumentor = theirs.AiobotocoreInstrumentor()
    otel_llm.uninstrument()
    async with get_session().create_client("sagemaker-runtime") as before:
        steps = [
            recorder.instrument,
            lambda: instrumentor.instrument(tracer_provider=recorder.tracer_provider, skip_dep_check=True),
        ]
        try:
            for step in steps if order == "ours first" else reversed(steps):
                step()
            async with get_session().create_client("sagemaker-runtime") as after:
                await (await ask({"before": before, "after": after}[made]))["Body"].read()
        finally:
            instrumentor.uninstrument()
    assert recorder.span.name == "chat chat"


async def test_over_httpx(server: Any, recorder: Any) -> None:
    sessions = pytest.importorskip("aiobotocore.httpxsession")
    pytest.importorskip("httpx2")
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(http_session_cls=sessions.HttpxSession)
    async with get_session().create_client("sagemaker-runtime", config=config) as client:
        body = (await ask(client, "chat-a"))["Body"]
        assert json.loads(b"".join([await body.read(10), await body.read()]))["choices"]
        body = (await ask(client, "chat-b"))["Body"]
        async with body:
            await body.read(10)
        body = (await ask(client, "chat-c"))["Body"]
        async with body:
            pass
    first, second, unread = recorder.spans
    assert first.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert second.attributes["gen_ai.response.finish_reasons"] == ("stop",)  # httpx had all of it
    assert unread.attributes["otel_llm.stream.outcome"] == "closed"
    recorder.missing |= UNTOLD


async def test_aioboto3(server: Any, recorder: Any) -> None:
    aioboto3 = pytest.importorskip("aioboto3")
    async with aioboto3.Session().client("runtime.sagemaker") as client:
        await (await ask(client))["Body"].read()
    assert recorder.span.name == "chat chat"


async def test_uninstrumenting_puts_everything_back(server: Any, recorder: Any) -> None:
    from aiobotocore.client import AioClientCreator
    from aiobotocore.session import get_session

    otel_llm.uninstrument()
    methods = dict(vars(AioClientCreator))
    recorder.instrument()
    async with get_session().create_client("sagemaker-runtime") as client:
        otel_llm.uninstrument()
        assert dict(vars(AioClientCreator)) == methods
        assert "_make_api_call" not in vars(type(client))
        await (await ask(client))["Body"].read()
    assert recorder.spans == []
