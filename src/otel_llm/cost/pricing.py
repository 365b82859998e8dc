"""Says what model calls cost when they end.

A price that is known costs a call a few microseconds. The first call of its kind is completed by the background thread,
which looks the price up: its span ends with the time at which the call ended, a moment later.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import time_ns
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from .. import guard
from .. import semconv as s
from ..background import forks
from ..background.worker import Worker
from ..core import listeners
from ..core.listeners import Cost, EndedCall, Listeners
from ..core.request import Request, Response
from ..core.scopes import SCOPES
from ..protocols.openai.fields import usage as read_usage
from ..version import __version__
from . import billing
from .matching import Query
from .prices import Known, Prices
from .sheet import CUT_OFF, NO_USAGE, PENDING, TOO_LATE
from .table import HostEntry, first_in_force

#: The most calls that wait for the background thread. A further call has no price.
_MAX_WAITING = 10_000
#: The most background responses that are remembered until their answer is fetched. The oldest are forgotten first.
_MAX_PENDING = 10_000
#: Nanoseconds between two checks whether the table has changed.
_LOOK_AGAIN = 1_000_000_000
_BILLED = s.INFERENCE_OPERATIONS | {s.EMBEDDINGS}

_Entry = tuple[EndedCall, Any, Callable[[], None]]


class Pricing:
    """Prices calls by ``prices``, from :meth:`start` to :meth:`close`."""

    def __init__(self, prices: Prices, audience: Listeners = listeners.SHARED) -> None:
        self._prices = prices
        self._audience = audience
        self._worker: Worker[_Entry | None] = Worker("prices", self._work, size=_MAX_WAITING, give_up=self._give_up)
        self.start_afresh()
        forks.SHARED.add(self)

    def start_afresh(self) -> None:
        #: Whether the thread has been asked to load the tables.
        self._warm = False
        self._look_at = 0
        #: Background responses that were started here: their id -> the request.
        self._pending: dict[str, Request] = {}
        self._prices.start_afresh()

    def start(self, meter_provider: MeterProvider | None = None) -> None:
        """Price calls from now on. What hosts cost that nobody pays is a metric of ``meter_provider``."""
        self._audience.pricer = self
        self._audience.before_start(self._prepare)
        self._load()
        meter = metrics.get_meter("otel_llm.cost", __version__, meter_provider)
        meter.create_observable_counter(
            s.METRIC_LLM_IDLE_COST,
            [self._observe_idle],
            "{currency}",
            "What hosts paid by the hour cost while no call used them.",
        )

    def _observe_idle(self, options: CallbackOptions) -> Iterable[Observation]:
        if self._audience.pricer is not self:
            return []
        self.look()
        now = time_ns()
        idle: defaultdict[tuple[str, str], float] = defaultdict(float)
        for entry, clock in [*self._prices.clocks.items(), *self._prices.past_clocks]:
            idle[entry.label, entry.currency] += clock.idle(now, self._others(entry))
        return [
            Observation(amount, {s.LLM_COST_HOST: host, s.LLM_USAGE_COST_CURRENCY: currency})
            for (host, currency), amount in idle.items()
        ]

    def close(self, seconds: float) -> None:
        """Price what waits, and no call from now on."""
        if self._audience.pricer is self:
            self._audience.pricer = None
        self._audience.not_before_start(self._prepare)
        self._worker.close(seconds)

    def flush(self, seconds: float) -> bool:
        """Price what waits; return whether that took at most ``seconds``."""
        return self._worker.flush(seconds)

    @guard.never_raise
    def _load(self) -> None:
        """Load the tables now, which takes up to a second, unless that would hold up an event loop.

        A fork in the middle of an import would leave the child with a module that is half imported, and locked for
        ever. So the thread imports them only where it must.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._prices.load()

    def _prepare(self, request: Request) -> None:
        """Have the tables loaded while the first call is under way, if they are not yet."""
        if not self._warm:
            self._warm = True
            self.look()

    def look(self) -> None:
        """Have the tables loaded, or looked at again."""
        with suppress(RuntimeError):  # no thread can be started now
            self._worker.put(None)

    # --- on the caller's thread ------------------------------------------------------------------

    def holds(self, ended: EndedCall, rest: Callable[[], None]) -> bool:
        request, response = ended.request, ended.response
        operation = request.operation
        if operation not in _BILLED:
            if operation != s.FETCH_RESPONSE or response.id not in self._pending:
                return False
            found = self._fetched(ended)
            if found is None:
                return False
            request, response = found
        elif s.LLM_LANGCHAIN_CACHED in ended.attributes:
            return False
        told = billing.reported(response)
        if told is not None:
            _note(ended, told[0], told[1], s.COST_FROM_PROVIDER)
            return False
        attributes, billed = request.attributes, response.billed
        get = attributes.get
        tier = billing.tier_of(billed) if billed else response.attributes.get(s.LLM_RESPONSE_SERVICE_TIER)
        key = (
            get(s.PROVIDER_NAME),
            get(s.SERVER_ADDRESS),
            get(s.SERVER_PORT),
            response.model,
            get(s.REQUEST_MODEL),
            tier or get(s.OPENAI_REQUEST_SERVICE_TIER),
            get(s.LLM_REQUEST_PROCESSING),
            get(s.LLM_SAGEMAKER_ENDPOINT),
        )
        began = ended.started_at
        known = self._prices.known.get(key)
        if known is not None and known.begin <= began < known.end:
            self._price(ended, request, response, known)
            if began > self._look_at:
                self._look_at = began + _LOOK_AGAIN
                self.look()
            return False
        try:
            if self._worker.put((ended, (key, request, response), rest)):
                return True
        except RuntimeError:  # no thread can be started now: the entry waits for the next try
            return True
        ended.unpriced = TOO_LATE
        return False

    def _price(self, ended: EndedCall, request: Request, response: Response, known: Known) -> None:
        if known.clock is not None and known.host is not None:
            began = ended.started_at
            part = known.clock.charge(began, began + int(ended.duration * 1e9), self._others(known.host))
            _note(ended, part, known.currency, s.COST_LOCAL)
            return
        usage = response.usage
        if not usage and ended.error_type is not None and ended.time_to_first_chunk is None:
            return  # an error is not charged, but the part of an answer that came before it is
        if known.rates is None:
            ended.unpriced = known.reason
            return
        cut_off = ended.time_to_first_chunk is not None and ended.cut_off
        if cut_off and known.rates.flat is None and s.LLM_USAGE_ESTIMATED not in ended.attributes:
            ended.unpriced = CUT_OFF  # what it told so far, such as the input, is not all
            self._await_answer(request, response)
            return
        billed = response.billed
        charged = known.rates.charge(usage, billing.units(billed) if billed else billing.NOTHING, request.operation)
        if not isinstance(charged, str):
            _note(ended, charged, known.currency, s.COST_LOCAL)
        elif charged == NO_USAGE:
            ended.unpriced = self._without_usage(ended)
        else:
            ended.unpriced = charged

    def _without_usage(self, ended: EndedCall) -> str:
        request, response = ended.request, ended.response
        if s.LLM_STREAM_OUTCOME in ended.attributes:
            return CUT_OFF
        if not response.finish_reasons and self._await_answer(request, response):
            return PENDING
        return NO_USAGE

    def _await_answer(self, request: Request, response: Response) -> bool:
        """Keep the request of a response whose answer may be fetched later; return whether it may be."""
        if response.id is None or request.attributes.get(s.OPENAI_API_TYPE) != "responses":
            return False
        if len(self._pending) >= _MAX_PENDING:
            with suppress(KeyError, RuntimeError, StopIteration):  # other threads do the same
                del self._pending[next(iter(self._pending))]
        self._pending[response.id] = request
        return True

    def _fetched(self, ended: EndedCall) -> tuple[Request, Response] | None:
        """The request of the background response that has been fetched, and the answer with its usage."""
        response = ended.response
        if not response.billed or not response.finish_reasons or response.id is None:
            return None
        request = self._pending.pop(response.id, None)
        if request is None:
            return None
        answer = Response(response.id, response.model, response.finish_reasons, billed=response.billed)
        answer.usage = read_usage(response.billed[0][0])
        return request, answer

    def _others(self, host: HostEntry) -> list[int]:
        """When the calls of a host began that are under way, in nanoseconds since the epoch."""
        found = []
        for request, began in SCOPES.calls_under_way():
            key = _key_of(request.attributes)
            hosts = self._prices.hosts.get(key)
            if hosts is None:
                hosts = self._prices.hosts_of(key, _query(key))
            one = first_in_force(hosts, began)
            if one is host or one == host:  # an entry that a new table has, too, keeps its clock
                found.append(began)
        return found

    # --- on the background thread ----------------------------------------------------------------

    def _work(self, entry: _Entry | None) -> None:
        if entry is None:
            self._prices.load()
            return
        ended, (key, request, response), rest = entry
        try:
            known = self._prices.known.get(key)
            if known is None or not known.begin <= ended.started_at < known.end:
                known = self._prices.look_up(key, _query(key), ended.started_at)
            self._price(ended, request, response, known)
        except Exception as error:
            guard.report("the price of a call", error)
        finally:
            rest()

    def _give_up(self, entry: _Entry | None) -> None:
        """End the call without a price: the process ends."""
        if entry is None:
            return
        ended, _, rest = entry
        ended.unpriced = TOO_LATE
        rest()


def _note(ended: EndedCall, amount: float, currency: str, source: str) -> None:
    ended.cost = Cost(amount, currency, source)
    attributes = ended.attributes
    attributes[s.LLM_USAGE_COST_AMOUNT] = amount
    attributes[s.LLM_USAGE_COST_CURRENCY] = currency
    attributes[s.LLM_USAGE_COST_SOURCE] = source


def _key_of(attributes: Any) -> Any:
    """What is known of a call with these ``attributes`` without its answer, in the order of the keys of prices."""
    get = attributes.get
    return (
        get(s.PROVIDER_NAME),
        get(s.SERVER_ADDRESS),
        get(s.SERVER_PORT),
        None,
        get(s.REQUEST_MODEL),
        get(s.OPENAI_REQUEST_SERVICE_TIER),
        get(s.LLM_REQUEST_PROCESSING),
        get(s.LLM_SAGEMAKER_ENDPOINT),
    )


def _query(key: Any) -> Query:
    provider, host, port, answered, asked, tier, processing, endpoint = key
    models = tuple(dict.fromkeys(name for name in (answered, asked) if name))
    tiers = [name for name in (billing.discounted(tier), processing) if name]
    return Query(provider or "", models, host, port, endpoint, "+".join(tiers) or None)
