"""What ``otel_llm.propagate_attributes`` takes, how it is bounded and converted, and what it refuses."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from saying import said

import otel_llm
from otel_llm import Experiment, Prompt
from otel_llm.propagation import validation


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
