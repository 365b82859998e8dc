"""The manual API takes any value: a wrong type never fails a call that was paid for."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

import otel_llm
from otel_llm import ContentCapture, Settings


class Tier(Enum):
    GOLD = "gold"


class Hostile:
    """Fails at whatever is asked of it."""

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("hostile")

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __float__ = __int__ = __index__ = __eq__ = __getitem__ = _fail
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("hostile")


class Text(str):
    """A text that fails to be told."""

    def __str__(self) -> str:
        raise RuntimeError("hostile")


VALUES: list[Any] = [
    3,
    -1,
    True,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    10**5000,
    "",
    "text",
    "\ud83d",
    Text("t"),
    b"bytes",
    UUID(int=1),
    Decimal("1.5"),
    datetime(2026, 11, 28, tzinfo=UTC),
    Tier.GOLD,
    Tier,
    [],
    ["a", 1, None, object()],
    {},
    {"a": UUID(int=1), 3: [object()]},
    {1, 2},
    (1, "a"),
    object(),
    Hostile(),
    [Hostile()],
    {"h": Hostile()},
    lambda: 3,
    (n for n in range(3)),
]


def _calls(value: Any, under_way: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Every public function, and method of the spans ``under_way``, with ``value`` for each argument in turn."""
    made: dict[str, Callable[[], Any]] = {}

    def add(name: str, function: Callable[..., Any], *needed: Any) -> None:
        parameters = list(inspect.signature(function).parameters.values())
        for place, parameter in enumerate(parameters):
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            given = dict(zip((one.name for one in parameters), needed, strict=False)) | {parameter.name: value}
            made[f"{name}({parameter.name}) {place}"] = lambda given=given: function(**given)

    def entered(kind: Any, *needed: Any) -> Callable[..., Any]:
        def enter(**given: Any) -> None:
            with kind(**given):
                pass

        enter.__signature__ = inspect.signature(kind)  # type: ignore[attr-defined]
        return enter

    add("propagate", entered(otel_llm.propagate_attributes))
    add("update", otel_llm.update_current_span)
    add("step", entered(otel_llm.step_span), "s")
    add("workflow", entered(otel_llm.workflow_span), "w")
    add("agent", entered(otel_llm.agent_span), "a")
    add("tool", entered(otel_llm.tool_span), "t")
    add("retrieval", entered(otel_llm.retrieval_span))
    add("embeddings", entered(otel_llm.embeddings_span), "m", "p")
    add("chat", entered(otel_llm.chat_span), "m", "p")
    add("completion", entered(otel_llm.completion_span), "m", "p")
    for name, span in under_way.items():
        for method in ("request", "response", "usage", "chunk", "update", "documents"):
            if hasattr(span, method):
                add(f"{name}.{method}", getattr(span, method))
    return made


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_value_raises(lenient: Any, quiet: Any, value: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
    failed = {}
    with ExitStack() as stack:
        under_way = {
            "chat": stack.enter_context(otel_llm.chat_span("m", "p")),
            "embeddings": stack.enter_context(otel_llm.embeddings_span("m", "p")),
            "retrieval": stack.enter_context(otel_llm.retrieval_span("r")),
            "step": stack.enter_context(otel_llm.step_span("s")),
        }
        for name, call in _calls(value, under_way).items():
            try:
                call()
            except Exception as error:
                failed[name] = repr(error)
    assert failed == {}
    _exportable(lenient)
    told = [record.getMessage() for record in quiet.records if record.name.startswith("opentelemetry")]
    assert told == []
    quiet.clear()
    lenient.span_exporter.clear()  # they are of no convention: ``attributes`` are whatever the value was
    lenient.log_exporter.clear()


def _exportable(recorder: Any) -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    encode_spans(recorder.spans).SerializeToString()
    for span in recorder.spans:
        json.loads(span.to_json())


def test_numbers(lenient: Any, quiet: Any) -> None:
    """What is a number is taken as one, what OTLP can't hold is left out, and the span stays."""
    with otel_llm.chat_span(
        "m", "p", temperature=Decimal("0.5"), top_p="0.9", top_k="40", max_tokens=10.0, seed=10**400, choices="2",
        frequency_penalty=10**400, presence_penalty=float("nan"), stop=3,
    ) as call:  # fmt: skip
        call.response(finish_reason=Tier.GOLD, input_tokens="5", output_tokens=1.5)
    attributes = lenient.attributes
    assert attributes["gen_ai.request.temperature"] == 0.5
    assert attributes["gen_ai.request.top_p"] == 0.9
    assert attributes["gen_ai.request.top_k"] == 40
    assert attributes["gen_ai.request.max_tokens"] == 10
    assert attributes["gen_ai.request.choice.count"] == 2
    assert attributes["gen_ai.request.stop_sequences"] == ("3",)
    assert attributes["gen_ai.response.finish_reasons"] == ("gold",)
    assert attributes["gen_ai.usage.input_tokens"] == 5
    left_out = ("gen_ai.request.seed", "gen_ai.request.frequency_penalty", "gen_ai.request.presence_penalty")
    assert not {*left_out, "gen_ai.usage.output_tokens"} & attributes.keys()
    quiet.clear()


def test_what_the_reference_application_does(recorder: Any, quiet: Any) -> None:
    variables = {"question": "Why?", "context": ["a", "b"], "id": UUID(int=1)}

    @otel_llm.observe
    def generate() -> str:
        otel_llm.update_current_span(tags=["rag"], metadata={"prompt_template_variables": variables, "tokens": 3})
        return "answer"

    assert generate() == "answer"
    told = recorder.attributes["otel_llm.metadata.prompt_template_variables"]
    assert json.loads(told) == {**variables, "id": str(UUID(int=1))}
    assert recorder.attributes["otel_llm.metadata.tokens"] == 3
    quiet.clear()


def test_a_response_with_unknown_entries(lenient: Any, quiet: Any) -> None:
    with otel_llm.chat_span("m", "p"):
        otel_llm.update_current_span(response={"model": "m2", "reasoning": "r", 3: 4})
    assert lenient.attributes["gen_ai.response.model"] == "m2"
    assert "response['reasoning']" in quiet.text
    quiet.clear()


def test_a_name_that_is_missing(lenient: Any, quiet: Any) -> None:
    with otel_llm.chat_span(None, None), otel_llm.tool_span(""):  # type: ignore[arg-type]
        pass
    assert [span.name for span in lenient.spans] == ["execute_tool _OTHER", "chat _OTHER"]
    quiet.clear()


def test_a_chunk_of_another_type(lenient: Any, quiet: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    with otel_llm.chat_span("m", "p") as call:
        call.chunk("a ").chunk(3).chunk(Tier.GOLD)
    (message,) = json.loads(lenient.attributes["gen_ai.output.messages"])
    assert message["parts"] == [{"type": "text", "content": "a 3gold"}]
    quiet.clear()


def test_async(lenient: Any, quiet: Any) -> None:
    @otel_llm.observe(operation="tool", capture=True)
    async def tool(value: Any) -> Any:
        otel_llm.update_current_span(metadata={"v": value})
        return value

    for value in VALUES:
        assert asyncio.run(tool(value)) is value
    quiet.clear()


def test_an_iterator_is_left_to_the_application(lenient: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))

    @otel_llm.observe(operation="retrieval", name="articles", capture=True)
    def found(values: Any) -> Any:
        return values

    assert list(found(map(str, (1, 2)))) == ["1", "2"]
    assert list(found(iter([3]))) == [3]
    numbers = range(10**12)  # reading it all would take hours
    assert found(numbers) is numbers
    documents = [json.loads(span.attributes["gen_ai.retrieval.documents"]) for span in lenient.spans]
    assert documents[:2] == [[{"content": "[map]"}], [{"content": "[list_iterator]"}]]
    assert documents[2][0] == {"content": "0"}


def test_an_iterator_of_tools_is_left_to_the_application(lenient: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_ONLY))
    tools = iter([{"type": "function", "function": {"name": "search"}}])
    with otel_llm.chat_span("m", "own", messages="hi", tools=tools):
        pass
    assert len(list(tools)) == 1
