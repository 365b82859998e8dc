"""Guardrails in agents of LangChain (``langchain.agents.create_agent``): a middleware, and the results of others."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter
from typing import Any

from langchain.agents.middleware import AgentMiddleware, PIIDetectionError, hook_config
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from .guardrails import Guardrails
from .recording import record_result
from .result import Action, Blocked, Result

#: In the place of a message that was blocked.
BLOCKED = "[BLOCKED]"
#: With this tag LangGraph does not stream what a model says as it comes.
_NOT_STREAMED = "nostream"
#: A text to be checked and its source. What the checks say of it comes back.
Steps = Generator[tuple[str, str], Result, Any]

try:  # not in the first releases
    from langchain.agents.middleware.types import TracePolicy, omit_payload

    _POLICY: Any = TracePolicy(process_inputs=omit_payload)
except ImportError:
    _POLICY = None


class GuardrailMiddleware(AgentMiddleware):  # type: ignore[misc,type-arg,unused-ignore]
    """Checks what an agent is asked, what its tools return and what it answers.

    ``guardrails`` has the checks. Those of inputs get the new messages of the user and, as ``tool_output``, those of
    tools; those of outputs get each answer of the model. Messages are replaced by what is redacted.

    If a message of the user or an answer is blocked, the agent ends with the answer ``message``; with ``raises``
    :class:`.Blocked` leaves it instead. The blocked message is replaced by ``[BLOCKED]``, so that no later turn has it.
    The result of a tool is replaced by that, and the agent goes on.

    With checks of outputs, an answer is streamed (``stream_mode="messages"``) as a whole when it has been checked,
    unless ``streams`` is true: then unchecked tokens leave as they come. Arguments of tool calls are not checked.
    """

    trace_policy = _POLICY

    def __init__(
        self,
        guardrails: Guardrails,
        *,
        message: str = "I can't help with that.",
        raises: bool = False,
        streams: bool = False,
    ) -> None:
        super().__init__()
        self._guardrails, self._message = guardrails, message
        self._raises, self._streams = raises, streams

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: Any, runtime: Any) -> Any:
        """Check what has come since the last answer of the model: ``state`` has the messages, ``runtime`` is unused."""
        return _driven(self._asked(state["messages"]), self._guardrails.check_input)

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: Any, runtime: Any) -> Any:
        """:meth:`before_model` for coroutines: the same ``state`` and ``runtime``."""
        return await _adriven(self._asked(state["messages"]), self._guardrails.acheck_input)

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Have the model of ``request`` called by ``handler``, and check its answer before anybody else sees it."""
        if not self._guardrails.output:
            return handler(request)
        return _driven(self._answered(handler(self._held_back(request))), self._guardrails.check_output)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """:meth:`wrap_model_call` for coroutines: the same ``request`` and ``handler``."""
        if not self._guardrails.output:
            return await handler(request)
        response = await handler(self._held_back(request))
        return await _adriven(self._answered(response), self._guardrails.acheck_output)

    def _held_back(self, request: Any) -> Any:
        if self._streams:
            return request
        model = request.model
        return request.override(model=model.model_copy(update={"tags": [*(model.tags or []), _NOT_STREAMED]}))

    def _asked(self, messages: Sequence[Any]) -> Steps:
        changed: list[Any] = []
        for message in _new(messages):
            source = "tool_output" if isinstance(message, ToolMessage) else "input"
            content, blocked = yield from _checked(message.content, source)
            if blocked is not None:
                self._raise(blocked)
                changed.append(message.model_copy(update={"content": BLOCKED}))
                if source == "input":
                    return {"messages": [*changed, AIMessage(self._message)], "jump_to": "end"}
            elif content is not message.content:
                changed.append(message.model_copy(update={"content": content}))
        return {"messages": changed} if changed else None

    def _answered(self, response: Any) -> Steps:
        messages: list[Any] = []
        for message in response.result:
            if not isinstance(message, AIMessage):
                messages.append(message)
                continue
            content, blocked = yield from _checked(message.content, "output")
            if blocked is not None:
                self._raise(blocked)
                return replace(response, result=[AIMessage(self._message)], structured_response=None)
            messages.append(message if content is message.content else message.model_copy(update={"content": content}))
        return replace(response, result=messages)

    def _raise(self, blocked: Result) -> None:
        if self._raises:
            raise Blocked(blocked)


