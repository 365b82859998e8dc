"""Content is valid JSON within its limit, whatever goes in, and shaped as the conventions have it where that was."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from conformance import table
from otel_llm import ContentCapture, Settings
from otel_llm.content import messages
from otel_llm.content.bounding import encode
from otel_llm.content.encoding import dumps

LIMITS = (256, 300, 1000, 5000, 65536)
_WORDS = ["", "a", "Größe", "日本語", "🙂" * 40, '"quoted"\\', "\n\t\x00", "\ud800 lone", "x" * 3000, "…" * 500]


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str = "n"


class Stubborn:
    """An object that nothing can be done with."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def model_dump(self, **kwargs: Any) -> Any:
        raise RuntimeError("no")


def anything(rng: random.Random, depth: int) -> Any:
    """Any nested structure."""
    kind = rng.randrange(16 if depth else 11)
    if kind < 4:
        return rng.choice(_WORDS) * rng.randrange(1, 4)
    if kind < 11:
        return [0, -1.5, 2**70, None, True, float("nan"), float("-inf"), b"bytes", Model(), Stubborn(), {1, 2}][
            rng.randrange(11)
        ]
    children = [anything(rng, depth - 1) for _ in range(rng.randrange(12))]
    if kind == 11:
        return tuple(children)
    if kind == 12:
        return Model(**{f"f{place}": child for place, child in enumerate(children)})
    if kind == 13:
        return {place if place % 3 else rng.choice(_WORDS): child for place, child in enumerate(children)}
    return children if kind == 14 else {f"key {place}": child for place, child in enumerate(children)}


def message(rng: random.Random) -> dict[str, Any]:
    """A valid message, for input as for output."""
    words = lambda: rng.choice(_WORDS) * rng.randrange(3)  # noqa: E731
    parts: list[Any] = [
        {"type": "text", "content": words()},
        {"type": "reasoning", "content": words()},
        messages.tool_call("call-1", words(), words()),
        messages.tool_call("call-1", "f", json.dumps({"q": words(), "n": [1, 2]})),
        messages.tool_call_response("call-1", {"rows": [words()] * 20}),
        messages.blob("image", "image/png", "aGVsbG8=" * 300, capture_media=rng.random() < 0.5),
        messages.media("image", "https://example.org/a.png", False),
    ]
    role = rng.choice(["user", "assistant", "tool", "system"])
    return {"role": role, "parts": rng.choices(parts, k=rng.randrange(6)), "finish_reason": "stop"}


