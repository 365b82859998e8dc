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
#: Tokens that OpenAI's Responses API counts for each message of an answer, in addition to its text.
_AROUND_OUTPUT = 1


class _Waiting:
    """A call that waits for its estimate."""

    __slots__ = ("_rest", "content", "ended")

    def __init__(self, ended: EndedCall, content: Content, rest: Callable[[], None]) -> None:
        self.ended, self.content = ended, content
        self._rest = [rest]  # popped by whoever passes the call on: atomic, unlike a flag

    def rest(self) -> Callable[[], None] | None:
        """What ends the call, for the first who asks."""
        try:
            return self._rest.pop()
        except IndexError:
            return None


class Estimator:
    """Estimates the tokens of calls with ``counters``, from :meth:`start` to :meth:`close`."""

    def __init__(self, asked: Chain, audience: Listeners = listeners.SHARED) -> None:
        self._counters = Counters(asked)
        self._audience = audience
        #: The call whose tokens are being counted.
        self._counting: _Waiting | None = None
        self._worker: Worker[_Waiting] = Worker("tokens", self._work, size=_MAX_WAITING, give_up=self._pass_on)

    def start(self) -> None:
        """Estimate from now on."""
        self._audience.estimator = self
        self._audience.before_start(_keep_input)

    def close(self, seconds: float) -> None:
        """Estimate what waits for ``seconds``, pass the rest on without, and estimate no call from now on."""
        if self._audience.estimator is self:
            self._audience.estimator = None
        self._audience.not_before_start(_keep_input)
        if not self._worker.close(seconds) and (stuck := self._counting) is not None:
            self._pass_on(stuck)

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
            waits = self._worker.put(_Waiting(ended, content, rest))
        except RuntimeError:  # no thread can be started now: the entry waits for the next try
            return True
        return waits or self._price(ended, rest)

    def _price(self, ended: EndedCall, rest: Callable[[], None]) -> bool:
        pricer = self._audience.pricer
        return pricer is not None and pricer.holds(ended, rest)

    # --- on the background thread ----------------------------------------------------------------

    def _work(self, waiting: _Waiting) -> None:
        self._counting = waiting
        try:
            tokens = self._estimate(waiting.ended, waiting.content)
        except Exception as error:
            guard.report("the estimate of a call's tokens", error)
            tokens = None
        self._pass_on(waiting, tokens)
        self._counting = None

    def _estimate(self, ended: EndedCall, content: Content) -> dict[str, int] | None:
        """The tokens of a call, by attribute; ``None`` if they can't be told."""
        request, response = ended.request, ended.response
        attributes = request.attributes
        asked = input_of(content, chat=request.operation == s.CHAT)
        around = _AROUND_OUTPUT if attributes.get(s.OPENAI_API_TYPE) == "responses" else 0
        came = response.output() if response.output is not None else ()
        said = output_of(came, around=around, may_be_empty=ended.cut_off)
        if asked is None or said is None:
            return None
        known = (response.model, attributes.get(s.REQUEST_MODEL), attributes.get(s.LLM_SAGEMAKER_ENDPOINT))
        names = dict.fromkeys(name for name in known if isinstance(name, str))
        tokens = self._counters.count(asked, said, names)
        return None if tokens is None else dict(zip((s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS), tokens, strict=True))

    def _pass_on(self, waiting: _Waiting, tokens: dict[str, int] | None = None) -> None:
        """Have a call priced and ended, with the ``tokens`` that it lacks."""
        rest, ended = waiting.rest(), waiting.ended
        if rest is None:
            return
        held = False
        try:
            if tokens is not None:
                usage = ended.response.usage
                usage |= {name: count for name, count in tokens.items() if name not in usage}
                if ended.cut_off:  # some providers tell the first tokens of an answer when it begins
                    usage[s.USAGE_OUTPUT_TOKENS] = max(usage[s.USAGE_OUTPUT_TOKENS], tokens[s.USAGE_OUTPUT_TOKENS])
                ended.attributes |= {**usage, s.LLM_USAGE_ESTIMATED: True}
            held = self._price(ended, rest)
        except Exception as error:
            guard.report("the price of a call", error)
        if not held:
            rest()


# --- which calls -----------------------------------------------------------------------------


def _keep_input(request: Request) -> None:
    """Read the input of a call when it starts, if the caller may change it until the call ends."""
    if request.content is not None and request.operation in _COUNTED and not request.input_kept:
        request.content = partial(_same, request.content())


def _same(content: Content) -> Content:
    return content


@guard.never_raise
def _asked(ended: EndedCall) -> Content | None:
    return None if ended.request.content is None else ended.request.content()


def _lacks_usage(ended: EndedCall) -> bool:
    """Whether the provider billed tokens that it did not tell, and all that it read and wrote is known here."""
    request, response = ended.request, ended.response
    attributes, usage = request.attributes, response.usage
    if s.USAGE_INPUT_TOKENS in usage and s.USAGE_OUTPUT_TOKENS in usage and not ended.cut_off:
        return False
    if request.operation not in _COUNTED or response.output is None:
        return False
    if s.LLM_LANGCHAIN_CACHED in ended.attributes:
        return False
    if s.REQUEST_PREVIOUS_RESPONSE_ID in attributes or s.CONVERSATION_ID in response.attributes:
        return False  # the provider keeps a part of the input
    # The schema of JSON that is asked for is part of what is billed, but not of the messages.
    return attributes.get(s.OUTPUT_TYPE) != "json"
