"""What a failed call says about its error, and what it must not say."""

from __future__ import annotations

import re
import traceback

from . import semconv as s

#: Providers echo credentials in their messages ("Incorrect API key provided: ..."); no setting lets them out.
_SECRET = re.compile(
    r"\b(?:sk|rk|pk)-[\w-]{6,}|\bBearer\s+[\w.~+/=-]{6,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\beyJ[\w-]{10,}\.[\w.-]{10,}"
)
_MAX_MESSAGE_CHARACTERS = 2048


def error_type(error: BaseException) -> str:
    """The class of ``error``: fully qualified, a builtin bare, as OpenTelemetry's Python GenAI packages have it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message(error: BaseException) -> str:
    """The text of ``error``, without credentials, bounded. It may quote prompts: for those who capture content."""
    return without_secrets(str(error))[:_MAX_MESSAGE_CHARACTERS]


def without_secrets(text: str) -> str:
    return _SECRET.sub("[secret]", text)


def provider_attributes(error: BaseException) -> dict[str, str | int]:
    """The provider's error code and HTTP status, where the error has them, as the SDKs of OpenAI and others do."""
    attributes: dict[str, str | int] = {}
    code = getattr(error, "code", None)
    if isinstance(code, str | int) and not isinstance(code, bool):
        attributes[s.LLM_ERROR_CODE] = str(code)[:128]
    status = getattr(error, "status_code", None)
    if type(status) is int:
        attributes[s.LLM_ERROR_STATUS_CODE] = status
    return attributes


def event_attributes(error: BaseException, with_message: bool) -> dict[str, str]:
    """Attributes of the exception event. The stack trace holds frames only, unless ``with_message``."""
    attributes = {s.EXCEPTION_TYPE: error_type(error)}
    if with_message:
        attributes[s.EXCEPTION_MESSAGE] = message(error)
        attributes[s.EXCEPTION_STACKTRACE] = without_secrets("".join(traceback.format_exception(error)))
    else:
        attributes[s.EXCEPTION_STACKTRACE] = "".join(traceback.format_tb(error.__traceback__)) or error_type(error)
    return attributes
