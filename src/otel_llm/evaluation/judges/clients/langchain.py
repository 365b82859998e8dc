"""Judges that are chat models of LangChain."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from .... import semconv as s
from ..asking import JudgeReply, JudgeRequest
from ..pricing import Seller

_USAGE = {"input_tokens": s.USAGE_INPUT_TOKENS, "output_tokens": s.USAGE_OUTPUT_TOKENS}


class LangChainJudge:
    """Asks a chat model of LangChain, with structured output if it has it."""

    def __init__(self, chat_model: Any, model: str = "") -> None:
        self._chat = chat_model
        self.model = model or _name(chat_model)
        self._structured = True

    @classmethod
    def named(cls, name: str, *, timeout: float = 60.0) -> LangChainJudge:
        """The judge that ``init_chat_model`` makes of ``name``, such as ``openai:gpt-4o-mini``.

        :raises ImportError: if ``langchain`` or the provider's package is not installed.
        """
        from langchain.chat_models import init_chat_model

        try:
            model = init_chat_model(name, timeout=timeout)
        except (TypeError, ValueError):  # not every provider's model takes a time limit by this name
            model = init_chat_model(name)
        return cls(model, name.rpartition(":")[2])

    @property
    def seller(self) -> Seller:
        """Who is paid for the calls, as far as LangChain knows."""
        params: Any = getattr(self._chat, "_get_ls_params", dict)()
        provider = params.get("ls_provider")
        url = getattr(self._chat, "openai_api_base", None)
        at = urlsplit(url) if isinstance(url, str) else None
        return Seller(provider if isinstance(provider, str) else "", at and at.hostname, at and at.port)

    async def ask(self, request: JudgeRequest) -> JudgeReply:
        """Ask for all verdicts in one reply."""
        if self._structured:
            schema = {"title": "verdicts", "description": "The verdicts on the answer.", **request.schema}
            try:
                asked = self._chat.with_structured_output(schema, include_raw=True)
            except (NotImplementedError, AttributeError, TypeError, ValueError):
                self._structured = False
            else:
                return _reply(await asked.ainvoke([dict(one) for one in request.messages]))
        message = await self._chat.ainvoke([dict(one) for one in request.with_schema()])
        return _reply({"raw": message, "parsed": None})


def _reply(given: Any) -> JudgeReply:
    raw, parsed = given.get("raw"), given.get("parsed")
    told = getattr(raw, "usage_metadata", None) or {}
    about = getattr(raw, "response_metadata", None) or {}
    model = about.get("model_name") or about.get("model")
    cached = (told.get("input_token_details") or {}).get("cache_read")
    return JudgeReply(
        text=json.dumps(parsed) if isinstance(parsed, dict) else _text(raw),
        model=model if isinstance(model, str) else None,
        usage={
            **{name: told[key] for key, name in _USAGE.items() if isinstance(told.get(key), int)},
            **({s.USAGE_CACHE_READ_INPUT_TOKENS: cached} if isinstance(cached, int) and cached else {}),
        },
        response_id=about.get("id") if isinstance(about.get("id"), str) else None,
    )


def _text(message: Any) -> str:
    text = getattr(message, "text", "")
    text = text() if callable(text) and not isinstance(text, str) else text
    return text if isinstance(text, str) else ""


def _name(chat_model: Any) -> str:
    for attribute in ("model_name", "model"):
        if isinstance(name := getattr(chat_model, attribute, None), str) and name:
            return name
    return type(chat_model).__name__
