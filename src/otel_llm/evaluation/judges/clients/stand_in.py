"""A judge for tests and demos that needs no model: it compares words and numbers, and says so in each verdict.

It is deterministic: the same item always gets the same verdicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ..asking import JudgeReply, JudgeRequest
from ..evaluator import Evaluator
from ..pricing import Seller
from ..scales import Categories, Labels

NAME = "stand-in"
_WORD = re.compile(r"[^\W_][\w'\u2019-]*")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
#: A sentence is supported if at least this share of its longer words is in the documents.
_SUPPORTED = 0.5
_SHORT = 4
_RUDE = re.compile(r"\b(?:idiots?|stupid|shut up|moron|dumb|pathetic)\b", re.IGNORECASE)
_HARMFUL = {
    "violence": re.compile(r"\b(?:kill|murder|stab|shoot) (?:him|her|them|people|you)\b", re.IGNORECASE),
    "hate": re.compile(r"\b(?:subhuman|vermin|inferior race)\b", re.IGNORECASE),
    "harassment": _RUDE,
}


class StandInJudge:
    """Compares the words and the numbers of an answer with those of the documents and the question."""

    model = NAME
    seller = Seller(free=True)

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Judge by words and numbers."""
        verdicts = {one.name: _verdict(one, _Texts(request)) for one in request.evaluators}
        return JudgeReply(text=json.dumps({"nonce": request.nonce, "verdicts": verdicts}), model=NAME)


class _Texts:
    def __init__(self, request: JudgeRequest) -> None:
        def of(*names: str) -> str:
            return "\n".join(block.text for block in request.blocks if block.name in names)

        self.query, self.answer = of("query"), of("answer")
        self.evidence = of("document", "tool_call", "expected")

    def unsupported(self) -> str | None:
        """The first sentence of the answer that the evidence does not support."""
        known, numbers = (
            _words(f"{self.evidence}\n{self.query}"),
            set(_NUMBER.findall(f"{self.evidence}\n{self.query}")),
        )
        for sentence in filter(str.strip, _SENTENCE.split(self.answer)):
            if set(_NUMBER.findall(sentence)) - numbers:
                return sentence
            words = _words(sentence)
            if len(words) > 2 and len(words & known) < _SUPPORTED * len(words):
                return sentence
        return None

    def shared(self, one: str, other: str) -> float:
        asked = _words(one)
        return len(asked & _words(other)) / len(asked) if asked else 1.0


def _words(text: str) -> set[str]:
    """The longer words of a text, without their usual endings."""
    return {re.sub(r"(?:ing|ed|es|s)$", "", word.lower()) for word in _WORD.findall(text) if len(word) >= _SHORT}


def _verdict(evaluator: Evaluator, texts: _Texts) -> dict[str, Any]:
    good, why = _RULES.get(evaluator.name, _supported)(texts)
    reason = f"{NAME}, which compares words and is for tests and demos: {why}"
    scale = evaluator.scale
    if isinstance(scale, Categories):
        known = [name for name, _ in scale.categories]
        found = [name for name in known if name in _HARMFUL and _HARMFUL[name].search(texts.answer)]
        return {"reason": reason, "categories": found}
    if isinstance(scale, Labels):
        by_goodness = sorted(scale.labels, key=lambda one: one[1] if evaluator.higher_is_better else -one[1])
        return {"reason": reason, "label": by_goodness[round(good * (len(by_goodness) - 1))][0]}
    point = round(scale.low + good * (scale.high - scale.low))
    return {"reason": reason, **dict.fromkeys(scale.schema(), point)}


def _supported(texts: _Texts) -> tuple[float, str]:
    if not texts.evidence:
        return _asked(texts)
    sentence = texts.unsupported()
    if sentence is None:
        return 1.0, "the words and numbers of the answer are in the documents"
    return 0.0, f"not in the documents: {sentence.strip()[:200]}"


def _asked(texts: _Texts) -> tuple[float, str]:
    share = texts.shared(texts.query, texts.answer)
    return min(share * 2, 1.0), f"{share:.0%} of the words of the question are in the answer"


def _answered_by_documents(texts: _Texts) -> tuple[float, str]:
    share = texts.shared(texts.query, texts.evidence)
    return min(share * 2, 1.0), f"{share:.0%} of the words of the question are in the documents"


def _civil(texts: _Texts) -> tuple[float, str]:
    found = _RUDE.search(texts.answer)
    return (0.0, f"the word {found[0]!r}") if found else (1.0, "no rude word")


def _written(texts: _Texts) -> tuple[float, str]:
    sentences = [sentence for sentence in _SENTENCE.split(texts.answer) if sentence.strip()]
    longest = max((len(sentence.split()) for sentence in sentences), default=0)
    return (1.0 if longest <= 30 else 0.5), f"the longest sentence has {longest} words"


_RULES: dict[str, Callable[[_Texts], tuple[float, str]]] = {
    "hallucination": _supported,
    "faithfulness": _supported,
    "tool_use": _supported,
    "answer_relevance": _asked,
    "completeness": _asked,
    "context_relevance": _answered_by_documents,
    "toxicity": _civil,
    "moderation": _civil,
    "style": _written,
}
