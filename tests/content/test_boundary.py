"""What is kept of the texts that passed the boundary."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from otel_llm import Settings
from otel_llm.content import boundary
from otel_llm.content.scrubbing import SECRETS
from otel_llm.core.telemetry import Telemetry

_KEY = "sk-" + "0a" * 16
#: As long as what follows ``chatcmpl-`` in OpenAI's ids.
_RANDOM = "B9MBs8CjcvOU2jLn4n570S5qMJKcT"


def test_a_bounded_number_of_clean_texts_is_kept() -> None:
    for number in range(10_000):
        boundary.clean_text(f"request {number}")
    assert len(boundary.SHARED._known) <= 4096
    long = "x" * 257
    assert boundary.clean_text(long) == long
    assert long not in boundary.SHARED._known


@pytest.mark.parametrize("name", ["otel_llm.langchain.run_id", "gen_ai.response.id", "otel_llm.request.id"])
@pytest.mark.parametrize(
    "text",
    [
        str(UUID(int=2**127 + 7)),
        "resp_" + "0a" * 16,
        "req_" + "f1" * 16,
        "chatcmpl-" + "0a" * 16,
        "chatcmpl-" + _RANDOM,
    ],
)
def test_ids_that_are_new_for_each_call_are_not_kept(name: str, text: str) -> None:
    assert boundary.clean_text(text, name) == text
    assert text not in boundary.SHARED._known
    assert (name, text) not in boundary.SHARED._known_there


@pytest.mark.parametrize("key", [_KEY, "hf_" + "0a" * 16, "rk-" + "12345678-" * 4])
def test_a_credential_is_no_such_id(key: str) -> None:
    assert boundary.clean_text(key, "gen_ai.response.id") == "[SECRET]"


def test_a_credential_behind_the_start_of_such_an_id_is_found() -> None:
    keys = [example for pattern in SECRETS for example in pattern.examples]
    for start in ("chatcmpl-", "cmpl-", "gen-", "msg_", "resp_", "req_", "run-", "run--"):
        for key in keys:
            assert boundary.clean_text(start + key, "gen_ai.response.id") == boundary.clean_text(start + key, "id")


class Odd(str):
    """A text of the application's own type, whose code is not to be called."""

    def __hash__(self) -> int:
        raise AssertionError

    def __eq__(self, other: object) -> bool:
        raise AssertionError


@pytest.mark.parametrize("kind", [str, list, tuple])
def test_values_of_other_types_are_cleaned_each_time(kind: Any) -> None:
    key = Odd(_KEY)
    value: Any = key if kind is str else kind([key])
    for _ in range(2):
        attributes: dict[str, Any] = {"name": "a", "count": 1, "value": value}
        boundary.clean(attributes)
        assert "".join(attributes["value"]).startswith("[SECRET]")


def test_a_text_is_known_where_it_stands() -> None:
    boundary.SHARED.use(Settings(redact=("pii",)))
    for _ in range(2):
        attributes = {"gen_ai.request.model": "jane@example.com", "mail": "jane@example.com", "count": 3, "on": True}
        boundary.clean(attributes)
        assert attributes == {"gen_ai.request.model": "jane@example.com", "mail": "[EMAIL]", "count": 3, "on": True}


def test_attributes_like_the_last_ones_are_cleaned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = {"model": "m", "reasons": ("stop",), "seed": 3}
    for _ in range(3):
        boundary.clean(attributes)
    with monkeypatch.context() as patch:
        patch.setattr(boundary.SHARED, "_clean", None)
        boundary.clean(dict(attributes))
    for changed in ({"model": _KEY}, {"reasons": (_KEY,)}, {_KEY: 3}, {"reasons": [_KEY]}):
        others: dict[str, Any] = {**attributes, **changed}
        boundary.clean(others)
        assert _KEY not in str({name: value for name, value in others.items() if name != _KEY})


def test_a_list_that_changes_is_cleaned_again() -> None:
    tags = ["a"]
    for _ in range(3):
        boundary.clean({"tags": tags})
    tags[0] = _KEY
    attributes = {"tags": tags}
    boundary.clean(attributes)
    assert attributes == {"tags": ["[SECRET]"]}


def test_a_new_policy_holds_for_attributes_like_the_last_ones() -> None:
    attributes = {"mail": "jane@example.com"}
    for _ in range(3):
        boundary.clean(attributes)
    assert attributes == {"mail": "jane@example.com"}
    boundary.SHARED.use(Settings(redact=("pii",)))
    boundary.clean(attributes)
    assert attributes == {"mail": "[EMAIL]"}


def test_a_name_is_cleaned_though_its_value_is_known() -> None:
    for _ in range(2):
        attributes: dict[str, Any] = {"name \ud800": 7}
        boundary.clean(attributes)
        assert attributes == {"name ?": 7}


def test_the_policy_is_made_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for a library on the disk, which a call must not wait for."""
    boundary.SHARED.use(None)
    telemetry = Telemetry("otel_llm.test", Settings(redact=("pii",)))
    assert telemetry.settings.redact == ("pii",)
    monkeypatch.setattr(boundary.SHARED, "_load", None)
    assert boundary.clean_text("jane@example.com") == "[EMAIL]"
