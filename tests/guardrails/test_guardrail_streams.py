"""A stream is checked as the whole text is, wherever it is cut into chunks, and nothing unchecked is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.guardrails import Action, Check, Guardrails, Result, json_schema, max_length, pii, regex, secrets
from otel_llm.guardrails import stream as streams
from otel_llm.guardrails.stream import Stream

KEY = "gsk_A1b2C3d4E5f6G7h8I9j0A1b2C3d4E5f6G7h8I9j0"
#: Words between which others come, and what is to be found.
FILLING = ["so ", "the report says that ", "ok, ", "\n", "und ", "x=1; ", "中文字 ", "(see above) ", "é "]
FOUND = [
    "jane.doe@example.com ",
    "+49 30 90182055, ",
    "4111 1111 1111 1111 ",
    "219-09-9999\n",
    KEY + " ",
    "203.0.113.7, ",
]
OVERLAP = 64


def passed(guardrails: Guardrails, chunks: Iterable[str], overlap: int = OVERLAP) -> tuple[str, Stream]:
    checked = Stream(guardrails, overlap)
    released = "".join([*(checked.feed(chunk) for chunk in chunks), checked.finish()])
    checked.close()
    return released, checked


def chunks_of(text: str, cuts: Iterable[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


texts = st.lists(st.sampled_from(FILLING + FOUND), min_size=1, max_size=30).map("".join)
cuts = st.lists(st.integers(0, 2000), max_size=40)


@settings(max_examples=150, deadline=None)
@given(texts, cuts)
def test_a_stream_is_redacted_as_the_whole_is(text: str, cuts: list[int]) -> None:
    guardrails = Guardrails(output=[pii(), secrets()])
    released, checked = passed(guardrails, chunks_of(text, cuts))
    assert released == guardrails.check_output(text).text
    assert checked.blocked is None


def test_every_place_at_which_a_find_is_cut() -> None:
    guardrails = Guardrails(output=[pii(), secrets()])
    text = "a" * 70 + f" write to jane.doe@example.com or +49 30 90182055, key {KEY} " + "b " * 50
    whole = guardrails.check_output(text).text
    for first in range(len(text)):
        for second in (first + 1, first + 5, first + 40):
            assert passed(guardrails, chunks_of(text, [first, min(second, len(text))]))[0] == whole


@settings(max_examples=150, deadline=None)
@given(texts, texts, cuts)
def test_a_block_lets_nothing_out_of_what_is_blocked(before: str, after: str, cuts: list[int]) -> None:
    guardrails = Guardrails(output=[pii(), regex(r"the secret plan of \w+")])
    text = f"{before}the secret plan of ACME {after}"
    released, checked = passed(guardrails, chunks_of(text, cuts))
    assert checked.blocked is not None
    assert checked.blocked.check == "regex"
    assert guardrails.check_output(before).text.startswith(released) or pii_of(text).startswith(released)
    assert "the secret" not in released


def pii_of(text: str) -> str:
    return Guardrails(output=[pii()]).check_output(text).text


def test_one_character_at_a_time_nothing_leaves_before_it_is_certain() -> None:
    """A key that seems to be complete may go on: its end must not leak."""
    text = f"the key is {KEY}, good"
    checked = Stream(Guardrails(output=[secrets()]), 8)
    released = ""
    for character in text:
        released += checked.feed(character)
        assert text.startswith(released) or "[SECRET]" in released
        assert "gsk_" not in released
    assert released + checked.finish() == "the key is [SECRET], good"


def test_text_is_passed_on_as_it_comes() -> None:
    checked = Stream(Guardrails(output=[pii()]), 20)
    assert checked.feed("a word, and more words to come, ") != ""
    chinese = Stream(Guardrails(output=[pii()]), 20)
    assert chinese.feed("没有空格的语言也要一直往前流动不能等到最后才放行否则用户会等很久") != ""


def test_a_word_without_end_is_blocked() -> None:
    released, checked = passed(Guardrails(output=[pii()]), ["x" * 1000] * (streams.LONGEST // 1000 + 2))
    assert released == ""
    assert checked.blocked is not None
    assert checked.blocked.reason == "too_long_to_hold"


def test_a_length_is_that_of_the_whole_stream() -> None:
    released, checked = passed(Guardrails(output=[max_length(10)]), ["1234 "] * 3)
    assert checked.blocked is not None
    assert checked.blocked.reason == "too_long"
    released, checked = passed(Guardrails(output=[max_length(12, action=Action.REDACT)]), ["1234 "] * 3)
    assert (released, checked.blocked, checked.full) == ("1234 1234 12", None, True)


def test_json_is_passed_on_at_the_end() -> None:
    checked = Stream(Guardrails(output=[json_schema(), pii()]))
    assert checked.feed('{"mail": "jane@') == ""
    assert checked.feed('example.com"}' + " " * 1000) == ""
    assert checked.finish().strip() == '{"mail": "[EMAIL]"}'
    assert passed(Guardrails(output=[json_schema()]), ['{"a":'])[1].blocked is not None


# --- functions of the application ------------------------------------------------------------------


def no_jane(text: str) -> Result | None:
    return Result(Action.REDACT, "name", text.replace("Jane Doe", "[NAME]")) if "Jane Doe" in text else None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*FILLING, "Jane Doe ", "Jane ", "jane.doe@example.com "]), max_size=40), cuts)
def test_a_function_redacts_a_stream_as_the_whole(words: list[str], cuts: list[int]) -> None:
    text = "".join(words)
    guardrails = Guardrails(output=[pii(), no_jane])
    released, _ = passed(guardrails, chunks_of(text, cuts), overlap=32)
    assert released == guardrails.check_output(text).text


def test_a_function_sees_all_before_it_is_passed_on_and_nothing_personal() -> None:
    seen: list[str] = []

    def look(text: str) -> None:
        seen.append(text)

    checked = Stream(Guardrails(output=[look, pii()]), OVERLAP)
    released = ""
    for chunk in ["A sentence of some length, and jane@example.com, "] * 60:
        released += checked.feed(chunk)
        assert len(released) <= sum(len(text) for text in seen)
    released += checked.finish()
    assert released == "A sentence of some length, and [EMAIL], " * 60
    assert not any("jane" in text for text in seen)
    assert all(text in released for text in seen)
    assert len(seen) < 15


def test_a_function_can_want_all_at_once() -> None:
    seen: list[str] = []

    def look(text: str) -> Result:
        seen.append(text)
        return Result(Action.BLOCK, "bad")

    released, checked = passed(Guardrails(output=[Check("own", look, stream="whole")]), ["a " * 400] * 3)
    assert (released, len(seen), len(seen[0])) == ("", 1, 2400)
    assert checked.blocked is not None


def test_coroutines() -> None:
    async def judge(text: str) -> Result | None:
        await asyncio.sleep(0)
        return Result(Action.BLOCK, "bad") if "bad word" in text else None

    async def program(chunks: list[str]) -> tuple[str, Any]:
        checked = Stream(Guardrails(output=[judge, pii()]))
        released = "".join([*[await checked.afeed(chunk) for chunk in chunks], await checked.afinish()])
        return released, checked.blocked

    released, blocked = asyncio.run(program(["fine, jane@exa", "mple.com. "] * 60))
    assert (released, blocked) == ("fine, [EMAIL]. " * 60, None)
    released, blocked = asyncio.run(program(["fine. "] * 200 + ["a bad ", "word"] + ["fine. "] * 200))
    assert blocked is not None
    assert released
    assert "bad" not in released


def test_a_check_that_fails_blocks_the_stream_unless_it_is_open(quiet: Any) -> None:
    def broken(text: str) -> None:
        raise RuntimeError

    assert passed(Guardrails(output=[broken]), ["a"])[1].blocked is not None
    released, checked = passed(Guardrails(output=[broken], fail="open"), ["a"])
    assert (released, checked.blocked) == ("a", None)
    quiet.clear()


@pytest.mark.parametrize("character", ["a", "@", "1 ", "-----BEGIN PRIVATE KEY-----\n", "sk-", "eyJ", " "])
def test_no_stream_is_held_back_without_end(character: str) -> None:
    checked = Stream(Guardrails(output=[pii(), secrets()]))
    for _ in range(40):
        checked.feed(character * 4096)
        assert len(checked._held) <= streams.LONGEST + 4096 * len(character)
