"""The check for prompt injection as an evaluator of items: of what the user asked, and of the documents."""

from __future__ import annotations

from collections.abc import Iterator

from ..evaluation.dataset.reader import Item
from ..evaluation.judges.evaluator import Evaluator
from ..evaluation.judges.scales import Labels, Score
from .injection import NAME, scored
from .injections import PATTERNS


def prompt_injection(threshold: float = 0.5) -> Evaluator:
    """Finds prompt injections in questions and documents, by the patterns of the guardrail, from ``threshold`` on."""

    def judged(item: Item) -> Score:
        found = [(*scored(text), where) for where, text in _texts(item)]
        score, rule, where = max(found, key=lambda one: one[0])
        return Score(score, "found" if score >= threshold else "none", f"{rule} in {where}" if rule else "")

    return Evaluator(
        NAME,
        function=judged,
        needs=frozenset({"query"}),
        scale=Labels((("none", 0.0, ""), ("found", 1.0, ""))),
        higher_is_better=False,
        # What is at the threshold fails, as the guardrail blocks it.
        threshold=threshold - 1e-9,
        parameters={"threshold": threshold, "patterns": [(one.name, one.regex, one.weight) for one in PATTERNS]},
        version="1",
    )


def _texts(item: Item) -> Iterator[tuple[str, str]]:
    yield "the question", str(item.get("query") or "")
    for number, document in enumerate(item.get("context") or (), 1):
        content = document.get("content") if isinstance(document, dict) else document
        yield f"document {number}", str(content or "")
