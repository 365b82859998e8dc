"""Judges behind the openai SDK: OpenAI, Azure, and any server that speaks the protocol."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import openai

from ....protocols.openai.fields import mapping, usage
from ..asking import JudgeRefusedError, JudgeReply, JudgeRequest
from ..pricing import Seller

#: What a request may have, and may have to do without: not every server or model takes all of it.
_OPTIONAL = ("response_format", "temperature", "max_completion_tokens", "max_tokens")
#: Tokens beside the verdicts, for models that think first.
_THINKING = 4096


class _Judge:
    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout: float = 60.0,
        client: openai.AsyncOpenAI | None = None,
    ) -> None:
        self.model = model
        self._client = client or openai.AsyncOpenAI(base_url=base_url, timeout=timeout)

    @property
    def seller(self) -> Seller:
        """Who is paid for the calls."""
        url = urlsplit(str(self._client.base_url))
        host = url.hostname
        is_azure = isinstance(self._client, openai.AsyncAzureOpenAI) or (host or "").endswith(".openai.azure.com")
        provider = "azure.ai.openai" if is_azure else "openai"
        return Seller(provider, host, url.port)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


class OpenAIJudge(_Judge):
    """Asks by chat completions with a JSON schema.

    ``base_url`` and the key default to what the SDK takes from the environment. What a server or a model does not take,
    such as a temperature, is left out from its first complaint on.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout: float = 60.0,
        client: openai.AsyncOpenAI | None = None,
    ) -> None:
        super().__init__(model, base_url=base_url, timeout=timeout, client=client)
        self._refused: set[str] = {"max_tokens"}

    def output_tokens(self, request: JudgeRequest) -> int:
        """The most output tokens that ``request`` may use."""
        return request.max_output_tokens + _THINKING

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Ask for all verdicts in one reply."""
        for _ in _OPTIONAL:
            try:
                answer: Any = await self._client.chat.completions.create(**self._body(request))
                break
            except openai.BadRequestError as error:
                if not self._learns_from(error):
                    raise
        else:
            answer = await self._client.chat.completions.create(**self._body(request))
        choices = getattr(answer, "choices", None)
        message = choices[0].message if choices else None
        if getattr(message, "refusal", None):
            raise JudgeRefusedError(f"{self.model} declined to judge")
        return JudgeReply(
            text=getattr(message, "content", None) or "",
            model=getattr(answer, "model", None),
            usage=usage(getattr(answer, "usage", None)),
            response_id=getattr(answer, "id", None),
        )

    def _body(self, request: JudgeRequest) -> dict[str, Any]:
        limit = self.output_tokens(request)
        form = {"type": "json_schema", "json_schema": {"name": "verdicts", "strict": True, "schema": request.schema}}
        optional = {
            "response_format": form,
            "temperature": 0,
            "max_completion_tokens": limit,
            "max_tokens": limit,
        }
        messages = request.with_schema() if "response_format" in self._refused else request.messages
        taken = {name: value for name, value in optional.items() if name not in self._refused}
        return {"model": self.model, "messages": list(messages), **taken}

    def _learns_from(self, error: openai.BadRequestError) -> bool:
        """Whether the server complained of something that a request can do without."""
        said = f"{getattr(error, 'param', None)} {error}"
        complained = [name for name in _OPTIONAL if name in said and name not in self._refused]
        if "max_completion_tokens" in complained:  # older servers know it by its older name
            self._refused.discard("max_tokens")
        self._refused.update(complained)
        return bool(complained)


class DecisionsJudge(_Judge):
    """Asks OpenAI's endpoint of decisions: it answers with probabilities, so there is no reply to parse or repair."""

    def output_tokens(self, request: JudgeRequest) -> int:
        """The most output tokens that ``request`` may use."""
        return 16 * max(len(request.questions()), 1)

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Ask a question for each verdict."""
        answer = await self._client.post(
            "/decisions",
            cast_to=object,
            body={
                "model": self.model,
                "input": [
                    {"type": "message", "role": "developer", "content": request.frame()},
                    {"type": "message", "role": "user", "content": request.evidence()},
                ],
                "questions": request.questions(),
            },
        )
        fields = mapping(answer)
        answers = fields.get("answers")
        return JudgeReply(
            answers=[dict(mapping(one)) for one in answers] if isinstance(answers, list) else [],
            model=fields.get("model") if isinstance(fields.get("model"), str) else None,
            usage=usage(fields.get("usage")),
        )
