"""Verdicts for people: as spans below the judged span, and as they are stored beside items."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from otel_llm import semconv as s
from otel_llm.cli.terminal import clean
from otel_llm.evaluation.judges.kept import judged_span, results_of
from otel_llm.evaluation.results.store import ResultStore
from otel_llm.evaluation.results.verdict import Verdict
from otel_llm.traces.trees import Node, number

if TYPE_CHECKING:
    from otel_llm.evaluation.dataset.reader import Item

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("•", "cyan")}
_FAILED = ("!", "yellow")


def below(node: Node) -> list[Node]:
    """The verdicts on a span: those of its children that are shown in its own row."""
    return [child for child in node.children if child.is_verdict]


def facts(node: Node) -> Iterator[tuple[str, str]]:
    """Yield each verdict on a span, or the span itself if it is one, as a text and its style."""
    for verdict in [node] if node.is_verdict else below(node):
        attributes = verdict.span.attributes
        passed, error = attributes.get(s.LLM_EVALUATION_PASSED), attributes.get(s.ERROR_TYPE)
        score, label = number(attributes, s.EVALUATION_SCORE_VALUE), attributes.get(s.EVALUATION_SCORE_LABEL)
        yield _told(
            str(attributes.get(s.EVALUATION_NAME)),
            None if error is None else str(error),
            None if label is None else str(label),
            score,
            passed if isinstance(passed, bool) else None,
        )


def explanations(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the explanation of each verdict on a span, with the verdict's name."""
    for verdict in below(node):
        attributes = verdict.span.attributes
        if explanation := attributes.get(s.EVALUATION_EXPLANATION):
            yield str(attributes.get(s.EVALUATION_NAME)), str(explanation)


def stored(dataset: str | os.PathLike[str], name: str | None = None) -> list[Verdict]:
    """The verdicts on the items of a dataset, the oldest first; of the evaluator ``name``, if it is given.

    :raises DatasetError: if they can't be read.
    """
    path = results_of(dataset)
    return list(ResultStore(path).read(name=name)) if path.exists() else []


def of_item(item: Item, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those of ``verdicts`` that are of ``item``, also what people said of its whole trace."""
    spans = {judged_span(item), item.get("span_id"), None}
    return [one for one in verdicts if one.trace_id == item.get("trace_id") and one.span_id in spans]


def latest(verdicts: Iterable[Verdict]) -> dict[tuple[str | None, str | None], Verdict]:
    """The last of the ``verdicts`` on each span."""
    return {(verdict.trace_id, verdict.span_id): verdict for verdict in verdicts}


def told(verdict: Verdict) -> tuple[str, str]:
    """A verdict as a text, and its style."""
    return _told(verdict.name, verdict.error_type, verdict.label, verdict.score, verdict.passed)


def _told(name: str, error: str | None, label: str | None, score: float | None, passed: bool | None) -> tuple[str, str]:
    if error is not None:
        mark, style = _FAILED
        return clean(f"{mark} {name}: {error}"), style
    mark, style = _MARKS[passed]
    what = [label or "", "" if score is None else f"{score:.3g}"]
    return clean(" ".join([mark, name, *filter(None, what)])), style
