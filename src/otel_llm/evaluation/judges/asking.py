"""What a judge is asked: one structured request for one or more evaluators, and what the client returns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .evaluator import Evaluator
from .fencing import FRAME, QUESTIONED, Block, shortened
from .fencing import nonce as new_nonce
from .scales import Json

#: The most characters of an item that a judge is shown.
MAX_CHARACTERS = 60_000
#: Tokens that a judge may take for a verdict with its reason, and for the rest of the reply. Models that think first
#: need more, which a client may add.
_TOKENS_OF_A_VERDICT, _TOKENS_AROUND = 200, 100
_DIRECTIONS = {True: "Higher is better.", False: "Lower is better."}


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """What is asked of a judge. A client sends ``messages``, and has the reply follow ``schema`` if it can.

    ``evaluators`` are those that are asked for, ``blocks`` the texts that are shown between fences with the ``nonce``.
    A reply needs at most ``max_output_tokens``. ``truncated``: the item was too long to be shown as a whole.
    """

    evaluators: tuple[Evaluator, ...]
    blocks: tuple[Block, ...]
    nonce: str
    messages: tuple[Mapping[str, str], ...]
    schema: Json
    max_output_tokens: int
    truncated: bool = False

    @property
    def characters(self) -> int:
        """The characters of the messages and the schema, for an estimate of the tokens."""
        return sum(len(message["content"]) for message in self.messages) + len(repr(self.schema))

    def again(self, reply: str, reason: str) -> JudgeRequest:
        """The request to repair ``reply``, which can't be used because of ``reason``."""
        return replace(
            self,
            messages=(
                *self.messages,
                {"role": "assistant", "content": reply},
                {
                    "role": "user",
                    "content": f"This reply can't be used: {reason}. Reply again, with one JSON object only, as the"
                    f" first message says. The nonce is {self.nonce}.",
                },
            ),
        )

    def with_schema(self) -> tuple[Mapping[str, str], ...]:
        """The messages, for a client that can't have the reply follow a schema: they contain it."""
        first, *others = self.messages
        schema = json.dumps(self.schema, ensure_ascii=False)
        return ({**first, "content": f"{first['content']}\n\nThe JSON Schema of the reply:\n{schema}"}, *others)

    def questions(self) -> list[Json]:
        """The criteria as questions of OpenAI's decisions, about :meth:`evidence`."""
        return [
            question
            for evaluator in self.evaluators
            for question in evaluator.scale.questions(evaluator.name, _criteria(evaluator))
        ]

    def frame(self) -> str:
        """What :meth:`evidence` is, for a judge that is asked questions."""
        return f"{QUESTIONED}\nThe nonce is {self.nonce}."

    def evidence(self) -> str:
        """The texts in their fences."""
        return "\n\n".join(block.fenced(self.nonce) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """What a judge replied: a ``text``, or the ``answers`` to the questions of a request, in their order.

    ``model`` is the one that replied, ``response_id`` the provider's id. ``usage`` has tokens by the attributes of the
    conventions (``gen_ai.usage.input_tokens``); it is empty if none were told.
    """

    text: str | None = None
    answers: Sequence[Json] | None = None
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    response_id: str | None = None


class JudgeClient(Protocol):
    """Asks a judge. Implement it for a judge that is not supported; it is called from several tasks at once."""

    @property
    def model(self) -> str:
        """The model that judges, as its provider names it."""
        ...

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Ask ``request`` of the judge. What is raised becomes the ``error_type`` of the verdicts."""
        ...


class JudgeRefusedError(Exception):
    """The judge declined to judge."""


def ask_for(
    evaluators: Sequence[Evaluator],
    blocks: Sequence[Block],
    *,
    max_characters: int = MAX_CHARACTERS,
    nonce: str | None = None,
) -> JudgeRequest:
    """The request for the verdicts of ``evaluators`` on what ``blocks`` show."""
    nonce = nonce or new_nonce()
    shown, truncated = shortened(blocks, max_characters)
    criteria = "\n\n".join(f'Criterion "{one.name}":\n{_criteria(one)}' for one in evaluators)
    evidence = "\n\n".join(block.fenced(nonce) for block in shown)
    ending = f"Now judge the answer. The nonce is {nonce}. Reply with the JSON object only."
    return JudgeRequest(
        tuple(evaluators),
        tuple(shown),
        nonce,
        (
            {"role": "system", "content": f"{FRAME}\n{criteria}"},
            {"role": "user", "content": f"The nonce is {nonce}.\n\n{evidence}\n\n{ending}"},
        ),
        _schema(evaluators),
        _TOKENS_AROUND + _TOKENS_OF_A_VERDICT * len(evaluators),
        truncated,
    )


def _criteria(evaluator: Evaluator) -> str:
    steps = "".join(f"\n{number}. {step}" for number, step in enumerate(evaluator.steps, 1))
    return f"{evaluator.criteria}{steps and chr(10) + 'Steps:' + steps}\n{_DIRECTIONS[evaluator.higher_is_better]}"


def _schema(evaluators: Sequence[Evaluator]) -> Json:
    """The same for all items, because providers take seconds for a schema that they have not seen before."""
    verdicts = {one.name: _object({"reason": {"type": "string"}, **one.scale.schema()}) for one in evaluators}
    return _object({"nonce": {"type": "string"}, "verdicts": _object(verdicts)})


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
