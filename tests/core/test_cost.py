"""Nothing blocks the hot path, what is absent is not zero, memory stays flat."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

import openai
import pytest

import otel_llm
from otel_llm import ContentCapture, MetricGeneration, Settings, guard
from otel_llm.background import deferred, finalizers
from otel_llm.core.call import Call
from otel_llm.core.streams import Observer
from otel_llm.protocols.openai.endpoint import Exchange
from otel_llm.providers.openai import OpenAIInstrumentor
from standin.server import Reply, sse

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}

# --- nothing blocks ----------------------------------------------------------------------------------

#: Frames of these modules are somebody's; anything else (the standard library) works for the frame below.
_PARTIES = ("otel_llm", "opentelemetry", "openai", "httpx", "httpx2", "httpcore", "httpcore2", "standin", "_pytest")
_BLOCKING = ("open", "socket.", "time.sleep", "subprocess.", "os.", "import", "_thread.start_new_thread", "ssl.")


class Watch:
    """Notes what would wait for the outside world while our code, or what it calls, is at work in the test's thread."""

    def __init__(self) -> None:
        self.on = False
        self.thread = threading.get_ident()
        self.seen: list[str] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and event.startswith(_BLOCKING) and threading.get_ident() == self.thread:
            self.on = False
            frame = sys._getframe()
            while frame is not None:
                party = str(frame.f_globals.get("__name__")).partition(".")[0]
                if party in _PARTIES:
                    if party in ("otel_llm", "opentelemetry"):
                        self.seen.append(f"{event} {args!r} in {frame.f_globals['__name__']}:{frame.f_lineno}")
                    break
                frame = frame.f_back  # type: ignore[assignment]
            self.on = True


_watch = Watch()
sys.addaudithook(_watch)  # Python has no way to take one out; it does nothing while it is not on


@pytest.fixture
def watch() -> Iterator[Watch]:
    _watch.seen.clear()
    yield _watch
    _watch.on = False


@pytest.mark.parametrize("content", [ContentCapture.NO_CONTENT, ContentCapture.SPAN_AND_EVENT])
def test_no_file_no_socket_no_sleep(recorder: Any, client: Any, watch: Watch, content: ContentCapture) -> None:
    recorder.instrument(Settings(capture_content=content, emit_event=True, metrics=MetricGeneration.BOTH))
    deferred.do(int)  # the thread for what can wait is started once a process
    for _ in range(2):  # the first time imports what the SDK imports late
        watch.on = True
        client.chat.completions.create(**CHAT)
        list(client.chat.completions.create(**CHAT, stream=True))
        list(client.responses.create(model="m", input="hi", stream=True))
        client.embeddings.create(model="e", input="x")
        with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            response.read()
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**{**CHAT, "model": "error-500"})
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(**{**CHAT, "model": "error-stream"}, stream=True))
        watch.on = False
    assert watch.seen == []


def test_the_watch_sees(watch: Watch) -> None:
    namespace: dict[str, Any] = {"__name__": "otel_llm.somewhere"}
    exec("def read(): open('/dev/null').close()", namespace)
    watch.on = True
    namespace["read"]()
    watch.on = False
    assert len(watch.seen) == 1


# --- absent is not zero --------------------------------------------------------------------------------

_USAGE = ("gen_ai.usage.", "otel_llm.usage.")
_COUNTED = (
    "gen_ai.client.token.usage",
    "gen_ai.client.inference.operation.input_tokens",
    "gen_ai.client.inference.operation.output_tokens",
    "gen_ai.client.inference.usage.input_tokens",
)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -1, "completion_tokens": True}])
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_tokens(recorder: Any, server: Any, client: Any, usage: Any, stream: bool) -> None:
    recorder.missing |= {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "openai.response.service_tier"}
    recorder.instrument(Settings(metrics=MetricGeneration.BOTH))
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}, "delta": {}}
    body = {"id": "a", "model": "m", "choices": [choice], "usage": usage}
    server.reply_with(Reply(chunks=sse(body)) if stream else Reply(body=body))
    answer = client.chat.completions.create(**CHAT, stream=stream)
    list(answer)
    assert [name for name in recorder.attributes if name.startswith(_USAGE)] == []
    assert [name for name in _COUNTED if recorder.points(name)] == []
    assert [
        name for name in recorder.attributes if "tokens_per_second" in name or "time_per_output_token" in name
    ] == []


