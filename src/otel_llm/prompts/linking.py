"""From the words a prompt made to the inference they are given to.

A model call finds the prompt behind its messages by their identity, and where a library copied them (JSON bodies, the
messages of LangChain) by their words. Both are known as long as the text is held by somebody, and then forgotten; the
latest of a thread or task are held by it, as a library may have copied them and let go of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .. import guard
from .. import semconv as s
from ..background.forks import ForkLock
from ..core import nesting
from .use import PromptUse

if TYPE_CHECKING:
    from ..core.request import AttributeValue, Request

#: The fields of a request's body that hold what is asked, and those of a message or a part of one.
_ASKED = ("messages", "instructions", "input", "prompt")
_WORDS = ("content", "text")
_MAX_DEPTH = 6
#: So many uses that made the same text at the same time are known by it.
_MAX_USES = 64


class _Same:
    """The uses that one and the same text came of; each text holds it."""

    __slots__ = ("__weakref__", "uses")

    def __init__(self) -> None:
        self.uses: tuple[weakref.ref[PromptUse], ...] = ()


#: The texts that are alive, by their words. A model call looks no further if there are none.
known: weakref.WeakValueDictionary[str, _Same] = weakref.WeakValueDictionary()
#: Of so many uses a thread or task holds the texts.
_MAX_RECENT = 4
_recent: ContextVar[tuple[list[PromptText], ...]] = ContextVar("otel_llm-recent-prompts", default=())
_remembering = ForkLock()


class PromptText(str):
    """A text that a prompt made. It is the ``str``, and remembers its ``use`` wherever it is carried.

    What is made of it (a part, a concatenation, a pickle) is plain ``str`` and doesn't.
    """

    __slots__ = ("_same", "use")

    use: PromptUse
    _same: _Same

    def __new__(cls, text: str, use: PromptUse) -> PromptText:
        made = super().__new__(cls, text)
        made.use = use
        if text:
            made._same = _remember(text, use)
        return made

    def attributes(self) -> dict[str, AttributeValue]:
        """What an inference says of the prompt."""
        return self.use.attributes()

    def __copy__(self) -> PromptText:
        return self

    def __deepcopy__(self, memo: object) -> PromptText:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return str, (str(self),)  # elsewhere, nobody knows the use


def hold(texts: list[PromptText]) -> None:
    """Keep ``texts`` for the next model calls of this thread or task."""
    _recent.set((*_recent.get()[1 - _MAX_RECENT :], texts))


def _remember(text: str, use: PromptUse) -> _Same:
    with _remembering.lock:
        same = known.get(text)
        if same is None:
            known[text] = same = _Same()
        alive = [reference for reference in same.uses if reference() is not None]
        same.uses = (*alive[1 - _MAX_USES :], weakref.ref(use))
    return same


@guard.never_raise
def behind(asked: Any) -> PromptUse | None:
    """The use that words in ``asked`` (messages of any shape, or texts) came of; of several, the latest.

    Words alone (a system prompt) may be those of many uses: then all that a use has made must be there, so that what is
    told is never another one's. A use of this thread or task counts first, then one with words that no other has.
    """
    texts = list(_texts(asked, _MAX_DEPTH))
    near: set[PromptUse] = set()
    sole: set[PromptUse] = set()
    found: set[PromptUse] = set()
    for text in texts:
        if isinstance(text, PromptText):
            near.add(text.use)
        elif (same := known.get(text)) is not None:
            uses = [use for reference in same.uses if (use := reference()) is not None]
            sole.update(uses if len(uses) == 1 else ())
            found.update(uses)
    if found:
        there = {hash(text) for text in texts}
        found = {use for use in found if use.words <= there}
        near |= found & {text.use for recent in _recent.get() for text in recent}
    if near:
        return latest(*near)
    return max(found, key=lambda use: (use in sole, use.order), default=None)


def latest(*uses: PromptUse | None) -> PromptUse | None:
    """Of several uses the last one: the others belong to earlier turns."""
    return max((use for use in uses if use is not None), key=lambda use: use.order, default=None)


@guard.never_raise
def link(request: Request, body: Mapping[str, Any]) -> None:
    """Add to an inference's ``request`` the prompt that the words in its ``body`` came of.

    One that says itself what prompt it is about, or is a layer of such a call, is left alone.
    """
    attributes = request.attributes
    if request.operation not in s.INFERENCE_OPERATIONS or s.PROMPT_NAME in attributes:
        return
    outer = nesting.enclosing()
    if outer is not None and s.LLM_PROMPT_TEMPLATE_HASH in outer.request.attributes:
        return
    use = behind([body.get(name) for name in _ASKED])
    if use is None:
        return
    attributes.update(use.attributes())
    if (content := request.content) is not None:
        request.content = _with_prompt(content, use)


def _with_prompt(content: Callable[[], Any], use: PromptUse) -> Callable[[], Any]:
    def with_prompt() -> Any:
        made = content()
        made.template, made.variables = use.template.text, {**(made.variables or {}), **use.variables}
        return made

    return with_prompt


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
