"""Converts errors of the HTTP library to those that botocore raises to the caller instead."""

from __future__ import annotations

import sys
from typing import Any

_LIBRARIES = ("urllib3.", "aiohttp.", "httpx")
_TIMEOUTS = frozenset({"ReadTimeoutError", "ServerTimeoutError", "ReadTimeout"})
_BROKEN_OFF = frozenset(
    {
        *("ProtocolError", "IncompleteRead", "InvalidChunkLength"),
        *("ClientConnectionError", "NetworkError", "RemoteProtocolError"),
    }
)


def as_botocore(error: BaseException) -> BaseException:
    """Return what botocore raises for ``error`` while a body is read."""
    exceptions: Any = sys.modules.get("botocore.exceptions")
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith(_LIBRARIES)}
    if exceptions is None or not (names or type(error) is TimeoutError):
        return error
    if not names or not _TIMEOUTS.isdisjoint(names):
        aio: Any = None if "ReadTimeoutError" in names else sys.modules.get("aiobotocore.response")
        made = (aio.AioReadTimeoutError if aio is not None else exceptions.ReadTimeoutError)(
            endpoint_url=getattr(error, "url", None), error=error
        )
    elif not _BROKEN_OFF.isdisjoint(names):
        made = exceptions.ResponseStreamingError(error=error)
    else:
        return error
    raised: BaseException = made.with_traceback(error.__traceback__)
    return raised
