"""What a failed call says about its error, and what it must not say."""

from __future__ import annotations

import asyncio
import re
import sys
import traceback
from typing import Any

from .. import guard
from .. import semconv as s
from ..content.boundary import clean_text
from ..content.encoding import utf8

_MAX_MESSAGE_CHARACTERS = 2048
#: How many errors of a chain (``raise ... from``) a stack trace shows.
_MAX_CHAIN = 10
#: What a provider's error code, or its id of a request, looks like. Anything else may hold words of the prompt.
_CODE = re.compile(r"[\w.:/-]{1,128}", re.ASCII)


def error_type(error: BaseException) -> str:
    """The code AWS gave the error, else its class.

    Only a cancellation by a timeout is an error (:mod:`.cancellation`): its type is ``TimeoutError``.
    """
    if isinstance(error, asyncio.CancelledError):
        return TimeoutError.__name__
    answer = aws_answer(error)
    code = answer["Error"].get("Code") if answer is not None else None
    return answered_type(code) if isinstance(code, str) and code else _class_name(error)


def _class_name(error: BaseException) -> str:
    """The class of ``error``: fully qualified, a builtin bare, as OpenTelemetry's Python GenAI packages have it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@guard.never_raise
def aws_answer(error: BaseException) -> dict[str, Any] | None:
    """The parsed answer that an error of botocore's carries, ``None`` for any other error."""
    answer = getattr(error, "response", None)
    return answer if isinstance(answer, dict) and isinstance(answer.get("Error"), dict) else None


def answered_type(code: str) -> str:
    """The error type of an error that came as an answer with ``code``: low in cardinality, so no free text."""
    return code if _CODE.fullmatch(code) else "_OTHER"


def answered_code(code: str) -> dict[str, str]:
    """The ``code`` of an error that came as an answer, as an attribute; free text is left out."""
    return {s.LLM_ERROR_CODE: code} if _CODE.fullmatch(code) else {}


def message(error: BaseException) -> str:
    """The text of ``error``, without credentials, bounded. It may quote prompts: for those who capture content."""
    return clean_text(str(error))[:_MAX_MESSAGE_CHARACTERS]


def retries(answer: Any) -> int | None:
    """How often the SDK had tried before it sent the HTTP request of ``answer``, a response or an error, if it had:
    OpenAI's tells the server."""
    try:
        told = answer.request.headers["x-stainless-retry-count"]
    except Exception:  # one of another kind: httpx's errors fail where they have no request
        return None
    return int(told) or None if isinstance(told, str) and told.isdecimal() else None


def provider_attributes(error: BaseException) -> dict[str, str | int]:
    """The provider's error code, HTTP status, id of the request and retries, where the error has them, as the SDKs of
    OpenAI and others do."""
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
    if (tried := retries(error)) is not None:
        attributes[s.LLM_REQUEST_RETRIES] = tried
    if (answer := aws_answer(error)) is not None:
        attributes |= _aws_attributes(answer)
    return attributes


def _aws_attributes(answer: dict[str, Any]) -> dict[str, str | int]:
    """Status and request id of AWS, and the status that the model's container gave SageMaker."""
    about = answer.get("ResponseMetadata")
    known = about if isinstance(about, dict) else {}
    statuses = (
        (s.LLM_ERROR_STATUS_CODE, known.get("HTTPStatusCode")),
        (s.LLM_SAGEMAKER_ORIGINAL_STATUS_CODE, answer.get("OriginalStatusCode")),
    )
    attributes: dict[str, str | int] = {name: status for name, status in statuses if type(status) is int}
    if isinstance(request_id := known.get("RequestId"), str):
        attributes[s.AWS_REQUEST_ID] = utf8(request_id)
    if type(tried := known.get("RetryAttempts")) is int and tried > 0:
        attributes[s.LLM_REQUEST_RETRIES] = tried
    return attributes


def event_attributes(error: BaseException, with_message: bool) -> dict[str, str]:
    """Attributes of the exception event. The stack trace holds frames only, unless ``with_message``."""
    attributes = {s.EXCEPTION_TYPE: _class_name(error)}
    if with_message:
        attributes[s.EXCEPTION_MESSAGE] = message(error)
        attributes[s.EXCEPTION_STACKTRACE] = _stack_trace(error)
    else:
        attributes[s.EXCEPTION_STACKTRACE] = clean_text(guard.frames(error.__traceback__)) or _class_name(error)
    return attributes


def _stack_trace(error: BaseException) -> str:
    """What Python prints for ``error`` and its causes, less source lines and credentials."""
    told: list[str] = []
    chain: BaseException | None = error
    while chain is not None and len(told) < _MAX_CHAIN:
        only = "".join(traceback.format_exception_only(chain))
        told.append(f"Traceback (most recent call last):\n{guard.frames(chain.__traceback__)}{only}")
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    return clean_text("\n".join(reversed(told)))


def bubbles_up(error: BaseException) -> bool:
    """Whether ``error`` is none, but LangGraph's way to leave a node: an interrupt, a command to the graph above."""
    module = sys.modules.get("langgraph.errors")
    kind = getattr(module, "GraphBubbleUp", None)
    return isinstance(kind, type) and isinstance(error, kind)