def _new(messages: Sequence[Any]) -> list[Any]:
    """The messages of the user and of tools behind the last answer of the model."""
    last = max((place for place, one in enumerate(messages) if isinstance(one, AIMessage)), default=-1)
    return [one for one in messages[last + 1 :] if isinstance(one, HumanMessage | ToolMessage)]


def _checked(content: Any, source: str) -> Generator[tuple[str, str], Result, tuple[Any, Result | None]]:
    """``content`` of a message as it was redacted, the same object if it was not; or the block."""
    if isinstance(content, str):
        if not content:
            return content, None
        result = yield content, source
        if result.blocked:
            return content, result
        return (content if result.text == content else result.text), None
    blocks: list[Any] = []
    for block in content:
        key = next((key for key in ("text", "reasoning") if isinstance(block, dict) and key in block), None)
        text = block if key is None else block[key]
        checked = block
        if isinstance(text, str) and text:
            result = yield text, source
            if result.blocked:
                return content, result
            if result.text != text:
                checked = result.text if key is None else {**dict(block), key: result.text}
        blocks.append(checked)
    return (content if blocks == content else blocks), None


def _driven(steps: Steps, check: Callable[[str, Any], Result]) -> Any:
    try:
        step = next(steps)
        while True:
            step = steps.send(check(*step))
    except StopIteration as stop:
        return stop.value


async def _adriven(steps: Steps, check: Callable[[str, Any], Awaitable[Result]]) -> Any:
    try:
        step = next(steps)
        while True:
            step = steps.send(await check(*step))
    except StopIteration as stop:
        return stop.value


# --- guardrails of LangChain ------------------------------------------------------------------------


#: Whether a hook is at work that reports: one may call another.
_reporting: ContextVar[bool] = ContextVar("otel_llm_guardrail_reporting", default=False)


def reported(middleware: Any) -> Any:
    """Record the results of ``middleware``, a guardrail such as LangChain's ``PIIMiddleware``, and return it.

    What it does before a model is the result for an input, what it does behind one that for an output: ``PASS`` if it
    changes nothing, ``REDACT`` if it changes messages, and ``BLOCK`` if it ends the agent or detects what it forbids.
    """
    for name, source, settings in (
        ("before_model", "input", ("apply_to_input", "apply_to_tool_results")),
        ("after_model", "output", ("apply_to_output",)),
    ):
        if not any(getattr(middleware, setting, True) for setting in settings):
            continue
        for hook, report in ((name, _reported), (f"a{name}", _areported)):
            if getattr(type(middleware), hook) is not getattr(AgentMiddleware, hook):
                setattr(middleware, hook, report(getattr(middleware, hook), middleware, source))
    return middleware


def _reported(hook: Callable[..., Any], middleware: Any, source: str) -> Callable[..., Any]:
    @functools.wraps(hook)
    def call(state: Any, runtime: Any) -> Any:
        with _Report(middleware, source) as report:
            report.update = hook(state, runtime)
        return report.update

    return call


def _areported(hook: Callable[..., Any], middleware: Any, source: str) -> Callable[..., Any]:
    @functools.wraps(hook)
    async def call(state: Any, runtime: Any) -> Any:
        with _Report(middleware, source) as report:
            report.update = await hook(state, runtime)
        return report.update

    return call


class _Report:
    """Records the result of one hook, unless another one reports already."""

    def __init__(self, middleware: Any, source: str) -> None:
        self._middleware, self._source = middleware, source
        self.update: Any = None

    def __enter__(self) -> _Report:
        self._inner = _reporting.get()
        self._token = _reporting.set(True)
        self._started = perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        seconds = perf_counter() - self._started
        _reporting.reset(self._token)
        if self._inner or (kind is not None and not issubclass(kind, Exception)):
            return
        update = self.update
        if isinstance(error, PIIDetectionError) or (isinstance(update, dict) and update.get("jump_to") == "end"):
            action, error = Action.BLOCK, None
        else:
            action = Action.REDACT if update else Action.PASS
        told: dict[str, Any] = {"type": "action", "value": action.value} if error is None else {"error": error}
        record_result(self._middleware.name, source=self._source, seconds=seconds, **told)
