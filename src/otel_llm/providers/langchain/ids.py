"""Session, user, conversation and tags in LangChain's config, which apply to everything below a run.

LangChain passes ``metadata`` and ``tags`` on to its own runs only. Here they are put into the context, as
:class:`otel_llm.propagate_attributes` does, so that all spans below have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from opentelemetry.context import Context

from ... import guard
from ... import semconv as s
from ...propagation import state
from ...propagation.global_providers import TRACER_PROVIDER
from ...propagation.validation import identifier, tag_list

#: The keys in the metadata for each id. The first key with a value is used.
_SESSION = ("session_id", "langfuse_session_id")
_USER = ("user_id", "langfuse_user_id")
_CONVERSATION = ("conversation_id", "thread_id")
_TAGS = ("tags", "langfuse_tags")
#: All keys that are read here.
KEYS = frozenset({*_SESSION, *_USER, *_CONVERSATION, *_TAGS})
#: Tags that LangChain and LangGraph add.
_THEIR_TAGS = ("seq:step:", "graph:step:", "map:key:", "langsmith:")

#: Session, user and conversation.
Ids = tuple[str | None, str | None, str | None]
NO_IDS: Ids = (None, None, None)


@guard.never_raise
def ids_of(metadata: Mapping[str, Any]) -> Ids:
    """The ids in the ``metadata`` of a run, inherited ones included."""
    if KEYS.isdisjoint(metadata):
        return NO_IDS
    return (
        _first(metadata, _SESSION, s.SESSION_ID),
        _first(metadata, _USER, s.USER_ID),
        _first(metadata, _CONVERSATION, s.CONVERSATION_ID),
    )


def own_tags(tags: Iterable[Any]) -> list[str]:
    """``tags`` without those that LangChain and LangGraph add."""
    return [tag for tag in map(str, tags) if not tag.startswith(_THEIR_TAGS)]


@guard.never_raise
def within(context: Context, ids: Ids, inherited: Ids) -> Context:
    """``context`` with those of ``ids`` that are not in ``inherited``, the ids of the run above.

    Inherited ids are already in the context, or the application has since replaced them.
    """
    session, user, conversation = (one if one != known else None for one, known in zip(ids, inherited, strict=True))
    return _said(state.Ambient(session, user, conversation), context)


@guard.never_raise
def tagged(context: Context, tags: list[str], metadata: Mapping[str, Any]) -> Context:
    """``context`` with the tags of an outermost run."""
    given = own_tags(tags)
    for key in _TAGS:
        if isinstance(more := metadata.get(key), list | tuple):
            given += more
    return _said(state.Ambient(tags=tag_list(given)), context) if given else context


def _said(ambient: state.Ambient, context: Context) -> Context:
    TRACER_PROVIDER.notice()  # so that spans of other libraries get it, too
    return state.inside(ambient.within(state.of(context)), context)


def _first(metadata: Mapping[str, Any], keys: tuple[str, ...], attribute: str) -> str | None:
    for key in keys:
        value = metadata.get(key)
        if isinstance(value, str | int | UUID) and value != "":
            return identifier(key, value, attribute)
    return None
