"""What counts tokens: vocabularies by the names of models, files, tiktoken's cache; nothing is ever downloaded."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from otel_llm import Settings
from otel_llm.config.estimation import Entry, chain
from otel_llm.tokens import counters, models
from otel_llm.tokens.counting import Counters
from otel_llm.tokens.rendering import Texts

TEXT = "Grüße aus Köln, 世界! def f(x): return x ** 2"


def count(chain_text: str, *names: str, text: str = TEXT) -> int | None:
    tokens = Counters(chain_text).count(Texts([text]), Texts([""]), names)
    return None if tokens is None else tokens[0]


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("openai/gpt-5.1", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "o200k_base"),
        ("ft:gpt-3.5-turbo-0125:acme::abc", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("openai/gpt-oss-120b", "o200k_harmony"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("meta.llama3-1-8b-instruct-v1:0", "llama3"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "llama3"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2.5"),
        ("deepseek-chat", "deepseek_v3"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral_v2"),
        ("mistralai/Mistral-Nemo-Instruct-2407", "mistral_v3"),
        ("google/gemma-3-4b-it", "gemma3"),
        ("claude-sonnet-4-5", None),
        ("gemini-2.5-pro", None),
        ("turbo3-mini", None),
        ("my-endpoint", None),
    ],
)
def test_the_vocabulary_of_a_model(model: str, vocabulary: str | None) -> None:
    assert models.vocabulary(model) == vocabulary


def test_every_vocabulary_is_in_the_extra() -> None:
    splintr = pytest.importorskip("splintr")
    with pytest.raises(ValueError, match="Supported: ") as refused:
        splintr.Tokenizer.from_pretrained("none such")
    supported = set(str(refused.value).partition("Supported: ")[2].split(", "))
    assert {name for _, name in (*models._VOCABULARIES, *models._DISTILLED)} <= supported


@pytest.mark.parametrize(
    ("model", "hides"),
    [
        ("o1", True),
        ("o3-mini-2025-01-31", True),
        ("gpt-5", True),
        ("openai/gpt-5.4-2026-03-05", True),
        ("gpt-5-chat-latest", False),
        ("gpt-4o", False),
        ("gpt-oss-20b", False),
        ("deepseek-reasoner", False),
    ],
)
def test_models_that_hide_their_reasoning(model: str, hides: bool) -> None:
    assert models.hides_reasoning(model) is hides


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("false", ()),
        ("true", (Entry("*", "splintr", "splintr"), Entry("*", "tiktoken", "tiktoken"))),
        ("app.counts:of", (Entry("*", "function", "app.counts:of"),)),
        (
            "my-endpoint=llama3, splintr",
            (Entry("my-endpoint", "vocabulary", "llama3"), Entry("*", "splintr", "splintr")),
        ),
        ("llama*=/models/tokenizer.json", (Entry("llama*", "file", "/models/tokenizer.json"),)),
    ],
)
def test_a_chain(value: str, entries: tuple[Entry, ...]) -> None:
    assert chain(value) == entries


@pytest.mark.parametrize("value", ["yes please", "llama3", "app.counts", "a=b=c d", "/models/vocabulary.txt"])
def test_a_chain_that_is_none(value: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="estimate_tokens has"):
        Settings(estimate_tokens=value)
    assert Settings.from_environment({"OTEL_LLM_ESTIMATE_TOKENS": value}).estimate_tokens is None
    assert "OTEL_LLM_ESTIMATE_TOKENS" in caplog.text


@pytest.mark.parametrize("word", ["word ", "Grüße, 世界!\n", "x" * 50_000])
def test_a_long_text_is_counted_in_pieces(word: str) -> None:
    splintr = pytest.importorskip("splintr")
    text = word * (200_000 // len(word))
    whole = len(splintr.Tokenizer.from_pretrained("cl100k_base").encode_ordinary(text))
    counted = count("splintr", "gpt-4", text=text)
    assert counted is not None
    assert abs(counted - whole) <= (0 if " " in word else 8)
    assert max(map(len, counters._pieces(text))) <= counters._PIECE
    assert "".join(counters._pieces(text)) == text


def test_special_tokens_in_a_text_are_text() -> None:
    pytest.importorskip("splintr")
    assert (count("splintr", "gpt-4o", text="<|endoftext|>") or 0) > 1


def test_the_vocabulary_of_an_endpoint_is_named() -> None:
    pytest.importorskip("splintr")
    assert count("splintr", "my-endpoint") is None
    named = count("MY-*=llama3,splintr", "my-endpoint")
    assert named == count("splintr", "Llama-3.1-8B")
    assert count("my-*=llama3,splintr", "gpt-4o", "my-endpoint") == named


@pytest.fixture
def tokenizer_json(tmp_path: Path) -> Path:
    """A tokenizer of words."""
    vocabulary = {"[UNK]": 0, "one": 1, "two": 2}
    path = tmp_path / "tokenizer.json"
    path.write_text(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [],
                "normalizer": None,
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "post_processor": None,
                "decoder": None,
                "model": {
                    "type": "WordPiece",
                    "unk_token": "[UNK]",
                    "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100,
                    "vocab": vocabulary,
                },
            }
        )
    )
    return path


def test_a_tokenizer_file(tokenizer_json: Path) -> None:
    if not any(map(counters.importlib.util.find_spec, ("splintr", "tokenizers"))):
        pytest.skip("neither splintr nor tokenizers is installed")
    assert count(f"own*={tokenizer_json}", "own-model", text="one two three") == 3
    assert count(f"own*={tokenizer_json}", "other", text="one two three") is None


def test_what_cannot_be_used_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    counted = Counters(f"no_such:count,{tmp_path}/no.json,m=nosuch,tiktoken")
    with caplog.at_level(logging.WARNING, "otel_llm"):
        for _ in range(3):
            assert counted.count(Texts(["secret words"]), Texts([""]), ["m"]) is None
    said = [record.message for record in caplog.records]
    assert sum("no_such:count can't be imported (ModuleNotFoundError)" in one for one in said) == 1
    assert sum("no vocabulary nosuch" in one or "splintr is not installed" in one for one in said) == 1
    assert "secret words" not in caplog.text


# --- tiktoken ------------------------------------------------------------------------------------


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of tiktoken's, and a network on which every connection fails the test."""
    pytest.importorskip("tiktoken")

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise AssertionError("a connection was made")

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    return tmp_path


