"""What is recorded of the error of a failed call, without content unless it is captured."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .. import guard
from .. import semconv as s
from ..content import boundary
from .cancellation import cancels

_MAX_MESSAGE_CHARACTERS = 2048
#: How many errors of a chain (``raise ... from``) a stack trace shows.
_MAX_CHAIN = 10
#: The form of a provider's error codes and request ids. Other texts may quote the prompt.
_CODE = re.compile(r"[\w.:/-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Facts:
    """What an error says of itself: its type, if that is not its class, and attributes."""

    type: str | None = None
    attributes: Mapping[str, str | int] = field(default_factory=dict)


#: Reads what only the errors of one SDK have; ``None`` for other errors. Each provider declares its own.
ErrorReader = Callable[[BaseException], Facts | None]


def described(error: BaseException, readers: Sequence[ErrorReader]) -> dict[str, str | int]:
    """``error`` as attributes: its type, and what else it says of itself, to ``readers`` or to anyone. Never raises.

    Only a cancellation by a timeout is an error (:mod:`.cancellation`): its type is ``TimeoutError``.
    """
    kind, attributes = None, dict(_attributes(error) or {})
    for read in readers:
        try:
            read_of = read(error)
        except Exception as failure:  # attributes of another library's error may fail
            guard.report("reading an error", failure)
            continue
        if read_of is not None:
            kind = kind or read_of.type
            attributes.update(read_of.attributes)
    if cancels(error):
        kind = TimeoutError.__name__
    return {**attributes, s.ERROR_TYPE: kind or _class_name(error)}


def _class_name(error: BaseException) -> str:
    """The class of ``error``: fully qualified, a builtin bare, as OpenTelemetry's Python GenAI packages have it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def answered_type(code: str) -> str:
    """The type of an error that came as an answer with ``code``; ``_OTHER`` for free text, as types must be few."""
    return code if _CODE.fullmatch(code) else "_OTHER"


def answered_code(code: str) -> dict[str, str]:
    """The ``code`` of an error that came as an answer, as an attribute; free text is left out."""
    return {s.LLM_ERROR_CODE: code} if _CODE.fullmatch(code) else {}


def message(error: BaseException) -> str:
    """The text of ``error``, shortened and without credentials. It may quote prompts, so it counts as content."""
    return boundary.clean_text(str(error), s.EXCEPTION_MESSAGE)[:_MAX_MESSAGE_CHARACTERS]


@guard.never_raise
def _attributes(error: BaseException) -> dict[str, str | int]:
    """The provider's error code, HTTP status and id of the request, under the names that SDKs commonly use."""
    attributes: dict[str, str | int] = {}
    code = getattr(error, "code", None)
    if isinstance(code, str | int) and not isinstance(code, bool) and _CODE.fullmatch(str(code)):
        attributes[s.LLM_ERROR_CODE] = str(code)
    status = getattr(error, "status_code", None)
    if type(status) is int:
        attributes[s.LLM_ERROR_STATUS_CODE] = status
    request_id = getattr(error, "request_id", None)
    if isinstance(request_id, str) and _CODE.fullmatch(request_id):
        attributes[s.LLM_REQUEST_ID] = request_id
    return attributes


def event_attributes(error: BaseException, with_message: bool) -> dict[str, str]:
    """Attributes of the exception event. The stack trace holds frames only, unless ``with_message`` and shown."""
    attributes = {s.EXCEPTION_TYPE: _class_name(error)}
    if with_message and boundary.SHARED.shows_errors:
        attributes[s.EXCEPTION_MESSAGE] = message(error)
        attributes[s.EXCEPTION_STACKTRACE] = _stack_trace(error)
    else:
        frames = guard.frames(error.__traceback__)
        attributes[s.EXCEPTION_STACKTRACE] = boundary.clean_text(frames, s.EXCEPTION_STACKTRACE) or _class_name(error)
    return attributes


def _stack_trace(error: BaseException) -> str:
    """What Python prints for ``error`` and its causes, without source lines and credentials."""
    told: list[str] = []
    chain: BaseException | None = error
    while chain is not None and len(told) < _MAX_CHAIN:
        only = "".join(traceback.format_exception_only(chain))[:_MAX_MESSAGE_CHARACTERS]
        told.append(f"Traceback (most recent call last):\n{guard.frames(chain.__traceback__)}{only}")
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    return boundary.clean_text("\n".join(reversed(told)), s.EXCEPTION_STACKTRACE)