def check(items: list[Any], limit: int) -> tuple[str, bool]:
    text, cut = encode(items, limit)
    assert len(text.encode()) <= limit
    assert isinstance(json.loads(text, parse_constant=pytest.fail), list)
    return text, cut


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(40))
def test_any_structure(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    items = [anything(rng, 4) for _ in range(rng.randrange(1, 8))]
    kept = copy.deepcopy(items)
    text, cut = check(items, limit)
    assert _plain(items) == _plain(kept)  # the caller's own objects are as they were
    if not cut:
        assert text == dumps(items)
    else:
        assert "truncated" in text or "left out" in text


def _plain(value: Any) -> Any:
    """For comparing: NaN is not itself, and some objects are only where they are."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Model):
        return _plain(dict(value))
    return type(value) if isinstance(value, Stubborn) else (type(value), str(value))


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(40))
def test_valid_messages_stay_valid(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    items = [message(rng) for _ in range(rng.randrange(1, 60))]
    text, cut = check(items, limit)
    for attribute in ("gen_ai.input.messages", "gen_ai.output.messages"):
        assert list(table.value_problems(attribute, text, structured=False)) == []
    if not cut:
        assert json.loads(text) == json.loads(dumps(items))


@pytest.mark.parametrize("limit", LIMITS)
def test_valid_tools_stay_valid(limit: int) -> None:
    tools = [
        {"type": "function", "name": f"f{place}", "description": "d" * place * 9, "parameters": {"type": "object"}}
        for place in range(120)
    ]
    text, _ = check(tools, limit)
    assert list(table.value_problems("gen_ai.tool.definitions", text, structured=False)) == []


def test_the_first_and_the_last_messages_stay() -> None:
    items = [{"role": "user", "parts": [{"type": "text", "content": f"number {place}"}]} for place in range(500)]
    given = json.loads(check(items, 4096)[0])
    assert given[0] == items[0]
    assert given[-1] == items[-1]
    assert sum(one["role"] == "truncated" for one in given) == 1


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("limit", LIMITS)
def test_of_a_message_too_large_by_its_parts_the_first_and_the_last_stay(limit: int, before: int) -> None:
    """What a long run of a provider's own tools answers is one message."""
    parts = [messages.tool_call(f"call-{place}", "search", {"q": "w"}) for place in range(2000)]
    parts.append(messages.text("the answer"))
    short = {"role": "user", "parts": [messages.text("hi")]}
    items = [short] * before + [{"role": "assistant", "parts": parts, "finish_reason": "stop"}]
    text, cut = check(items, limit)
    assert cut
    assert list(table.value_problems("gen_ai.output.messages", text, structured=False)) == []
    if limit >= 1000:
        last = json.loads(text)[-1]
        assert last["finish_reason"] == "stop"
        assert last["parts"][-1] == parts[-1]


def test_long_texts_are_cut_before_messages_are_dropped() -> None:
    items = [{"role": "user", "parts": [{"type": "text", "content": words}]} for words in ("short", "x" * 9000, "end")]
    given = json.loads(check(items, 1000)[0])
    texts = [one["parts"][0]["content"] for one in given]
    assert (texts[0], texts[2]) == ("short", "end")
    assert texts[1].endswith("…[truncated 9000 bytes]")
    assert len(texts[1]) > 600


def test_a_character_is_not_cut_in_half() -> None:
    for limit in range(256, 300):
        check([{"role": "user", "parts": [{"type": "text", "content": "🙂" * 500}]}], limit)


@pytest.mark.parametrize("depth", [100, 400, 900, 5000])
@pytest.mark.parametrize("limit", [256, 65536])
def test_too_deep(depth: int, limit: int) -> None:
    value: Any = "bottom " * 100
    for _ in range(depth):
        value = [value]
    text, _ = check([{"role": "user", "parts": [{"type": "x", "value": value}]}], limit)
    if depth < 900:  # what checks it works recursively
        assert list(table.value_problems("gen_ai.input.messages", text, structured=False)) == []


def test_what_holds_itself_is_told_by_its_type_there() -> None:
    @dataclass
    class Node:
        name: str
        parent: Any = None
        children: list[Any] = field(default_factory=list)

    tree = Node("root")
    tree.children = [Node("leaf", tree)] * 2
    circle: dict[Any, Any] = {"score": float("nan"), float("inf"): (1, 2.5)}
    circle["itself"] = circle
    encoded, cut = encode([{"node": tree, "circle": circle}], 1000)
    (told,) = json.loads(encoded)
    assert told["node"]["parent"] is None
    assert [one["name"] for one in told["node"]["children"]] == ["leaf", "leaf"]
    assert [one["parent"].rpartition(".")[2] for one in told["node"]["children"]] == ["Node]", "Node]"]
    assert told["circle"] == {"score": "NaN", "Infinity": [1, 2.5], "itself": "[dict]"}
    assert not cut


def test_arguments_that_are_too_deep_stay_text() -> None:
    assert messages.tool_call("i", "f", "[" * 20000)["arguments"] == "[" * 20000


def test_a_model_that_does_not_fit_its_fields_does_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    check([Model.model_construct(name=5)], 1000)
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdefghijklmnop", "sk-1234567890***********abcd", "Bearer abcdef.ghijkl", "AKIAIOSFODNN7EXAMPLE",
     "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc"],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "key: {}.", "a\n{}\tb", '"{}"', "({})", "x={}&y"])
def test_secrets(secret: str, around: str) -> None:
    text, _ = check([{"role": "user", "parts": [{"type": "text", "content": around.format(secret)}]}], 1000)
    assert secret not in text
    assert "[SECRET]" in text


@pytest.mark.parametrize("words", ["task-force-of-many-words", "risk-assessment-document", "the bearer of bad news"])
def test_words_are_no_secrets(words: str) -> None:
    assert words in check([words], 1000)[0]


# --- as they are recorded --------------------------------------------------------------------------------


def test_a_prompt_of_500_messages(recorder: Any, client: Any) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
    asked: Any = [{"role": "user", "content": f"{place} " + "x" * 400} for place in range(500)]
    client.chat.completions.create(model="gpt-4o-mini", messages=asked)
    assert len(recorder.attributes) < 128
    assert recorder.attributes["otel_llm.content.truncated"] == ("gen_ai.input.messages",)
    assert len(recorder.attributes["gen_ai.input.messages"].encode()) <= 65536
    (event,) = recorder.logs
    for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
        assert _lists(event.attributes[name]) == json.loads(recorder.attributes[name])


def test_events_hold_no_object_of_the_callers(recorder: Any, client: Any) -> None:
    recorder.instrument(Settings(capture_content=ContentCapture.EVENT_ONLY))
    answer = client.responses.create(model="m", input="hi", tools=[{"type": "web_search"}])
    (event,) = recorder.logs
    content = {name: value for name, value in event.attributes.items() if "messages" in name or "tool" in name}
    assert json.loads(json.dumps(_lists(content))) == _lists(content)
    assert answer.output


def _lists(value: Any) -> Any:
    """With lists for the tuples that attributes are stored as."""
    if isinstance(value, list | tuple):
        return [_lists(one) for one in value]
    return {key: _lists(one) for key, one in value.items()} if hasattr(value, "items") else value
