"""Session, user, conversation and tags that LangChain's config gives: they hold for all that runs below.

A run's ``metadata`` and ``tags`` reach the runs of LangChain below it, and no other spans. Here they are put into the
context, as :class:`otel_llm.propagate_attributes` would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from opentelemetry.context import Context

from ...propagation import state
from ...propagation.global_providers import TRACER_PROVIDER
from ...propagation.validation import identifier, tag_list

#: Of each id the keys of metadata that may hold it; the first that does counts.
_SESSION = ("session_id", "langfuse_session_id")
_USER = ("user_id", "langfuse_user_id")
_CONVERSATION = ("conversation_id", "thread_id")
_TAGS = "langfuse_tags"
#: The keys that are read here.
KEYS = frozenset({*_SESSION, *_USER, *_CONVERSATION, _TAGS})
#: Tags of LangChain's and LangGraph's own.
_THEIR_TAGS = ("seq:step:", "graph:step:", "map:key:", "langsmith:")

#: Session, user and conversation.
Ids = tuple[str | None, str | None, str | None]
NO_IDS: Ids = (None, None, None)


def ids_of(metadata: Mapping[str, Any]) -> Ids:
    """The ids that a run's ``metadata`` holds, its own and inherited ones."""
    if KEYS.isdisjoint(metadata):
        return NO_IDS
    return _first(metadata, _SESSION), _first(metadata, _USER), _first(metadata, _CONVERSATION)


def own_tags(tags: Iterable[Any]) -> list[str]:
    """``tags`` without those that LangChain and LangGraph add."""
    return [tag for tag in map(str, tags) if not tag.startswith(_THEIR_TAGS)]


def within(context: Context, ids: Ids, inherited: Ids) -> Context:
    """``context`` with those of ``ids`` that the run above, which has ``inherited``, does not have.

    What is inherited holds already, unless the application has said otherwise in between.
    """
    if ids == inherited:
        return context
    session, user, conversation = (one if one != known else None for one, known in zip(ids, inherited, strict=True))
    return _said(state.Ambient(session, user, conversation), context)


def tagged(context: Context, tags: list[str], metadata: Mapping[str, Any]) -> Context:
    """``context`` of an outermost run, with its tags."""
    given = own_tags(tags)
    if isinstance(more := metadata.get(_TAGS), list | tuple):
        given += more
    return _said(state.Ambient(tags=tag_list(given)), context) if given else context


def _said(ambient: state.Ambient, context: Context) -> Context:
    TRACER_PROVIDER.notice()  # so that spans of other libraries get it, too
    return state.inside(ambient.within(state.of(context)), context)


def _first(metadata: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = metadata.get(key)
        if isinstance(value, str | int | UUID) and value != "":
            return identifier(key, value)
    return None
