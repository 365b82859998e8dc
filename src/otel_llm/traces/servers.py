"""Reads traces from Jaeger and Tempo.

Both cap the number of traces of a search. A search that meets the cap is repeated for each half of its time, so that
no trace is missing from a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from .http import Server, ServerError
from .otlp import UNREADABLE, Span, spans
from .trees import Trace, join

_SECOND = 1_000_000_000
#: The most traces of one search.
JAEGER_TRACES = 100
TEMPO_TRACES = 200

#: A time between two points, in nanoseconds since the epoch.
Period = tuple[int, int]


def _halving(search: Callable[[Period], tuple[int, Any]], period: Period, cap: int, shortest: int) -> Iterator[Any]:
    """Yield what `search` finds in parts of `period` that are short enough. It returns the number of traces, too.

    Raises:
        ServerError: there are too many traces even in `shortest` nanoseconds.
    """
    waiting = [period]
    while waiting:
        start, end = waiting.pop()
        count, found = search((start, end))
        if count < cap:
            yield found
            continue
        if end - start <= shortest:
            raise ServerError(f"there are {cap} traces or more at {_rfc3339(start)}: that many can't be told apart")
        middle = start + (end - start) // 2 // shortest * shortest
        middle = middle if middle > start else start + shortest
        waiting += [(middle, end), (start, middle)]


def _decoded(parts: Any, where: str, problems: list[str]) -> list[Span]:
    try:
        return list(spans({"resourceSpans": parts}, where, problems))
    except UNREADABLE as error:
        problems.append(f"{where}: not the shape of OTLP JSON, skipped ({error})")
        return []


def jaeger(server: Server, services: list[str], period: Period, problems: list[str]) -> Iterator[Trace]:
    """Yield the traces that Jaeger (its API version 3) has of `services`, by default of all, in `period`.

    A trace of several services comes several times.

    Raises:
        ServerError: Jaeger can't be used; also while the traces are iterated.
    """
    names = services or _list(server.get("/api/v3/services"), "services", server)
    for service in names:

        def search(part: Period, service: str = str(service)) -> tuple[int, list[Trace]]:
            try:
                query: dict[str, str | int] = {
                    "query.service_name": service,
                    "query.start_time_min": _rfc3339(part[0]),
                    "query.start_time_max": _rfc3339(part[1]),
                    "query.search_depth": JAEGER_TRACES,
                }
                answer = server.get("/api/v3/traces", query)
            except ServerError as error:
                if error.status == 404:  # Jaeger's answer if there are none
                    return 0, []
                raise
            parts = _list(_field(answer, "result", server), "resourceSpans", server)
            return _trace_count(parts), join(_decoded(parts, server.url, problems))

        for traces in _halving(search, period, JAEGER_TRACES, shortest=1000):
            yield from traces


def jaeger_trace(server: Server, trace_id: str, problems: list[str]) -> list[Trace]:
    """The trace `trace_id` as Jaeger has it; none if Jaeger has none.

    Raises:
        ServerError: Jaeger can't be used.
    """
    try:
        answer = server.get(f"/api/v3/traces/{quote(trace_id, safe='')}")
    except ServerError as error:
        if error.status == 404:
            problems.append(f"trace {trace_id} is left out: {error}")
            return []
        raise
    return join(_decoded(_list(_field(answer, "result", server), "resourceSpans", server), server.url, problems))


def tempo(server: Server, services: list[str], period: Period, problems: list[str]) -> Iterator[Trace]:
    """Yield the traces with GenAI operations that Tempo has of `services`, by default of all, in `period`.

    Raises:
        ServerError: Tempo can't be used; also while the traces are iterated.
    """
    query = "{ span.gen_ai.operation.name != nil%s }"
    among = " || ".join(f"resource.service.name = {_quoted(service)}" for service in services)
    query %= f" && ({among})" if among else ""

    def search(part: Period) -> tuple[int, list[str]]:
        start, end = part[0] // _SECOND, -(-part[1] // _SECOND)
        asked: dict[str, str | int] = {"q": query, "start": start, "end": end, "limit": TEMPO_TRACES, "spss": 1}
        answer = server.get("/api/search", asked)
        found = _list(answer, "traces", server)
        return len(found), [str(_field(trace, "traceID", server)).rjust(32, "0") for trace in found]

    seen: set[str] = set()
    for ids in _halving(search, period, TEMPO_TRACES, shortest=_SECOND):
        for trace_id in ids:
            if trace_id not in seen:
                seen.add(trace_id)
                yield from tempo_trace(server, trace_id, problems)


def tempo_trace(server: Server, trace_id: str, problems: list[str]) -> list[Trace]:
    """The trace `trace_id` as Tempo has it; none if it can't be read, with the reason among `problems`.

    Raises:
        ServerError: Tempo can't be used.
    """
    try:
        answer = server.get(f"/api/v2/traces/{quote(trace_id, safe='')}")
    except ServerError as error:
        if error.status is None or error.status in (401, 403):
            raise
        problems.append(f"trace {trace_id} is left out: {error}")
        return []
    if isinstance(answer, dict) and answer.get("status") == "PARTIAL":
        problems.append(f"trace {trace_id} is incomplete: {answer.get('message') or 'Tempo does not say why'}")
    trace = _field(answer, "trace", server) or {}
    parts = trace.get("resourceSpans") or trace.get("batches") if isinstance(trace, dict) else None
    return join(_decoded(parts or [], f"trace {trace_id}", problems))


def _trace_count(parts: list[Any]) -> int:
    """The number of traces in the `resourceSpans` of an answer, with those that can't be read."""
    found = (span for part in parts for scope in _objects(part, "scopeSpans") for span in _objects(scope, "spans"))
    return len({str(span.get("traceId")) for span in found})


def _objects(owner: Any, name: str) -> list[dict[str, Any]]:
    value = owner.get(name) if isinstance(owner, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rfc3339(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // _SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % _SECOND:09d}Z"


def _field(answer: Any, name: str, server: Server) -> Any:
    if not isinstance(answer, dict):
        raise ServerError(f"{server.url} answers something else than expected: is it the right server?")
    return answer.get(name)


def _list(answer: Any, name: str, server: Server) -> list[Any]:
    value = _field(answer, name, server)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ServerError(f"{server.url} answers something else than expected: is it the right server?")
    return value
