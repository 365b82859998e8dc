"""Judges behind SageMaker endpoints whose containers take chat messages (TGI, vLLM, LMI)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import boto3  # type: ignore[import-untyped,unused-ignore]
from botocore.config import Config

from ....protocols.openai.fields import get, mapping, usage
from ..asking import JudgeReply, JudgeRequest
from ..pricing import Seller
from ..scales import ReplyError


class SageMakerJudge:
    """Asks the endpoint ``model``. Region and credentials are those of boto3."""

    def __init__(self, model: str, *, timeout: float = 60.0, client: Any = None, component: str | None = None) -> None:
        self.model = model
        self._component = component
        self._client = client or boto3.client(
            "sagemaker-runtime", config=Config(read_timeout=timeout, retries={"mode": "standard"})
        )

    @property
    def seller(self) -> Seller:
        """Who is paid for the calls: the endpoint is paid by the hour, which a table of prices may share."""
        return Seller("aws.sagemaker", None, None, self.model)

    def output_tokens(self, request: JudgeRequest) -> int:
        """The most output tokens that ``request`` may use."""
        return request.max_output_tokens

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Ask for all verdicts in one reply. boto3 has no async calls, so it runs on a thread."""
        body = {
            "messages": [dict(message) for message in request.with_schema()],
            "max_tokens": self.output_tokens(request),
            "temperature": 0,
        }
        asked: dict[str, Any] = {"EndpointName": self.model, "ContentType": "application/json"}
        if self._component:
            asked["InferenceComponentName"] = self._component
        raw = await asyncio.to_thread(self._invoke, {**asked, "Body": json.dumps(body)})
        return _reply(raw)

    def _invoke(self, asked: dict[str, Any]) -> bytes:
        answer = self._client.invoke_endpoint(**asked)
        body: bytes = answer["Body"].read()
        return body


def _reply(raw: bytes) -> JudgeReply:
    try:
        answer = json.loads(raw)
    except ValueError:
        raise ReplyError("the endpoint did not answer with JSON") from None
    first = answer[0] if isinstance(answer, list) and answer else answer
    fields = mapping(first)
    choices = fields.get("choices")
    text = fields.get("generated_text")
    if isinstance(choices, list) and choices:
        text = get(get(choices[0], "message"), "content") or get(choices[0], "text")
    model, response_id = fields.get("model"), fields.get("id")
    return JudgeReply(
        text=text if isinstance(text, str) else "",
        model=model if isinstance(model, str) else None,
        usage=usage(fields.get("usage")),
        response_id=response_id if isinstance(response_id, str) and response_id else None,
    )
