"""Reads errors of botocore: the code of AWS instead of the class, the status, the request id and the retries."""

from __future__ import annotations

from typing import Any

from ... import semconv as s
from ...content.encoding import utf8
from ...core.errors import Facts, answered_type


def read(error: BaseException) -> Facts | None:
    """What AWS answered, if ``error`` carries it, and the status that the model's container gave SageMaker."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict) or not isinstance(answer.get("Error"), dict):
        return None
    about = answer.get("ResponseMetadata")
    known: dict[str, Any] = about if isinstance(about, dict) else {}
    statuses = (
        (s.LLM_ERROR_STATUS_CODE, known.get("HTTPStatusCode")),
        (s.LLM_SAGEMAKER_ORIGINAL_STATUS_CODE, answer.get("OriginalStatusCode")),
    )
    attributes: dict[str, str | int] = {name: status for name, status in statuses if type(status) is int}
    if isinstance(request_id := known.get("RequestId"), str):
        attributes[s.AWS_REQUEST_ID] = utf8(request_id)
    if type(tried := known.get("RetryAttempts")) is int and tried > 0:
        attributes[s.LLM_REQUEST_RETRIES] = tried
    code = answer["Error"].get("Code")
    return Facts(answered_type(code) if isinstance(code, str) and code else None, attributes)
