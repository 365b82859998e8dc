"""Chooses the texts of an item that a judge is shown. The content policy applies before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ... import semconv as s
from ...content.boundary import SHARED, Boundary
from ...content.encoding import dumps
from ...content.hiding import HIDDEN
from ..dataset.reader import Item
from .fencing import Block

#: As which attribute the content policy sees a field of an item.
_ATTRIBUTES = {
    "query": s.INPUT_MESSAGES,
    "answer": s.OUTPUT_MESSAGES,
    "expected": s.OUTPUT_MESSAGES,
    "context": s.RETRIEVAL_DOCUMENTS,
    "messages": s.INPUT_MESSAGES,
}
_CALLS = frozenset({"tool_call", "server_tool_call"})
_RESULTS = frozenset({"tool_call_response", "server_tool_call_response"})


def permitted(item: Item, boundary: Boundary = SHARED) -> Item:
    """``item`` as it may be sent to a judge: hidden fields are left out, and texts have passed the content policy.

    The policy has been applied when the content was captured, too, but maybe that of another process.
    """
    hiding = boundary.hiding
    made = dict(item)
    for name, attribute in _ATTRIBUTES.items():
        value = item.get(name)
        if value is None:
            continue
        if hiding is not None and name != "messages" and hiding.hides(attribute):
            del made[name]
            if name == "answer":  # it is not an empty one
                made["content_captured"] = False
        elif name == "context":
            made[name] = [_document(document, boundary) for document in (value if isinstance(value, list) else [value])]
        elif isinstance(value, str):
            made[name] = boundary.clean_text(value, attribute)
    messages = item.get("messages")
    if isinstance(messages, list):
        visible = boundary.visible({s.INPUT_MESSAGES: messages})
        made["messages"] = visible.get(s.INPUT_MESSAGES) or []
    return made


def _document(document: Any, boundary: Boundary) -> Any:
    if not isinstance(document, dict):
        return {"content": boundary.clean_text(str(document), s.RETRIEVAL_DOCUMENTS)}
    return {
        name: boundary.clean_text(value, s.RETRIEVAL_DOCUMENTS) if isinstance(value, str) else value
        for name, value in document.items()
    }


def tool_parts(item: Item) -> Iterator[dict[str, Any]]:
    """The calls of tools and their results in the messages to the answering inference."""
    messages = item.get("messages")
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("parts") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            shown = isinstance(part, dict) and HIDDEN not in part.values()
            if shown and part.get("type") in _CALLS | _RESULTS:
                yield part


def blocks(item: Item, needs: Iterable[str], boundary: Boundary = SHARED) -> list[Block]:
    """The blocks to show: question and answer, and what is needed of the rest, in the order of reading."""
    needs = frozenset(needs)
    shown: list[Block] = []
    if isinstance(query := item.get("query"), str):
        shown.append(Block("query", query))
    if "context" in needs:
        for number, document in enumerate(item.get("context") or (), 1):
            shown.append(Block("document", str(document.get("content") or ""), number, str(document.get("id") or "")))
    if "tools" in needs:
        for number, part in enumerate(tool_parts(item), 1):
            shown.append(_tool(part, number, boundary))
    if "expected" in needs:
        shown.append(Block("expected", str(item.get("expected"))))
    shown.append(Block("answer", str(item.get("answer") or "")))
    return shown


def _tool(part: dict[str, Any], number: int, boundary: Boundary) -> Block:
    is_call = part.get("type") in _CALLS
    value = part.get("arguments") if is_call else part.get("response", part.get("result"))
    text = value if isinstance(value, str) else dumps(value)
    attribute = s.TOOL_CALL_ARGUMENTS if is_call else s.TOOL_CALL_RESULT
    about = f"call of {part.get('name', 'a tool')}" if is_call else "result"
    if part.get("id"):
        about += f", id {part['id']}"
    return Block("tool_call", boundary.clean_text(text, attribute), number, about)
