"""`otel-llm cost` on servers that answer as Jaeger and Tempo do: every trace once, however many there are."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from otlp_json import View, document, paid, span

START = 1_700_000_000_000_000_000
SINCE = ("--since", "2023-11-14T22:00+00:00", "--until", "2023-11-14T23:00+00:00")

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Respond = Callable[[str, dict[str, str]], Answer]


class Stored:
    """Traces of one call each, of 0.01 USD, `gap` nanoseconds apart, and the requests that came for them."""

    def __init__(self, count: int, gap: int = 1_000_000_000, services: tuple[str, ...] = ("shop",)) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.services = services
        self.traces = {f"{number:032x}": START + number * gap for number in range(1, count + 1)}

    def document(self, trace_id: str) -> dict[str, Any]:
        at = str(self.traces[trace_id])
        made = document(span("chat", 1, trace_id=trace_id, attributes=paid(0.01), startTimeUnixNano=at))
        return dict(made["resourceSpans"][0])

    def between(self, start: float, end: float, most: int) -> list[str]:
        """The newest first, and no more than asked for, as both servers answer."""
        return [one for one, at in reversed(self.traces.items()) if start <= at <= end][:most]

    def jaeger(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/api/v3/services":
            return 200, {"services": list(self.services)}
        assert path == "/api/v3/traces"
        assert query["query.service_name"] in self.services
        found = self.between(
            _nanoseconds(query["query.start_time_min"]),
            _nanoseconds(query["query.start_time_max"]),
            int(query["query.search_depth"]),
        )
        if not found:
            return 404, {"error": {"httpCode": 404, "message": "No traces found"}}
        return 200, {"result": {"resourceSpans": [self.document(one) for one in found]}}

    def tempo(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/api/search":
            start, end = (int(query[name]) * 10**9 for name in ("start", "end"))
            found = self.between(start, end, int(query["limit"]))
            return 200, {"traces": [{"traceID": one.lstrip("0")} for one in found]}
        trace_id = path.removeprefix("/api/v2/traces/")
        return 200, {"trace": {"resourceSpans": [_base64_ids(self.document(trace_id))]}}


def _nanoseconds(rfc3339: str) -> float:
    seconds, _, fraction = rfc3339.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}+00:00").timestamp() * 1e9 + int(fraction)


def _base64_ids(part: dict[str, Any]) -> dict[str, Any]:
    for one in part["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return part


@contextmanager
def serving(respond: Respond, requests: list[Any] | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if requests is not None:
                requests.append((parts.path, query, dict(self.headers)))
            status, body, *headers = respond(parts.path, query)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def total(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)["total"]


@pytest.mark.parametrize(("kind", "count"), [("jaeger", 150), ("tempo", 250)])
def test_every_trace_counts_once(cost: View, kind: str, count: int) -> None:
    stored = Stored(count, gap=1_000_000_000, services=("shop", "shop2"))
    with serving(getattr(stored, kind), stored.requests) as url:
        found = total(cost(f"--{kind}", url + "/", "--json", *SINCE))
    assert (found["calls"], found["cost"]) == (count, {"USD": f"{count / 100:.2f}"})
    searches = [path for path, *_ in stored.requests if path in ("/api/v3/traces", "/api/search")]
    assert 2 < len(searches) < 100


def test_the_services_and_the_time_are_asked_for(cost: View) -> None:
    stored = Stored(3)
    with serving(stored.jaeger, stored.requests) as url:
        total(cost("--jaeger", url, "--json", "--service", "shop", *SINCE))
    ((path, query, _),) = stored.requests
    assert path == "/api/v3/traces"
    assert query["query.start_time_min"] == "2023-11-14T22:00:00.000000000Z"
    assert query["query.start_time_max"] == "2023-11-14T23:00:00.000000000Z"
    stored.requests.clear()
    with serving(stored.tempo, stored.requests) as url:
        total(cost("--tempo", url, "--json", "--service", 'a"b', "--service", "c", *SINCE))
    assert stored.requests[0][1]["q"] == (
        '{ span.gen_ai.operation.name != nil && (resource.service.name = "a\\"b" || resource.service.name = "c") }'
    )


def test_headers_are_sent(cost: View, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("Authorization: Bearer b\n\nX-Scope-OrgID: t:1\n")
    stored = Stored(1)
    with serving(stored.tempo, stored.requests) as url:
        total(cost("--tempo", url, "--json", "--header", "X-A: 1", "--header", f"@{tmp_path / 'headers'}", *SINCE))
    for _, _, headers in stored.requests:
        assert {"X-A": "1", "Authorization": "Bearer b", "X-Scope-Orgid": "t:1"}.items() <= headers.items()


def test_a_redirect_is_not_followed(cost: View) -> None:
    reached: list[Any] = []
    with (
        serving(lambda path, query: (200, {}), reached) as other,
        serving(lambda path, query: (302, {}, {"Location": f"{other}/login"})) as url,
    ):
        code, _, err = cost("--jaeger", url, "--header", "Authorization: secret")
    assert code == 2
    assert f"redirects to {other}/login" in err
    assert reached == []


@pytest.mark.parametrize(
    ("respond", "told"),
    [
        (lambda path, query: (200, b"<html>"), "does not answer /api/v3/services with JSON"),
        (lambda path, query: (200, []), "answers something else than expected"),
        (lambda path, query: (200, {"services": 7}), "answers something else than expected"),
        (lambda path, query: (401, b"who are you?\x1b"), "answers 401 to /api/v3/services: who are you?\\x1b"),
    ],
)
def test_a_server_of_something_else_is_named(cost: View, respond: Respond, told: str) -> None:
    with serving(respond) as url:
        code, out, err = cost("--jaeger", url)
    assert (code, out) == (2, "")
    assert url in err
    assert told in err
    assert "\x1b" not in err


def test_no_part_of_a_sum_is_left_out_in_silence(cost: View) -> None:
    stored = Stored(100, gap=0)
    with serving(stored.jaeger) as url:
        code, out, err = cost(
            "--jaeger", url, "--since", "2023-11-14T22:13:20+00:00", "--until", "2023-11-14T22:13:20.001+00:00"
        )
    assert (code, out) == (2, "")
    assert "100 traces or more at 2023-11-14T22:13:" in err


def test_a_trace_that_tempo_cannot_give_is_named(cost: View) -> None:
    stored = Stored(3)

    def respond(path: str, query: dict[str, str]) -> Answer:
        if path.endswith("1"):
            return 422, b"trace exceeds max size"
        status, answer, *_ = stored.tempo(path, query)
        if path.endswith("2"):
            answer |= {"status": "PARTIAL", "message": "too large"}
        return status, answer

    with serving(respond) as url:
        code, out, err = cost("--tempo", url, "--json", *SINCE)
    assert code == 1
    assert json.loads(out)["total"]["calls"] == 2
    assert f"trace {1:032x} is left out: {url} answers 422" in err
    assert f"trace {2:032x} is incomplete: too large" in err


def test_spans_that_are_none_cost_only_themselves(cost: View) -> None:
    stored = Stored(2)

    def respond(path: str, query: dict[str, str]) -> Answer:
        status, answer, *_ = stored.jaeger(path, query)
        if "result" in answer:
            answer["result"]["resourceSpans"] += [{"scopeSpans": 3}, {"scopeSpans": [{"spans": [{"traceId": 1}, 7]}]}]
        return status, answer

    with serving(respond) as url:
        code, out, err = cost("--jaeger", url, "--json", *SINCE)
    assert code == 1
    assert json.loads(out)["total"]["calls"] == 2
    assert f"{url}: span skipped" in err
