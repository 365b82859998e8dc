"""Finds the prompt behind the text that a model call is given.

A call recognises a text by identity or, where a library copied it (JSON bodies, LangChain's messages), by its
characters. A text is known while something refers to it. Each thread or task refers to its latest ones itself, because
a library may drop the original after copying it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from .. import guard
from .. import semconv as s
from ..background.forks import ForkLock
from ..core.listeners import SHARED
from .use import PromptUse

if TYPE_CHECKING:
    from ..core.request import AttributeValue, Request

#: The fields of a request's body with input, and the fields of a message or a part with text.
_ASKED = ("messages", "instructions", "input", "prompt")
_WORDS = ("content", "text")
_MAX_DEPTH = 6
#: How many uses of the same text are told apart, and of how many prompts a thread or task keeps the texts.
_MAX_USES = 64
_MAX_RECENT = 4


class _Uses:
    """The uses of prompts that gave one text. Each :class:`PromptText` with these characters refers to it."""

    __slots__ = ("__weakref__", "references")

    def __init__(self) -> None:
        self.references: tuple[weakref.ref[PromptUse], ...] = ()

    def alive(self) -> list[PromptUse]:
        return [use for reference in self.references if (use := reference()) is not None]


class KnownTexts:
    """The texts of prompts that something still refers to, and the latest ones of each thread or task."""

    __slots__ = ("_lock", "_recent", "by_text", "ever")

    def __init__(self) -> None:
        #: Whether there has ever been a text.
        self.ever = False
        self.by_text: weakref.WeakValueDictionary[str, _Uses] = weakref.WeakValueDictionary()
        self._lock = ForkLock()
        self._recent: ContextVar[tuple[list[PromptText], ...]] = ContextVar("otel_llm-recent-prompts", default=())

    def __len__(self) -> int:
        return len(self.by_text)

    def add(self, text: str, use: PromptUse) -> _Uses:
        """Remember that ``use`` gave ``text``, while the caller keeps the returned object."""
        with self._lock.lock:
            uses = self.by_text.get(text)
            if uses is None:
                self.by_text[text] = uses = _Uses()
                self.ever = True
            alive = [reference for reference in uses.references if reference() is not None]
            uses.references = (*alive[1 - _MAX_USES :], weakref.ref(use))
        return uses

    def keep(self, texts: list[PromptText]) -> None:
        """Keep ``texts`` for the next model calls of this thread or task."""
        self._recent.set((*self._recent.get()[1 - _MAX_RECENT :], texts))

    def forget_recent(self) -> None:
        """Keep none of this thread's or task's texts any longer."""
        self._recent.set(())

    def recent(self) -> Iterator[PromptText]:
        return (text for texts in self._recent.get() for text in texts)

    def uses(self, text: str) -> list[PromptUse]:
        """The uses that gave ``text`` and are still referred to."""
        uses = self.by_text.get(text)
        return [] if uses is None else uses.alive()


#: One for the process, as prompts are made anywhere. A model call looks no further if it is empty.
known = KnownTexts()


class PromptText(str):
    """The text of a filled-in prompt: a ``str`` that also has the prompt's ``use``.

    Slices, concatenations and unpickled copies are plain ``str`` without it.
    """

    __slots__ = ("_uses", "use")

    use: PromptUse
    _uses: _Uses

    def __new__(cls, text: str, use: PromptUse) -> PromptText:
        made = super().__new__(cls, text)
        made.use = use
        if text:
            made._uses = known.add(text, use)
        return made

    def attributes(self) -> dict[str, AttributeValue]:
        """The attributes that an inference with this prompt gets."""
        return self.use.attributes()

    def __copy__(self) -> PromptText:
        return self

    def __deepcopy__(self, memo: object) -> PromptText:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return str, (str(self),)  # in another process there is no use


@guard.never_raise
def behind(asked: Any) -> PromptUse | None:
    """The use of a prompt that texts in ``asked`` (messages of any shape, or texts) came from; of several, the latest.

    The same characters (of a system prompt, say) may come from many uses. A use that is found by them counts only if
    all of its texts are in ``asked``, so that the prompt of another request is never reported. Uses of this thread or
    task come first, then uses with a text that no other has.
    """
    texts = list(_texts(asked, _MAX_DEPTH))
    near: set[PromptUse] = set()
    sole: set[PromptUse] = set()
    found: set[PromptUse] = set()
    for text in texts:
        if isinstance(text, PromptText):
            near.add(text.use)
        elif uses := known.uses(text):
            sole.update(uses if len(uses) == 1 else ())
            found.update(uses)
    if found:
        there = {hash(text) for text in texts}
        found = {use for use in found if use.text_hashes <= there}
        near |= found & {text.use for text in known.recent()}
    if near:
        return latest(*near)
    return max(found, key=lambda use: (use in sole, use.order), default=None)


def latest(*uses: PromptUse | None) -> PromptUse | None:
    """The last of several uses. The others belong to earlier turns of a conversation."""
    return max((use for use in uses if use is not None), key=lambda use: use.order, default=None)


def link(request: Request) -> None:
    """Find the prompt behind the texts of an inference's ``request``, unless it names one already."""
    if not known.ever or not known or request.texts is None or request.operation not in s.INFERENCE_OPERATIONS:
        return
    if s.PROMPT_NAME in request.attributes:
        return
    asked = request.texts
    if isinstance(asked, Mapping):
        asked = [asked.get(name) for name in _ASKED]
    request.prompt = latest(cast("PromptUse | None", request.prompt), behind(asked))


# A program that imports this module may have prompts: from now on each model call looks for them.
SHARED.before_start(link)


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth == 0 or value is None:
        return
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, depth - 1)
    elif isinstance(value, Mapping):
        for name in _WORDS:
            if name in value:
                yield from _texts(value[name], depth - 1)
    else:
        yield from _texts(getattr(value, "content", None), depth - 1)
