"""Decides which traces a rate samples, by trace id and trace state only, so that every service samples the same.

Each trace has a position in [0, 2**64); a rate samples the positions below its bound. A lower rate's traces are
thus among a higher rate's. Positions computed as the head sampler computes them are among those it keeps:

- the SDK's ``TraceIdRatioBased`` compares the low 64 bits of the trace id, smaller values first;
- consistent probability sampling (OTEP 235: https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)
  compares the low 56 bits, or ``rv`` of the trace state, larger values first.

Mixing the two makes independent choices: 5 % of the 10 % kept are 0.5 % of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import TraceState

from ...config.values import share

LOW_64 = 2**64 - 1
_BITS = 56
_LARGEST: int = 2**_BITS - 1
_HEX_DIGITS = _BITS // 4
_TO_64 = 1 << (64 - _BITS)
#: The SDK's module for consistent samplers, until they are stable.
_CONSISTENT_MODULE = "opentelemetry.sdk.trace._sampling_experimental"
#: Newer SDKs have this sampler. It passes every span to the processors, whatever its inner sampler decides.
_RECORDS_ALL: tuple[type, ...] = tuple(
    kind for kind in (getattr(sampling, "AlwaysRecordSampler", None),) if kind is not None
)


def bound(rate: float) -> int:
    """The bound of ``rate``: positions below it are sampled.

    :raises ValueError: for a rate that is not from 0 to 1.
    """
    share(rate)
    return round(rate * 2**64)


def position(trace_id: int, trace_state: TraceState | None, consistent: bool) -> int:
    """The position of the trace, in [0, 2**64)."""
    if not consistent:
        return trace_id & LOW_64
    randomness = _entry(trace_state, "rv:", _HEX_DIGITS)
    if randomness is None:
        randomness = trace_id & _LARGEST
    return (_LARGEST - randomness) * _TO_64


def kept_share(trace_state: TraceState | None) -> float | None:
    """The share of traces that a consistent head sampler keeps. It writes that into the trace state."""
    threshold = _entry(trace_state, "th:")
    return None if threshold is None else 1 - threshold / 2**_BITS


def _entry(trace_state: TraceState | None, name: str, least: int = 1) -> int | None:
    """A number in the trace state's entry ``ot``: 14 hexadecimal digits, of which at least ``least`` are written."""
    for member in (trace_state.get("ot") or "").split(";") if trace_state else ():
        digits = member.removeprefix(name)
        if digits != member and least <= len(digits) <= _HEX_DIGITS:
            try:
                return int(digits.ljust(_HEX_DIGITS, "0"), 16)
            except ValueError:
                return None
    return None


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a head sampler.

    ``consistent``: it is a consistent probability sampler; ``share``: the share of the traces beginning here that it
    keeps, if known; ``records_all``: the other traces are recorded too.
    """

    consistent: bool = False
    share: float | None = None
    records_all: bool = False

    @classmethod
    def of(cls, sampler: Any) -> Head:
        records_all = False
        while isinstance(sampler, (ParentBased, *_RECORDS_ALL)):
            records_all |= isinstance(sampler, _RECORDS_ALL)
            sampler = getattr(sampler, "_root", None)
        share = sampler.rate if isinstance(sampler, TraceIdRatioBased) else 1.0 if sampler is ALWAYS_ON else None
        return cls(type(sampler).__module__.startswith(_CONSISTENT_MODULE), share, records_all)
