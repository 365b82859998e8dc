"""Counts the tokens of calls whose provider sent no usage, before they are priced.

Counting takes milliseconds, and loading a vocabulary takes longer. So a background thread does it: the span ends with
the time at which the call ended, a moment later, as it does for the first price of a model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .. import guard
from .. import semconv as s
from ..background.worker import Worker
from ..config.estimation import Chain
from ..content.messages import Content
from ..core import listeners
from ..core.listeners import EndedCall, Listeners
from ..core.request import Request
from .counting import Counters
from .rendering import input_of, output_of

#: More calls than this do not wait for the thread.
_MAX_WAITING = 1000
_COUNTED = frozenset({s.CHAT, s.TEXT_COMPLETION})
#: What OpenAI's Responses API counts for each message of an answer, beside its text.
_AROUND_OUTPUT = 1

_Entry = tuple[EndedCall, Content, Callable[[], None]]


class Estimator:
    """Estimates the tokens of calls with ``counters``, from :meth:`start` to :meth:`close`."""

    def __init__(self, asked: Chain, audience: Listeners = listeners.SHARED) -> None:
        self._counters = Counters(asked)
        self._audience = audience
        self._worker: Worker[_Entry] = Worker("tokens", self._work, size=_MAX_WAITING, give_up=self._give_up)

    def start(self) -> None:
        """Estimate from now on."""
        self._audience.estimator = self
        self._audience.before_start(_keep_input)

    def close(self, seconds: float) -> None:
        """Estimate what waits, and no call from now on."""
        if self._audience.estimator is self:
            self._audience.estimator = None
        self._audience.not_before_start(_keep_input)
        self._worker.close(seconds)

    def flush(self, seconds: float) -> bool:
        """Estimate what waits; return whether that took at most ``seconds``."""
        return self._worker.flush(seconds)

    # --- on the caller's thread ------------------------------------------------------------------

    def holds(self, ended: EndedCall, rest: Callable[[], None]) -> bool:
        """Have the tokens of ``ended`` estimated, if it lacks some; return whether that, or its price, has to wait."""
        content = _asked(ended) if _lacks_usage(ended) else None
        if content is None:
            return self._price(ended, rest)
        try:
            waits = self._worker.put((ended, content, rest))
        except RuntimeError:  # no thread can be started now: the entry waits for the next try
            return True
        return waits or self._price(ended, rest)

    def _price(self, ended: EndedCall, rest: Callable[[], None]) -> bool:
        pricer = self._audience.pricer
        return pricer is not None and pricer.holds(ended, rest)

    # --- on the background thread ----------------------------------------------------------------

    def _work(self, entry: _Entry) -> None:
        ended, content, rest = entry
        try:
            self._estimate(ended, content)
        except Exception as error:
            guard.report("the estimate of a call's tokens", error)
        self._pass_on(ended, rest)

    def _give_up(self, entry: _Entry) -> None:
        """Pass the call on without an estimate: the process ends."""
        ended, _, rest = entry
        self._pass_on(ended, rest)

    def _pass_on(self, ended: EndedCall, rest: Callable[[], None]) -> None:
        held = False
        try:
            held = self._price(ended, rest)
        except Exception as error:
            guard.report("the price of a call", error)
        if not held:
            rest()

    def _estimate(self, ended: EndedCall, content: Content) -> None:
        request, response = ended.request, ended.response
        attributes, usage = request.attributes, response.usage
        asked = input_of(content, chat=request.operation == s.CHAT)
        around = _AROUND_OUTPUT if attributes.get(s.OPENAI_API_TYPE) == "responses" else 0
        said = output_of(response.output() if response.output is not None else (), around=around)
        if asked is None or said is None:
            return
        known = (response.model, attributes.get(s.REQUEST_MODEL), attributes.get(s.LLM_SAGEMAKER_ENDPOINT))
        tokens = self._counters.count(asked, said, dict.fromkeys(name for name in known if isinstance(name, str)))
        if tokens is None:
            return
        for name, count in zip((s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS), tokens, strict=True):
            if count is not None and name not in usage:
                usage[name] = ended.attributes[name] = count
        ended.attributes[s.LLM_USAGE_ESTIMATED] = True


# --- which calls -----------------------------------------------------------------------------


def _keep_input(request: Request) -> None:
    """Read the input of a stream when it starts: the caller may change its messages until the stream ends."""
    if request.content is not None and request.operation in _COUNTED and request.attributes.get(s.REQUEST_STREAM):
        content = request.content()
        request.content = partial(_same, content)


def _same(content: Content) -> Content:
    return content


@guard.never_raise
def _asked(ended: EndedCall) -> Content | None:
    return None if ended.request.content is None else ended.request.content()


def _lacks_usage(ended: EndedCall) -> bool:
    """Whether the provider billed tokens that it did not tell, and all that it read and wrote is known here."""
    request, response = ended.request, ended.response
    attributes, usage = request.attributes, response.usage
    if s.USAGE_INPUT_TOKENS in usage and s.USAGE_OUTPUT_TOKENS in usage:
        return False
    if request.operation not in _COUNTED or s.LLM_OPERATION_NAME in attributes or response.output is None:
        return False
    if s.LLM_LANGCHAIN_CACHED in ended.attributes:
        return False
    if s.REQUEST_PREVIOUS_RESPONSE_ID in attributes or s.CONVERSATION_ID in response.attributes:
        return False  # the provider keeps a part of the input
    if attributes.get(s.OUTPUT_TYPE) == "json":  # its schema is part of what is billed, but not of the messages
        return False
    if ended.error_type is not None or s.LLM_STREAM_OUTCOME in ended.attributes:
        return ended.time_to_first_chunk is not None
    # A background response has its usage when it is fetched.
    return bool(response.finish_reasons) or attributes.get(s.OPENAI_API_TYPE) != "responses"
