"""What stands in for an SDK's iterator gives the same chunks and errors, and ends the call once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from exits import OUTCOME, REASONS, Interrupt
from opentelemetry.trace import StatusCode

from otel_llm import Settings
from otel_llm.background import deferred
from otel_llm.core import nesting
from otel_llm.core.chunk_times import MOST_KEPT
from otel_llm.core.request import Request, Response
from otel_llm.core.streams import AsyncChunkIterator, BytesObserver, ChunkIterator, Observer
from otel_llm.core.telemetry import Telemetry

GAPS = "gen_ai.client.operation.time_per_output_chunk"
#: What says that the caller no longer wants the answer, and the outcome that it is.
_NO_FAILURE: dict[type[BaseException], str] = {
    asyncio.CancelledError: "cancelled",
    GeneratorExit: "closed",
    KeyboardInterrupt: "cancelled",
    SystemExit: "cancelled",
}


class Words:
    """Adds up words; the last is a full stop."""

    model = "m-1"

    def __init__(self) -> None:
        self.words: list[str] = []

    def add(self, chunk: str) -> None:
        self.words.append(chunk)

    def response(self) -> Response:
        return Response("r-1", self.model, ["stop" if self.words[-1:] == ["."] else None])


class Broken(Words):
    def add(self, chunk: str) -> None:
        raise LookupError

    def response(self) -> Response:
        raise LookupError


class Source:
    """An iterator of both kinds, as an SDK has one: ``failure`` comes after ``words``."""

    def __init__(self, *words: str, failure: BaseException | None = None) -> None:
        self._words = iter(words)
        self._failure = failure
        self.closed = 0
        self.status = 200

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for word in self._words:
            return word
        raise self._failure or StopIteration

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        for word in self._words:
            return word
        raise self._failure or StopAsyncIteration

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def begin(lenient: Any) -> Callable[[], Any]:
    """Start a call of a chat model."""
    telemetry = Telemetry("otel_llm.test", Settings(), lenient.tracer_provider, lenient.meter_provider)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "test",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
    }
    return lambda: nesting.start(telemetry, Request("chat", "m", dict(attributes)))


async def _read(iterator: Any) -> list[str]:
    if isinstance(iterator, ChunkIterator):
        return list(iterator)
    return [word async for word in iterator]


async def _next(iterator: Any) -> str:
    return next(iterator) if isinstance(iterator, ChunkIterator) else await anext(iterator)


async def _close(iterator: Any) -> None:
    if isinstance(iterator, ChunkIterator):
        iterator.close()
    else:
        await iterator.aclose()


def _told(recorder: Any) -> tuple[Any, ...]:
    attributes = recorder.attributes  # of the one span
    return tuple(attributes.get(name) for name in ("error.type", OUTCOME, REASONS))


BOTH = pytest.mark.parametrize("kind", [ChunkIterator, AsyncChunkIterator])


@BOTH
async def test_drained(recorder: Any, begin: Any, kind: Any) -> None:
    iterator = kind(Source("a", "."), Observer(begin(), Words()))
    assert await _read(iterator) == ["a", "."]
    assert await _read(iterator) == []
    assert _told(recorder) == (None, None, ("stop",))
    assert recorder.attributes["gen_ai.response.id"] == "r-1"


@BOTH
@pytest.mark.parametrize("failing", [ValueError, Interrupt, *_NO_FAILURE])
async def test_failed(recorder: Any, begin: Any, kind: Any, failing: type[BaseException]) -> None:
    failure = failing()
    iterator = kind(Source("a", failure=failure), Observer(begin(), Words()))
    assert await _next(iterator) == "a"
    assert recorder.spans == []
    with pytest.raises(failing) as caught:
        await _next(iterator)
    assert caught.value is failure
    if (outcome := _NO_FAILURE.get(failing)) is not None:
        assert recorder.attributes["otel_llm.stream.outcome"] == outcome
        assert "error.type" not in recorder.attributes
        assert recorder.span.status.status_code is StatusCode.UNSET
    else:
        assert recorder.attributes["error.type"].endswith(failing.__qualname__)
    assert recorder.attributes["gen_ai.response.id"] == "r-1"  # what came before is kept
    with pytest.raises(failing):
        await _next(iterator)
    assert len(recorder.spans) == 1


@BOTH
async def test_hidden_chunks(recorder: Any, begin: Any, kind: Any) -> None:
    accumulator = Words()
    iterator = kind(Source("a", "-", "."), Observer(begin(), accumulator), lambda word: word == "-")
    assert await _read(iterator) == ["a", "."]
    assert accumulator.words == ["a", "-", "."]


@BOTH
async def test_who_fails_to_tell_what_to_hide_hides_nothing(recorder: Any, begin: Any, kind: Any, quiet: Any) -> None:
    def hide(word: str) -> bool:
        raise LookupError

    assert await _read(kind(Source("a", "."), Observer(begin(), Words()), hide)) == ["a", "."]
    quiet.clear()


@BOTH
async def test_closed(recorder: Any, begin: Any, kind: Any) -> None:
    source = Source("a", ".")
    iterator = kind(source, Observer(begin(), Words()))
    await _next(iterator)
    await _close(iterator)
    assert source.closed == 1
    assert _told(recorder) == (None, "closed", None)
    await _close(iterator)
    assert source.closed == 2


@BOTH
async def test_closed_when_the_answer_was_whole(recorder: Any, begin: Any, kind: Any) -> None:
    iterator = kind(Source(".", "never read"), Observer(begin(), Words()))
    await _next(iterator)
    await _close(iterator)
    assert _told(recorder) == (None, None, ("stop",))


@BOTH
async def test_a_close_that_fails(recorder: Any, begin: Any, kind: Any) -> None:
    class Failing(Source):
        def close(self) -> None:
            raise Interrupt

        async def aclose(self) -> None:
            raise Interrupt

    with pytest.raises(Interrupt):
        await _close(kind(Failing("a"), Observer(begin(), Words())))
    assert _told(recorder)[1] == "closed"


@BOTH
async def test_what_cannot_be_closed(recorder: Any, begin: Any, kind: Any) -> None:
    class Bare:
        __next__ = __anext__ = None

    await _close(kind(Bare(), Observer(begin(), Words())))
    assert _told(recorder)[1] == "closed"


@BOTH
async def test_dropped(recorder: Any, begin: Any, kind: Any) -> None:
    iterator = kind(Source("a", "."), Observer(begin(), Words()))
    await _next(iterator)
    del iterator
    assert _told(recorder)[1] == "abandoned"


@BOTH
async def test_a_close_seen_while_a_chunk_is_waited_for(recorder: Any, begin: Any, kind: Any) -> None:
    """The SDK closes its response at the end and after an error: the end and the error come right after."""
    observer = Observer(begin(), Words())
    spans_at_close: list[int] = []

    class Closing(Source):
        def __next__(self) -> str:
            self.close()
            return super().__next__()

        async def __anext__(self) -> str:
            self.close()
            return await super().__anext__()

        def close(self) -> None:
            observer.closed()
            spans_at_close.append(len(recorder.spans))

        async def aclose(self) -> None:
            self.close()

    iterator = kind(Closing("a"), observer)
    assert await _next(iterator) == "a"
    await _close(iterator)
    assert spans_at_close == [0, 0]
    assert _told(recorder)[1] == "closed"


@BOTH
async def test_closed_by_someone_else_between_two_chunks(recorder: Any, begin: Any, kind: Any) -> None:
    observer = Observer(begin(), Words())
    await _next(kind(Source("a", "."), observer))
    observer.closed()
    assert _told(recorder)[1] == "closed"


def test_closed_before_anybody_reads(recorder: Any, begin: Any) -> None:
    Observer(begin(), Words()).closed()
    assert _told(recorder)[1] == "closed"


@BOTH
async def test_the_rest_is_the_iterators(begin: Any, kind: Any) -> None:
    iterator = kind(Source(), Observer(begin(), Words()))
    assert iterator.status == 200
    with pytest.raises(AttributeError):
        iterator.unknown  # noqa: B018


@BOTH
async def test_an_accumulator_that_fails(recorder: Any, begin: Any, kind: Any, quiet: Any) -> None:
    assert await _read(kind(Source("a", "."), Observer(begin(), Broken()))) == ["a", "."]
    assert "gen_ai.response.id" not in recorder.attributes
    assert {record.getMessage().split(" (")[0] for record in quiet.records} == {
        "otel-llm failed in Observer.chunk",
        "otel-llm failed in Observer._response",
    }
    quiet.clear()


@pytest.mark.parametrize("timed", [True, False])
def test_times_of_chunks(recorder: Any, begin: Any, timed: bool) -> None:
    call = begin()
    observer = Observer(call, Words()) if timed else Observer(call, Words(), timed=False)
    assert list(ChunkIterator(Source("a", "b", "."), observer)) == ["a", "b", "."]
    assert ("gen_ai.response.time_to_first_chunk" in recorder.attributes) is timed
    points = recorder.points(GAPS)
    assert [point.count for point in points] == ([2] if timed else [])
    for point in points:
        assert 0 < point.sum < call.span.end_time - call.span.start_time
        assert point.sum / 1e9 < 60
        assert point.attributes["gen_ai.response.model"] == "m-1"
        # A value in a chart leads to its trace.
        assert {exemplar.span_id for exemplar in point.exemplars} == {recorder.span.context.span_id}


def test_times_of_a_long_answer_are_of_the_model_that_the_chunks_name(recorder: Any, begin: Any) -> None:
    """They are recorded before the answer is whole."""
    observer = Observer(begin(), Words())
    for _ in range(MOST_KEPT + 1):
        observer.chunk("a")
    deferred.catch_up()
    (point,) = recorder.points(GAPS)
    assert (point.count, point.attributes["gen_ai.response.model"]) == (MOST_KEPT, "m-1")
    observer.drained()


def test_a_generator_that_is_being_finalized_is_dropped(recorder: Any, begin: Any) -> None:
    observer = Observer(begin(), Words())

    def words() -> Iterator[str]:
        try:
            yield "a"
        finally:
            observer.closed()  # as the SDK's generator closes its response

    generator = words()
    iterator = ChunkIterator(generator, observer)
    next(iterator)
    generator.close()  # as the garbage collector does: nobody reads
    assert _told(recorder)[1] == "abandoned"


async def test_an_asynchronous_generator_that_is_being_finalized_is_dropped(recorder: Any, begin: Any) -> None:
    observer = Observer(begin(), Words())

    async def words() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            observer.closed()

    generator: Any = words()
    iterator = AsyncChunkIterator(generator, observer)
    await anext(iterator)
    await generator.aclose()
    assert _told(recorder)[1] == "abandoned"


def test_bytes_are_decoded(recorder: Any, begin: Any) -> None:
    accumulator = Words()
    decode = bytes.decode
    observer = BytesObserver(begin(), accumulator, lambda piece: decode(piece).split())
    for piece in (b"a b", b"", b"."):
        observer.chunk(piece)
    observer.drained()
    observer.chunk(b"after the end")
    assert accumulator.words == ["a", "b", "."]
    assert "gen_ai.response.time_to_first_chunk" in recorder.attributes


def test_pieces_of_one_body_have_no_times(recorder: Any, begin: Any) -> None:
    observer = BytesObserver(begin(), Words(), lambda piece: [piece.decode()], timed=False)
    observer.chunk(b".")
    observer.drained()
    assert "gen_ai.response.time_to_first_chunk" not in recorder.attributes


def test_a_call_is_under_way_until_it_is_ended_or_discarded(recorder: Any, begin: Any) -> None:
    def under_way() -> int:
        points = recorder.points("otel_llm.client.active_calls")
        return sum(point.value for point in points)

    before = under_way()
    ended, discarded = begin(), begin()
    assert under_way() - before == 2
    discarded.discard()
    assert under_way() - before == 1
    discarded.finish()
    ended.finish()
    ended.finish()
    assert under_way() == before
    assert len(recorder.spans) == 1