def test_zero_is_zero(recorder: Any, server: Any, client: Any) -> None:
    recorder.missing.add("openai.response.service_tier")
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ""}}
    usage = {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}
    server.reply_with(Reply(body={"id": "a", "model": "m", "choices": [choice], "usage": usage}))
    client.chat.completions.create(**CHAT)
    assert recorder.attributes["gen_ai.usage.output_tokens"] == 0
    assert [point.sum for point in recorder.points("gen_ai.client.token.usage")] == [5, 0]


def test_as_many_choices_as_the_caller_likes(recorder: Any, server: Any, client: Any) -> None:
    """Asking for a billion of them fails at the server; it must not at ours, by a list of that length."""
    recorder.missing |= {"gen_ai.response.id", "gen_ai.response.model", "openai.response.service_tier"}
    recorder.missing.add("gen_ai.response.finish_reasons")
    for reply in (Reply(status=400, body={"error": {"message": "no"}}), Reply(chunks=sse({"id": "a", "choices": []}))):
        server.reply_with(reply)
        with suppress(openai.BadRequestError):
            list(client.chat.completions.create(**CHAT, n=10**12, stream=True))
    failed, answered = (span.attributes for span in recorder.spans)
    assert len(failed["gen_ai.response.finish_reasons"]) == 2048
    assert "gen_ai.response.finish_reasons" not in answered


# --- flat memory -----------------------------------------------------------------------------------------


def alive() -> dict[str, int]:
    gc.collect()
    kinds = (Call, Observer, Exchange)
    return {kind.__name__: sum(issubclass(type(one), kind) for one in gc.get_objects()) for kind in kinds}


def sizes() -> dict[str, int]:
    """What our modules, the shared objects of the background and the instrumentor keep when nothing is left to do."""
    deferred.catch_up()
    found = {}
    owners = {name: vars(module) for name, module in sys.modules.items() if name.startswith("otel_llm")}
    shared = {
        f"{owner}.{name}": vars(value)
        for owner, names in owners.items()
        for name, value in names.items()
        if type(value).__module__.startswith("otel_llm.background") and hasattr(value, "__dict__")
    }
    owners |= shared | {"instrumentor": vars(OpenAIInstrumentor()), "foreign": vars(OpenAIInstrumentor()._foreign)}
    for owner, names in owners.items():
        for name, value in names.items():
            if name == "_asleep":
                continue  # a token, which a thread has while it is awake
            if isinstance(value, Collection) and not isinstance(value, str | range) and not name.startswith("__"):
                found[f"{owner}.{name}"] = len(value)
    return found


def test_thousands_of_calls(recorder: Any, server: Any, client: Any) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))

    def calls(number: int) -> None:
        for turn in range(number):
            model = f"m{turn % 7}"
            if turn % 3 == 0:
                client.chat.completions.create(**{**CHAT, "model": model})
            elif turn % 3 == 1:
                with pytest.raises(openai.NotFoundError):
                    client.chat.completions.create(**{**CHAT, "model": "error-404"})
            else:
                stream = client.chat.completions.create(**{**CHAT, "model": model}, stream=True)
                next(stream)
                del stream  # abandoned
            if turn % 60 == 59:
                gc.collect()
                recorder.span_exporter.clear()
                recorder.log_exporter.clear()

    # httpcore closes the connection of an abandoned stream under a lock that a thread inside httpcore, where the
    # collector may just as well run, holds already: without us as with us it would wait for ever.
    gc.disable()
    try:
        calls(60)
        before, alive_before = sizes(), alive()
        calls(1980)
    finally:
        gc.enable()
    assert alive() == alive_before  # another test may have kept some
    assert sizes() == before
    assert not finalizers.SHARED.postponed
    assert not guard.REPORTED


def test_clients_are_not_kept(recorder: Any, server: Any) -> None:
    clients = weakref.WeakSet[openai.OpenAI]()
    for _ in range(5):
        with openai.OpenAI(base_url=server.base_url, api_key="x") as client:
            client.embeddings.create(model="e", input="x")
        clients.add(client)
    del client
    gc.collect()
    assert not clients


def test_instrumenting_over_and_over(recorder: Any) -> None:
    recorder.instrument()
    before = sizes()
    hooks = len(sys.meta_path)
    for _ in range(50):
        otel_llm.uninstrument()
        otel_llm.instrument()
    assert sizes() == before
    assert len(sys.meta_path) == hooks
