"""What counts the tokens of a text: a function of the application, and tokenizers with a vocabulary on this machine.

Nothing here uses the network.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol

from ..config.estimation import Entry
from . import models

#: A text is encoded in pieces of at most so many characters.
_PIECE = 32_768


class UnavailableError(Exception):
    """A counter can't be used here. The message says why, and what to do."""


class Counter(Protocol):
    """Counts the tokens of a text for a model; ``None`` if it does not know how.

    ``sees_reasoning``: what it counts is taken as it is for models that bill reasoning which they do not send.
    """

    sees_reasoning: bool

    def count(self, text: str, model: str) -> int | None: ...


class FunctionCounter:
    """A function of the application: ``count(text, model)``."""

    sees_reasoning = True

    def __init__(self, function: Callable[[str, str], Any]) -> None:
        self._function = function

    def count(self, text: str, model: str) -> int | None:
        tokens = self._function(text, model)
        if tokens is None:
            return None
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
            raise TypeError(
                f"a counter of tokens must return a whole number from 0 or None, not {type(tokens).__name__}"
            )
        return tokens


Encode = Callable[[str], int]


class VocabularyCounter:
    """Counts with the vocabulary that ``load`` returns for a name; ``fixed`` is the name for every model."""

    sees_reasoning = False

    def __init__(self, load: Callable[[str], Encode | None], fixed: str | None = None) -> None:
        #: A vocabulary that can't be loaded is not tried again.
        self._load = cache(lambda name: _outcome(load, name))
        self._fixed = fixed

    def count(self, text: str, model: str) -> int | None:
        name = self._fixed or models.vocabulary(model)
        encode = self._load(name) if name is not None else None
        if isinstance(encode, Exception):
            raise encode
        return None if encode is None else sum(map(encode, _pieces(text)))


def _pieces(text: str) -> Iterator[str]:
    """``text`` in pieces that each begin with a space, where tokens begin, too.

    A long text would keep the interpreter's lock while its tokens are listed.
    """
    start = 0
    while len(text) - start > _PIECE:
        end = text.rfind(" ", start + 1, start + _PIECE)
        end = end if end > start else start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _outcome(load: Callable[[str], Encode | None], name: str) -> Encode | Exception | None:
    try:
        return load(name)
    except Exception as error:
        return error


# --- vocabularies ----------------------------------------------------------------------------


def _splintr(name: str) -> Encode | None:
    """A vocabulary that the splintr package contains."""
    try:
        tokenizer = _required("splintr").Tokenizer.from_pretrained(name)
    except ValueError:
        raise UnavailableError(f"splintr has no vocabulary {name}") from None
    return lambda text: len(tokenizer.encode_ordinary(text))


def _file(path: str) -> Encode | None:
    """A ``tokenizer.json``, read by the tokenizers package or by splintr."""
    if importlib.util.find_spec("tokenizers") is not None:
        tokenizers: Any = importlib.import_module("tokenizers")
        loaded = tokenizers.Tokenizer.from_file(path)
        return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)
    tokenizer = _required("splintr").from_json(path)
    return lambda text: len(tokenizer.encode_ordinary(text))


def _required(package: str) -> Any:
    if importlib.util.find_spec(package) is None:
        raise UnavailableError(f'{package} is not installed: pip install "otel-llm[tokens]"')
    return importlib.import_module(package)


#: The vocabularies of tiktoken -> the address that its cache is named after, and the SHA-256 of the file.
_TIKTOKEN = {
    "cl100k_base": (
        "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}


def _tiktoken(name: str) -> Encode | None:
    """A vocabulary of tiktoken's, if it is in its cache: otherwise tiktoken would download it."""
    if name not in _TIKTOKEN:
        return None
    if importlib.util.find_spec("tiktoken") is None:
        raise UnavailableError("tiktoken is not installed")
    if not _is_cached(*_TIKTOKEN[name]):
        raise UnavailableError(f"the vocabulary {name} is not in the cache of tiktoken, and nothing is downloaded")
    tiktoken: Any = importlib.import_module("tiktoken")
    encoding = tiktoken.get_encoding(name)
    return lambda text: len(encoding.encode_ordinary(text))


def _is_cached(address: str, digest: str) -> bool:
    default = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", default))
    if not folder:
        return False
    try:
        with open(os.path.join(folder, hashlib.sha1(address.encode()).hexdigest()), "rb") as cached:
            return hashlib.sha256(cached.read()).hexdigest() == digest
    except OSError:
        return False


# --- from the settings -----------------------------------------------------------------------


def counter_of(entry: Entry) -> Counter:
    """What counts for ``entry``.

    :raises Exception: whatever the import of a function raises.
    """
    match entry.kind:
        case "function":
            module, _, name = entry.source.partition(":")
            function: Any = importlib.import_module(module)
            for part in name.split("."):
                function = getattr(function, part)
            return FunctionCounter(function)
        case "file":
            return VocabularyCounter(_file, entry.source)
        case "tiktoken":
            return VocabularyCounter(_tiktoken)
        case "splintr":
            return VocabularyCounter(_splintr)
    return VocabularyCounter(_splintr, entry.source)
