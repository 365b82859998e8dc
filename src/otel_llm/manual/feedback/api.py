"""Recording feedback, and tokens by which a browser can give it."""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import Any

from opentelemetry import context as otel_context

from ... import guard
from ... import semconv as s
from ...content.boundary import SHARED as BOUNDARY
from ...evaluation.results.labels import Label
from ...evaluation.sampling.feedback import SHARED as HEARERS
from ...evaluation.sampling.feedback import Said
from ...propagation import feedback_tokens, state
from ...propagation.feedback_tokens import DEFAULT_EXPIRY, TokenError
from ...propagation.targets import Target
from ...propagation.validation import identifier
from . import given
from .desk import SHARED, Submission
from .given import GivenTarget


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of feedback.

    :param recorded: whether it is recorded: as an event, a span and a metric, and in the dataset if there is one.
    :param reason: why it is not: ``invalid_token``, ``expired_token``, ``no_target`` (nothing is traced),
        ``nothing_said`` (no value could be used), ``repeated`` (it was recorded before), ``too_much`` or ``error``.
    :param trace_id: the trace that it is about, if that is known by now.
    :param held: whether an evaluation sampler of this process still holds the trace, so that a rule can take it.
    :param left_out: which of ``comment`` and ``correction`` were given and are not recorded: content is not captured,
        it is hidden, or, of a correction, there is no dataset for it.
    """

    recorded: bool
    reason: str | None = None
    trace_id: str | None = None
    held: bool = False
    left_out: tuple[str, ...] = ()


def record_feedback(
    name: str,
    *,
    score: float | bool | None = None,
    label: str | None = None,
    comment: str | None = None,
    correction: str | None = None,
    target: GivenTarget = None,
    submitter: str | None = None,
    scale: str = "0-1",
) -> Feedback:
    """Record what a person says of an answer: ``otel_llm.record_feedback("thumbs", label="down", target=token)``.

    ``name`` says what was asked, in one of few words. ``score`` is a number on ``scale`` (``"0-1"``, ``"1-5"``), and
    ``label`` a word, such as ``up`` or ``down``; a thumb without a score has 1 or 0. ``comment`` and ``correction``,
    the answer that the person would have wanted, are content: recorded only where content is captured, as the content
    policy has it.

    ``target`` is what the feedback is about: a token of :func:`otel_llm.feedback_token`; a span, or its context; or a
    mapping with ``trace_id``, ``trace_id`` and ``span_id``, ``response_id``, ``conversation_id``, or an attribute that
    spans carry (``{"app.ticket": "T-7"}``; a name without a dot is that of metadata). By default it is the current
    trace. A text is always taken as a token, so one that a browser sent can be passed on.

    ``submitter`` is the id of the person (default: the current user). Of several with the same target, submitter and
    name, the newest is in force, and the earlier ones are kept. The same again changes nothing.

    It does not wait: a thread records it. Odd values are converted, or left out with a warning, and a token that is
    forged or has expired is not an error: the result tells.

    :raises ValueError: if ``name`` is empty, nothing is said, a mapping names no target, or a token is given and there
        is no ``OTEL_LLM_FEEDBACK_KEY``.
    :raises TypeError: if ``target`` is nothing that can be one.
    """
    if name is None or name == "":
        raise ValueError("feedback needs a name, such as thumbs")
    if score is None and label is None and comment is None and correction is None:
        raise ValueError("feedback needs a score, a label, a comment or a correction")
    try:
        found = given.target_of(target)
    except TokenError as error:
        return Feedback(False, f"{error.reason}_token")
    if found is None:
        return Feedback(False, "no_target")
    words = {"label": label, "comment": comment, "correction": correction}
    return _record(name, score, words, found, submitter, scale) or Feedback(False, "error", found.trace_id)


@guard.never_raise
def _record(name: Any, score: Any, words: dict[str, Any], target: Target, submitter: Any, scale: Any) -> Feedback:
    label = given.label_of(words["label"])
    number = given.score_of(score)
    number = given.score_of_label(label) if number is None else number
    if isinstance(score, bool) and label is None:
        label = "up" if score else "down"
    dataset = SHARED.dataset()
    kept, left_out = _content(words, stored=dataset is not None)
    if number is None and label is None and not kept and not left_out:
        return Feedback(False, "nothing_said", target.trace_id)
    trace_id, span_id = target.trace_id, target.span_id
    if trace_id is None and (place := HEARERS.find(target.attribute, target.value)) is not None:
        trace_id, span_id = place
    known_name = identifier("the name of feedback", name, s.EVALUATION_NAME) or "feedback"
    known_scale = identifier("the scale of feedback", scale, s.LLM_EVALUATION_SCALE) or "0-1"
    said = Label(
        target.identity,
        known_name,
        _submitter(submitter),
        trace_id,
        span_id,
        number,
        known_scale,
        label,
        kept.get("comment"),
        kept.get("correction"),
        time(),
    )
    if SHARED.repeats(said):
        return Feedback(False, "repeated", trace_id, left_out=left_out)
    held = trace_id is not None and HEARERS.hear(trace_id, Said(known_name, number, label, known_scale))
    if not SHARED.submit(Submission(target, said, dataset)):
        SHARED.forget(said)
        return Feedback(False, "too_much", trace_id, held, left_out)
    return Feedback(True, None, trace_id, held, left_out)


def _submitter(submitter: Any) -> str:
    if submitter is None and (around := state.of(otel_context.get_current())) is not None:
        submitter = around.user_id
    return identifier("the submitter of feedback", submitter, s.USER_ID) or ""


def _content(words: dict[str, Any], stored: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """The comment and the correction as they may be recorded, and which of them are left out."""
    keeps = SHARED.keeps_content() and BOUNDARY.shows_errors
    kept: dict[str, str] = {}
    left_out: list[str] = []
    for what in ("comment", "correction"):
        if words[what] is None:
            continue
        wanted = keeps and (stored or what == "comment")
        text = given.content(words[what], SHARED.settings.content_max_bytes) if wanted else None
        if text is not None:
            kept[what] = text
        else:
            left_out.append(what)
    return kept, tuple(left_out)


def feedback_token(target: GivenTarget = None, *, expires_in: float = DEFAULT_EXPIRY) -> str | None:
    """A token by which a browser can give feedback on ``target`` (as for :func:`record_feedback`).

    It holds the ids of the target and the time of its end, ``expires_in`` seconds from now, and is signed with
    ``OTEL_LLM_FEEDBACK_KEY``. ``None``: the target is the current trace, and there is none.

    :raises ValueError: if there is no key, or a mapping names no target.
    :raises TypeError: if ``target`` is nothing that can be one.
    """
    feedback_tokens.SHARED.require_key()
    found = given.target_of(target)
    return None if found is None else feedback_tokens.SHARED.issue(found, expires_in)
