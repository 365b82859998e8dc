"""Clients of judges. The library of each is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..asking import JudgeClient
from ..naming import KINDS


class JudgeError(ValueError):
    """A judge can't be used. The message says which one, and why."""


def open_judge(name: str, *, base_url: str | None = None, timeout: float = 60.0) -> JudgeClient:
    """Open the judge ``name``: one of those in :mod:`.naming`, or ``module:attribute`` for a client of your own.

    ``base_url`` is for ``openai``; a call may take ``timeout`` seconds.

    :raises JudgeError: if there is none, or its library is not installed.
    """
    kind, _, rest = name.partition(":")
    if kind == "stand-in" and not rest:
        from .stand_in import StandInJudge

        return StandInJudge()
    if not rest:
        raise JudgeError(f"{name!r} is no judge: it is one of {', '.join(KINDS.values())}, or module:attribute")
    try:
        if kind in ("openai", "openai-decisions"):
            from .openai import DecisionsJudge, OpenAIJudge

            made = DecisionsJudge if kind == "openai-decisions" else OpenAIJudge
            return made(rest, base_url=base_url, timeout=timeout)
        if kind == "langchain":
            from .langchain import LangChainJudge

            return LangChainJudge.named(rest, timeout=timeout)
        if kind == "sagemaker":
            from .sagemaker import SageMakerJudge

            return SageMakerJudge(rest, timeout=timeout)
    except ImportError as error:
        raise JudgeError(f"{name} needs a package that is not installed: {error}") from None
    except Exception as error:  # such as no API key, or no region
        raise JudgeError(f"{name} can't be used: {error}") from None
    return _own(kind, rest)


def _own(module: str, attribute: str) -> JudgeClient:
    try:
        found: Any = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise JudgeError(f"{module}:{attribute} can't be imported: {error}") from None
    makes_one = isinstance(found, type) or (callable(found) and not hasattr(found, "ask"))
    try:
        client: Any = found() if makes_one else found
    except Exception as error:
        raise JudgeError(f"{module}:{attribute} can't be used: {error}") from None
    if not (callable(getattr(client, "ask", None)) and isinstance(getattr(client, "model", None), str)):
        raise JudgeError(f"{module}:{attribute} is no judge: it must have `model` and `async ask(request)`")
    made: JudgeClient = client
    return made
