"""Errors of the HTTP library below, as the caller gets them: botocore's, which it makes of them a step later."""

from __future__ import annotations

import sys
from typing import Any


def as_botocore(error: BaseException) -> BaseException:
    """``error`` of a body that is read."""
    kind = type(error)
    exceptions: Any = sys.modules.get("botocore.exceptions")
    if exceptions is None or not kind.__module__.startswith("urllib3."):
        return error
    if kind.__name__ == "ReadTimeoutError":
        made = exceptions.ReadTimeoutError(endpoint_url=getattr(error, "url", None), error=error)
    elif kind.__name__ in ("ProtocolError", "IncompleteRead", "InvalidChunkLength"):
        made = exceptions.ResponseStreamingError(error=error)
    else:
        return error
    raised: BaseException = made.with_traceback(error.__traceback__)
    return raised