def _vocabulary_file(splintr: Any) -> bytes:
    """The file of cl100k_base, as tiktoken would download it."""
    tokenizer = splintr.Tokenizer.from_pretrained("cl100k_base")
    lines = [b"%s %d\n" % (base64.b64encode(tokenizer.decode_bytes([rank])), rank) for rank in range(100_256)]
    return b"".join(lines)


def test_tiktoken_counts_only_with_a_vocabulary_in_its_cache(cached: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert count("tiktoken", "gpt-4") is None
    assert "cl100k_base is not in the cache of tiktoken" in caplog.text
    splintr = pytest.importorskip("splintr")
    content = _vocabulary_file(splintr)
    address, digest = counters._TIKTOKEN["cl100k_base"]
    assert hashlib.sha256(content).hexdigest() == digest
    file = cached / hashlib.sha1(address.encode()).hexdigest()
    file.write_bytes(content[:-1])  # tiktoken would replace a damaged file by a download
    assert count("tiktoken", "gpt-4") is None
    file.write_bytes(content)
    assert count("tiktoken", "gpt-4") == count("splintr", "gpt-4")
    assert count("tiktoken", "gpt-4o") is None
    assert count("tiktoken", "Llama-3.1-8B") is None


def test_the_cache_may_be_switched_off(monkeypatch: pytest.MonkeyPatch, cached: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert count("tiktoken", "gpt-4") is None


def test_the_packages_are_needed_only_to_count(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(
        counters.importlib.util, "find_spec", lambda name: None if name in ("splintr", "tiktoken") else 1
    )
    monkeypatch.setitem(sys.modules, "splintr", None)
    assert count("true", "gpt-4o") is None
    assert 'splintr is not installed: pip install "otel-llm[tokens]"' in caplog.text
