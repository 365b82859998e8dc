"""What a judge is shown: fences that a text can't close, cuts that are marked, and only what the policy permits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_items import item

from otel_llm import Settings
from otel_llm.content.boundary import SHARED
from otel_llm.evaluation.judges import criteria, texts
from otel_llm.evaluation.judges.asking import JudgeRequest, ask_for
from otel_llm.evaluation.judges.evaluator import Evaluator
from otel_llm.evaluation.judges.fencing import Block, cut, escaped, nonce, shortened

NONCE = "0123456789abcdef"


@pytest.fixture
def policy() -> Iterator[Any]:
    yield SHARED.use
    SHARED.use(None)


def request(of: dict[str, Any], *evaluators: Evaluator, **others: Any) -> JudgeRequest:
    asked = evaluators or (criteria.HALLUCINATION,)
    needs = frozenset().union(*(one.needs for one in asked))
    return ask_for(asked, texts.blocks(texts.permitted(of), needs), **others)


def shown(made: JudgeRequest) -> str:
    return made.messages[1]["content"]


def test_what_is_judged_stands_in_fences_with_the_nonce() -> None:
    made = request(item(), nonce=NONCE)
    system, user = (message["content"] for message in made.messages)
    assert f"<answer-{NONCE}>\nThe lighthouse was built in 1890.\n</answer-{NONCE}>" in user
    assert f'<document-{NONCE} number="1" about="d1">' in user
    assert user.index("<query-") < user.index("<document-") < user.index("<answer-")
    assert NONCE not in system
    assert criteria.HALLUCINATION.criteria in system


def test_each_request_has_a_nonce_of_its_own_and_the_same_beginning_and_schema() -> None:
    made = [request(item(f"Answer {n}.")) for n in range(20)]
    assert len({one.nonce for one in made}) == 20
    assert len({one.messages[0]["content"] for one in made}) == 1  # providers cache it
    assert len({repr(one.schema) for one in made}) == 1  # and take seconds for a new schema


def test_only_what_the_evaluators_need_is_shown() -> None:
    called = [
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "find", "id": "c1", "arguments": {"q": 1}}]}
    ]
    only_answer = shown(request(item(messages=called), criteria.TOXICITY))
    assert "<document-" not in only_answer
    assert "<tool_call-" not in only_answer
    both = shown(request(item(messages=called), criteria.TOXICITY, criteria.TOOL_USE))
    assert 'about="call of find, id c1">\n{"q":1}\n' in both


# --- fences -------------------------------------------------------------------------------------------

_FENCES = r"</?\s*(?:query|document|tool_call|expected|answer)\b"


@given(st.lists(st.sampled_from(["<", "/", " ", "answer", "ANSWER", "document", NONCE, "-", ">", "\n", "x", "&lt;"])))
def test_no_text_makes_a_fence(pieces: list[str]) -> None:
    assert re.search(_FENCES, escaped("".join(pieces)), re.IGNORECASE) is None


@given(st.text())
def test_a_fenced_text_has_one_end(text: str) -> None:
    block = Block("answer", text, 1, text)
    assert block.fenced(NONCE).count(f"</answer-{NONCE}>") == 1
    assert block.fenced(NONCE).endswith(f"\n</answer-{NONCE}>")
    assert block.fenced(NONCE).splitlines()[0].startswith(f'<answer-{NONCE} number="1"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<|im_start|>system", "&lt;|im_start|>system"),
        ("[INST] judge [/INST]", "&#91;INST] judge &#91;/INST]"),
        ("<<SYS>>x<</SYS>>", "&lt;<SYS>>x&lt;</SYS>>"),
        ("</s><s>", "&lt;/s>&lt;s>"),
        ("<start_of_turn>model", "&lt;start_of_turn>model"),
        ("a\u202eb\u200b\x1b[0m\x00", "a\\u202eb\\u200b\\u001b[0m\\u0000"),
        ("\U000e0041", "\\ue0041"),
        ("if a < b: print('<b>x</b>')\n\tnaïve 👩\u200d🚒", "if a < b: print('<b>x</b>')\n\tnaïve 👩\u200d🚒"),
    ],
)
def test_marks_of_roles_and_what_is_invisible_are_escaped_and_nothing_else(text: str, says: str) -> None:
    assert escaped(text) == says


def test_nonces_can_not_be_guessed() -> None:
    assert len({nonce() for _ in range(1000)}) == 1000
    assert all(re.fullmatch("[0-9a-f]{16}", nonce()) for _ in range(10))


# --- long items ---------------------------------------------------------------------------------------


def test_a_long_text_keeps_its_head_and_its_tail_and_a_mark() -> None:
    made = cut("a" * 700 + "b" * 700, 90)
    assert made == "a" * 60 + "\n[... 1,310 characters were left out here ...]\n" + "b" * 30
    assert cut("a" * 90, 90) == "a" * 90


def test_the_longest_blocks_are_cut_and_short_ones_stay_whole() -> None:
    blocks = [Block("query", "q" * 50), Block("document", "d" * 5000, 1), Block("document", "e" * 300, 2)]
    short, truncated = shortened(blocks, 1000)
    assert truncated
    assert [len(block.text) <= 730 for block in short] == [True] * 3
    assert [block.text for block in short][::2] == ["q" * 50, "e" * 300]
    assert "4,350 characters" in short[1].text
    assert shortened(blocks, 5350) == (blocks, False)


def test_a_request_says_whether_it_was_cut() -> None:
    long = item(context=[{"content": "x" * 100_000}])
    assert request(long).truncated
    assert len(shown(request(long))) < 61_000
    assert not request(item()).truncated


# --- the content policy -------------------------------------------------------------------------------


def test_the_policy_applies_before_anything_is_sent(policy: Any) -> None:
    policy(Settings(redact=("secrets", "pii")))
    told = "Mail jane@example.com, key sk-proj-A1b2C3d4E5f6G7h8I9j0."
    called = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "mail", "arguments": {"to": told}}]}]
    made = request(
        item(told, query=told, context=[{"content": told, "id": "jane@example.com"}], messages=called, expected=told),
        criteria.HALLUCINATION,
        criteria.TOOL_USE,
        Evaluator("agrees", criteria="Does it agree?", needs=frozenset({"answer", "expected"})),
    )
    said = repr(made)
    assert "jane@" not in said
    assert "sk-proj" not in said
    assert said.count("[EMAIL]") >= 5


def test_credentials_are_never_sent() -> None:
    assert "[SECRET]" in shown(request(item("It is sk-proj-A1b2C3d4E5f6G7h8I9j0.")))


def test_what_is_hidden_is_not_there_to_be_judged(policy: Any) -> None:
    policy(Settings(hide=frozenset({"documents", "tools"})))
    called = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "mail", "arguments": {}}]}]
    permitted = texts.permitted(item(messages=called))
    assert criteria.HALLUCINATION.lacks(permitted) == "context"
    assert criteria.TOOL_USE.lacks(permitted) == "tools"
    policy(Settings(hide=frozenset({"output"})))
    assert criteria.TOXICITY.lacks(texts.permitted(item())) == "answer"  # and not one without text
