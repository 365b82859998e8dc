"""Tokens that the provider did not send: estimated in the background, marked, and priced; or absent, never 0."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import otel_llm
from interpreter import python
from otel_llm import ContentCapture, Settings
from otel_llm.background import deferred
from otel_llm.content.messages import Content
from otel_llm.core.listeners import SHARED, EndedCall, Listeners
from otel_llm.core.request import Request, Response
from otel_llm.core.scopes import SCOPES
from otel_llm.tokens import estimator
from standin.server import Reply

ASKED: Any = [{"role": "user", "content": "one two three"}]
USAGE = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "otel_llm.usage.estimated")


def words(text: str, model: str) -> int | None:
    return len(text.split()) if model.startswith("gpt") else None


def stream_of(*texts: str, model: str = "gpt-4o-mini-2024-07-18") -> Reply:
    """A stream without usage."""
    choices: list[Any] = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
    events = [{**common, "choices": [choice]} for choice in choices]
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return Reply(chunks=[*lines, b"data: [DONE]\n\n"], headers={"content-type": "text/event-stream"})


@pytest.fixture
def estimating(lenient: Any) -> Iterator[Callable[..., Any]]:
    """Switches estimates on; the result are the attributes of the last span, once it has ended."""

    def on(counter: Any = words, **settings: Any) -> Any:
        lenient.instrument(Settings(estimate_tokens=counter, **settings))

        def last() -> dict[str, Any]:
            assert otel_llm.flush()
            return dict(lenient.spans[-1].attributes)

        return last

    yield on
    otel_llm.uninstrument()


def usage_of(attributes: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(attributes.get(name) for name in USAGE)


def test_a_stream_without_usage(estimating: Any, lenient: Any, client: openai.OpenAI, server: Any) -> None:
    last = estimating()
    server.reply_with(stream_of("four ", "five"))
    texts = [
        c.choices[0].delta.content for c in client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
    ]
    assert texts == ["four ", "five", None]
    attributes = last()
    # three words, the marks of a message, and those before the answer
    assert usage_of(attributes) == (3 + 4 + 3, 2, True)
    assert "gen_ai.input.messages" not in attributes
    assert "gen_ai.output.messages" not in attributes
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in lenient.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 10, "output": 2}


def test_a_stream_that_the_caller_closes_half_way(estimating: Any, client: openai.OpenAI, server: Any) -> None:
    last = estimating()
    server.reply_with(stream_of("four ", "five ", "six"))
    stream = client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
    next(stream)
    next(stream)
    stream.close()
    attributes = last()
    assert attributes["otel_llm.stream.outcome"] == "closed"
    assert usage_of(attributes) == (10, 2, True)


async def test_a_stream_that_breaks_off(estimating: Any, async_client: openai.AsyncOpenAI) -> None:
    last = estimating(lambda text, model: len(text.split()))
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the SDK's matter
        async for _ in await async_client.chat.completions.create(model="error-cut", messages=ASKED, stream=True):
            pass
    attributes = last()
    assert attributes["error.type"]
    assert attributes["gen_ai.usage.input_tokens"] == 10
    assert attributes["gen_ai.usage.output_tokens"] > 0
    assert attributes["otel_llm.usage.estimated"] is True


def test_an_estimate_is_priced_and_the_prompt_log_says_what_it_is(
    estimating: Any, client: openai.OpenAI, server: Any, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("models:\n  - host: 127.0.0.1\n    model: gpt-4o*\n    input: 1000000\n    output: 2000000\n")
    log = tmp_path / "prompts.jsonl"
    last = estimating(prices=str(prices), prompt_log=str(log))
    server.reply_with(stream_of("four ", "five"))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    attributes = last()
    assert attributes["otel_llm.usage.cost.amount"] == 10 * 1 + 2 * 2
    (record,) = map(json.loads, log.read_text().splitlines())
    assert (record["input_tokens"], record["output_tokens"], record["usage_estimated"]) == (10, 2, True)
    assert record["cost"] == 14


def test_what_the_provider_counts_is_not_estimated(estimating: Any, client: openai.OpenAI) -> None:
    last = estimating(lambda text, model: 10_000)
    answer = client.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert answer.usage is not None
    assert usage_of(last()) == (answer.usage.prompt_tokens, answer.usage.completion_tokens, None)


def test_off_is_the_default_and_absent_is_not_zero(lenient: Any, client: openai.OpenAI, server: Any) -> None:
    server.reply_with(stream_of("four"))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    assert usage_of(lenient.attributes) == (None, None, None)


@pytest.mark.parametrize(
    ("request_fields", "reply"),
    [
        pytest.param({}, stream_of("four", model="claude"), id="no counter knows the model"),
        pytest.param({"response_format": {"type": "json_object"}}, stream_of("{}"), id="a schema may be billed"),
        pytest.param(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
                    }
                ]
            },
            stream_of("four"),
            id="an image",
        ),
        pytest.param({"tools": [{"type": "web_search"}]}, stream_of("four"), id="a tool of the provider's"),
        pytest.param({}, stream_of(), id="nothing was answered"),
    ],
)
def test_what_cannot_be_counted_is_absent(
    estimating: Any, client: openai.OpenAI, server: Any, request_fields: dict[str, Any], reply: Reply
) -> None:
    last = estimating()
    server.reply_with(reply)
    fields: Any = {"model": "gpt-4o", "messages": ASKED, "stream": True, **request_fields}
    list(client.chat.completions.create(**fields))
    assert usage_of(last()) == (None, None, None)


def test_the_reasoning_that_a_model_hides_is_not_counted_as_none(
    estimating: Any, client: openai.OpenAI, server: Any
) -> None:
    pytest.importorskip("splintr")
    last = estimating("splintr")
    for model, known in (("gpt-4o", True), ("o3-mini", False), ("gpt-5", False)):
        server.reply_with(stream_of("Hello!", model=model))
        list(client.chat.completions.create(model=model, messages=ASKED, stream=True))
        assert usage_of(last())[2] is (True if known else None), model


@pytest.mark.parametrize("stream", [True, False])
def test_the_input_is_that_of_the_start(estimating: Any, stream: bool) -> None:
    last = estimating()
    messages = [*ASKED]
    with otel_llm.chat_span("gpt-own", "acme", messages=messages, stream=stream) as span:
        messages.append({"role": "assistant", "content": "four five"})
        messages[0]["content"] = "more and more and more words"
        span.response("four five")
    messages[0]["content"] = "one two three"
    assert usage_of(last()) == (10, 2, True)


def test_the_caller_does_not_wait_for_the_count(
    estimating: Any, lenient: Any, client: openai.OpenAI, server: Any
) -> None:
    counting, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def slow(text: str, model: str) -> int:
        threads.append(threading.current_thread())
        counting.set()
        assert go_on.wait(20)
        return 1

    last = estimating(slow)
    server.reply_with(stream_of("four"))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    assert counting.wait(20)
    assert lenient.spans == []
    go_on.set()
    attributes = last()
    span = lenient.span
    assert usage_of(attributes) == (1 + 4 + 3, 1, True)
    assert threading.current_thread() not in threads
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(
        lenient.points("gen_ai.client.operation.duration")[0].sum
    )


@pytest.mark.parametrize(
    "counter",
    [
        lambda text, model: 1 / 0,
        lambda text, model: "seven",
        lambda text, model: -1,
        lambda text, model: True,
        lambda text, model: 1.5,
    ],
)
def test_a_counter_that_is_broken_costs_only_the_estimate(
    estimating: Any, client: openai.OpenAI, server: Any, counter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    last = estimating(counter)
    server.reply_with(stream_of("four"))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    assert usage_of(last()) == (None, None, None)
    assert "one two three" not in caplog.text


def test_the_next_counter_is_asked(estimating: Any, client: openai.OpenAI, server: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "counts", type(sys)("counts"))
    sys.modules["counts"].none = lambda text, model: None  # type: ignore[attr-defined]
    sys.modules["counts"].one = lambda text, model: 1  # type: ignore[attr-defined]
    last = estimating("missing_module:count, counts:none, claude*=counts:two, GPT-*=counts:one")
    server.reply_with(stream_of("four"))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    assert usage_of(last()) == (8, 1, True)


def test_an_answer_of_the_responses_api(estimating: Any, client: openai.OpenAI) -> None:
    last = estimating()
    with client.responses.create(
        model="gpt-4o", input="one two three", instructions="Be brief.", stream=True
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    given, came, estimated = usage_of(last())
    assert given == 3 + 2 + 4 + 4 + 3
    assert came >= 1 + 1
    assert estimated is True


def test_a_conversation_that_the_provider_keeps_is_unknown(estimating: Any, client: openai.OpenAI) -> None:
    last = estimating()
    first = client.responses.create(model="gpt-4o", input="Hello")
    for earlier in (
        {"previous_response_id": first.id},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1", "variables": {"name": "Ann"}}},
        {"prompt": {"id": "pmpt_1"}},
    ):
        fields: Any = {"model": "gpt-4o", "input": "And?", "stream": True, **earlier}
        with client.responses.create(**fields) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    break
        assert usage_of(last()) == (None, None, None)


def test_a_background_response_is_not_estimated_before_it_is_answered(estimating: Any, client: openai.OpenAI) -> None:
    last = estimating()
    client.responses.create(model="gpt-4o", input="Hello", background=True)
    assert usage_of(last()) == (None, None, None)


def test_what_the_provider_told_of_the_tokens_stays(estimating: Any, client: openai.OpenAI, server: Any) -> None:
    last = estimating()
    choice = {"index": 0, "message": {"role": "assistant", "content": "four five"}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]}
    server.reply_with(Reply(body={**body, "usage": {"completion_tokens": 7}}))
    client.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert usage_of(last()) == (10, 7, True)


def test_an_answer_before_an_error_of_the_application(estimating: Any) -> None:
    last = estimating()
    for answer, known in (("four five", (10, 2, True)), (None, (None, None, None))):
        with suppress(ValueError), otel_llm.chat_span("gpt-own", "acme", messages=ASKED) as span:
            span.response(answer)
            raise ValueError("mine")
        assert usage_of(last()) == known


def test_what_is_not_sampled_is_measured(estimating: Any, lenient: Any, client: openai.OpenAI, server: Any) -> None:
    estimating()
    lenient.instrument(Settings(estimate_tokens=words), sampler=ALWAYS_OFF)
    choice = {"index": 0, "message": {"role": "assistant", "content": "four five"}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]}
    server.reply_with(Reply(body=body))
    client.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert otel_llm.flush()
    assert lenient.spans == []
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in lenient.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 10, "output": 2}


def test_calls_that_find_no_room_are_passed_on(
    estimating: Any, lenient: Any, client: openai.OpenAI, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimator, "_MAX_WAITING", 1)
    counting, go_on = threading.Event(), threading.Event()

    def slow(text: str, model: str) -> int:
        counting.set()
        assert go_on.wait(20)
        return 1

    last = estimating(slow)
    for expected in (0, 0, 1):
        server.reply_with(stream_of("four"))
        list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
        assert counting.wait(20)
        assert len(lenient.spans) == expected
    assert usage_of(lenient.spans[0].attributes) == (None, None, None)
    go_on.set()
    assert usage_of(last()) == (8, 1, True)
    assert len(lenient.spans) == 3


def test_estimates_end_with_the_settings(estimating: Any, lenient: Any) -> None:
    last = estimating()
    otel_llm.uninstrument()
    assert SHARED.estimator is None
    lenient.instrument(Settings(estimate_tokens="off"))
    with otel_llm.chat_span("gpt-own", "acme", messages=ASKED) as span:
        span.response("four five")
    assert usage_of(last()) == (None, None, None)


def test_content_is_captured_as_without_estimates(estimating: Any, client: openai.OpenAI, server: Any) -> None:
    last = estimating(capture_content=ContentCapture.SPAN_ONLY)
    server.reply_with(stream_of("four"))
    list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    attributes = last()
    assert json.loads(attributes["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "four"}]
    assert usage_of(attributes) == (10, 1, True)


def test_a_manual_span(estimating: Any) -> None:
    last = estimating(content_max_bytes=256)
    with otel_llm.chat_span("gpt-own", "acme", messages=ASKED, stream=True) as span:
        for _ in range(1000):
            span.chunk("word ")
    assert usage_of(last()) == (10, 1000, True)


def test_a_program_that_ends_at_once(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    python(
        "-c",
        "import otel_llm\n"
        "otel_llm.instrument(settings=otel_llm.Settings(estimate_tokens=lambda text, model: 7))\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor\n"
        "from opentelemetry.exporter.otlp.json.file import FileSpanExporter\n"
        "from opentelemetry import trace\n"
        "provider = TracerProvider()\n"
        f"provider.add_span_processor(BatchSpanProcessor(FileSpanExporter({str(path)!r})))\n"
        "trace.set_tracer_provider(provider)\n"
        "with otel_llm.chat_span('m', 'acme', messages='one') as span: span.response('two')\n",
        cwd=tmp_path,
    )
    assert '"otel_llm.usage.estimated"' in path.read_text()


def test_nothing_is_imported_when_it_is_off(tmp_path: Path) -> None:
    done = python(
        "-c",
        "import sys, otel_llm\n"
        "otel_llm.instrument()\n"
        "print([name for name in sys.modules if name.startswith(('otel_llm.tokens', 'splintr', 'tiktoken'))])\n",
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "[]"


def test_a_counter_that_never_returns_costs_only_the_estimates(
    estimating: Any, lenient: Any, client: openai.OpenAI, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting, go_on = threading.Event(), threading.Event()

    def stuck(text: str, model: str) -> int:
        counting.set()
        go_on.wait(20)
        return 1

    estimating(stuck)
    for _ in range(3):
        server.reply_with(stream_of("four"))
        list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    assert counting.wait(20)
    assert not otel_llm.flush(0.05)
    monkeypatch.setattr(deferred, "PATIENCE", 0.05)
    SCOPES.abandon_all()  # as the end of the process does
    assert [usage_of(span.attributes) for span in lenient.spans] == [(None, None, None)] * 3
    go_on.set()
    assert otel_llm.flush()
    assert len(lenient.spans) == 3


class Prices:
    """Takes the place of what prices calls, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def holds(self, ended: EndedCall, rest: Callable[[], None]) -> bool:
        self.asked.append(ended.response.usage.copy())
        rest()
        return True

    def flush(self, seconds: float) -> bool:
        self.asked.append("flush")
        return True

    def close(self, seconds: float) -> None:
        self.asked.append("close")


def test_a_call_is_priced_once_whether_it_is_estimated_or_not() -> None:
    audience = Listeners()
    audience.pricer = prices = Prices()

    def ended_call(usage: dict[str, int]) -> EndedCall:
        request = Request("chat", "gpt", {"gen_ai.request.model": "gpt"}, content=lambda: Content(messages=[message]))
        response = Response(usage=usage, output=lambda: [message])
        return EndedCall(request, response, None, None, 0, 1.0, None, {}, None, {}, {})  # type: ignore[arg-type]

    message = {"role": "user", "parts": [{"type": "text", "content": "one two"}]}
    ends: list[None] = []
    estimates = estimator.Estimator(words, audience)
    estimates.start()
    told = {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 2}
    assert estimates.holds(ended_call(told.copy()), lambda: ends.append(None))
    assert estimates.holds(ended_call({}), lambda: ends.append(None))
    assert audience.flush(20)
    assert prices.asked == [told, {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2}, "flush"]
    estimates.close(20)
    assert estimates.holds(ended_call({}), lambda: ends.append(None))
    assert prices.asked[3:] == [{}]
    assert len(ends) == 3
