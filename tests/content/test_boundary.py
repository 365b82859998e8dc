"""What is kept of the texts that passed the boundary."""

from __future__ import annotations

from otel_llm.content import boundary


def test_a_bounded_number_of_clean_texts_is_kept() -> None:
    for number in range(10_000):
        boundary.clean_text(f"request {number}")
    assert len(boundary.SHARED._known) <= 4096
    long = "x" * 257
    assert boundary.clean_text(long) == long
    assert long not in boundary.SHARED._known
