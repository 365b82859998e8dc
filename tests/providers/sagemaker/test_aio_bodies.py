"""Bodies of aiobotocore, read asynchronously: compared with and without us."""

from __future__ import annotations

import gc
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aio_asking import ask
from asking import GENERATE, answering

import otel_llm
from standin.wire import Reply

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("aiobotocore")

LONG = json.dumps(
    [{"generated_text": f"line {n}\n", "details": {"finish_reason": "length"}} for n in range(300)]
).encode()


async def _twice(body: Any) -> list[Any]:
    return [await body.read(), await body.read()]


def response_of(body: Any) -> Any:
    """aiohttp's response, which the body of aiobotocore 2 is a proxy of."""
    return getattr(body, "_raw_stream", None) or body.__wrapped__


async def _entered(body: Any) -> list[Any]:
    async with body as inner:
        seen = [type(inner), await response_of(body).content.read(10), await inner.read()]
    return [*seen, response_of(body).closed]


async def _left(body: Any) -> list[Any]:
    async with body:
        seen = await response_of(body).content.read(10)
    return [seen, response_of(body).closed]


async def _lines(body: Any) -> list[Any]:
    return [line async for line in body.iter_lines()]


async def _readinto(body: Any) -> list[Any]:
    buffer, seen = bytearray(100), []
    while count := await body.readinto(buffer):
        seen.append(bytes(buffer[:count]))
    return seen


async def _parts(body: Any) -> list[Any]:
    return [
        await body.read(7),
        await body.read(0),
        await body.read(300),
        await body.read(),
        await body.read(),
        body.tell(),
    ]


async def _response(body: Any) -> list[Any]:
    return [await response_of(body).text(), await response_of(body).json(content_type=None)]


async def _facts(body: Any) -> list[Any]:
    content = response_of(body).content
    return [type(body), type(response_of(body)), isinstance(content, aiohttp.StreamReader), await body.read()]


async def _content(how: str, body: Any) -> list[Any]:
    content = response_of(body).content
    ways = {
        "chunked": lambda: content.iter_chunked(100),
        "any": content.iter_any,
        "chunks": content.iter_chunks,
        "lines": lambda: content,
    }
    pieces = [piece async for piece in ways[how]()]
    # Where the network cut it is no one's promise.
    return [b"".join(piece[0] if isinstance(piece, tuple) else piece for piece in pieces), type(pieces[0])]


WAYS: dict[str, Callable[[Any], Awaitable[list[Any]]]] = {
    "at once": _twice,
    "in parts": _parts,
    "lines": _lines,
    "into a buffer": _readinto,
    "readlines": lambda body: body.readlines(),
    "as a context manager": _entered,
    "left early": _left,
    "by the response": _response,
    "its facts": _facts,
    **{f"by the reader, {how}": partial(_content, how) for how in ("chunked", "any", "chunks", "lines")},
}


async def _seen(aio: Any, server: Any, reply: Reply, way: Any) -> list[Any]:
    server.reply_with(reply)
    body = (await ask(aio, "e", GENERATE))["Body"]
    try:
        return await way(body)
    except BaseException as error:
        return [type(error), str(error)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cut", [False, True])
async def test_reading_is_the_same_with_and_without_us(aio: Any, sparse: Any, server: Any, way: str, cut: bool) -> None:
    reply = Reply(headers={"content-type": "application/json"}, body=LONG, abort=cut)
    with_us = await _seen(aio, server, reply, WAYS[way])
    if way != "left early" and not cut:
        assert sparse.attributes["gen_ai.response.finish_reasons"] == ("length",) * 300
        assert "otel_llm.stream.outcome" not in sparse.attributes
    otel_llm.uninstrument()
    assert with_us == await _seen(aio, server, reply, WAYS[way])
    gc.collect()
    assert len(sparse.spans) == 1


async def _by_the_reader(body: Any) -> None:
    async for _ in response_of(body).content.iter_chunks():
        pass


@pytest.mark.parametrize("read", [lambda body: body.read(), _by_the_reader])
async def test_a_body_that_is_cut(aio: Any, sparse: Any, server: Any, read: Any) -> None:
    server.reply_with(Reply(headers={"content-type": "application/json"}, body=LONG, abort=True))
    with pytest.raises(aiohttp.ClientPayloadError):
        await read((await ask(aio, "e"))["Body"])
    assert sparse.attributes["error.type"] == "aiohttp.client_exceptions.ClientPayloadError"


@pytest.mark.parametrize("http", ["aiohttp", "httpx"])
async def test_a_read_that_takes_too_long(server: Any, sparse: Any, http: str) -> None:
    """The error is aiobotocore's, as the caller gets it, not that of the library below."""
    from aiobotocore.config import AioConfig
    from aiobotocore.response import AioReadTimeoutError
    from aiobotocore.session import get_session

    sessions = pytest.importorskip("aiobotocore.httpxsession") if http == "httpx" else None
    other: dict[str, Any] = {"http_session_cls": sessions.HttpxSession} if sessions is not None else {}
    if other:
        pytest.importorskip("httpx2")
    gate = server.hold()
    server.reply_with(Reply(headers={"content-type": "application/json"}, chunks=[b'{"a"', gate, b": 1}"]))
    config = AioConfig(read_timeout=1, **other)
    async with get_session().create_client("sagemaker-runtime", config=config) as client:
        body = (await ask(client, "e"))["Body"]
        with pytest.raises(AioReadTimeoutError):
            await body.read()
    gate.open()
    assert sparse.attributes["error.type"] == "aiobotocore.response.AioReadTimeoutError"


async def test_a_body_that_is_left(aio: Any, sparse: Any, server: Any) -> None:
    server.reply_with(answering(LONG))
    await _left((await ask(aio, "e"))["Body"])
    assert sparse.attributes["otel_llm.stream.outcome"] == "closed"


async def test_a_body_that_is_dropped(aio: Any, sparse: Any) -> None:
    answer = await ask(aio)
    del answer
    gc.collect()
    assert sparse.attributes["otel_llm.stream.outcome"] == "abandoned"
