"""What is kept of the texts that passed the boundary."""

from __future__ import annotations

from uuid import UUID

import pytest

from otel_llm import Settings
from otel_llm.content import boundary
from otel_llm.core.telemetry import Telemetry


def test_a_bounded_number_of_clean_texts_is_kept() -> None:
    for number in range(10_000):
        boundary.clean_text(f"request {number}")
    assert len(boundary.SHARED._known) <= 4096
    long = "x" * 257
    assert boundary.clean_text(long) == long
    assert long not in boundary.SHARED._known


@pytest.mark.parametrize("name", ["otel_llm.langchain.run_id", "gen_ai.response.id", "otel_llm.request.id"])
@pytest.mark.parametrize("text", [str(UUID(int=2**127 + 7)), "resp_" + "0a" * 16, "req_" + "f1" * 16])
def test_ids_that_are_new_for_each_call_are_not_kept(name: str, text: str) -> None:
    assert boundary.clean_text(text, name) == text
    assert text not in boundary.SHARED._known
    assert (name, text) not in boundary.SHARED._known_there


@pytest.mark.parametrize("key", ["sk-" + "0a" * 16, "hf_" + "0a" * 16, "rk-" + "12345678-" * 4])
def test_a_credential_is_no_such_id(key: str) -> None:
    assert boundary.clean_text(key, "gen_ai.response.id") == "[SECRET]"


def test_the_policy_is_made_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for a library on the disk, which a call must not wait for."""
    boundary.SHARED.use(None)
    telemetry = Telemetry("otel_llm.test", Settings(redact=("pii",)))
    assert telemetry.settings.redact == ("pii",)
    monkeypatch.setattr(boundary.SHARED, "_load", None)
    assert boundary.clean_text("jane@example.com") == "[EMAIL]"
