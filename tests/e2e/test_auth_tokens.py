"""Who may send, by what the SDK's headers say: `auth-bearer.yaml`, `auth-basic.yaml`, `auth-oidc.yaml`; and
`auth-headers.yaml`, with which a Collector says who it is."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from e2e import load
from e2e.oidc import Provider
from e2e.programs import CONFIGURATION, KEPT_STORE, Collector, until

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes keys and passwords"),
]

Run = Callable[[Any], Any]

ACCEPTED = "otelcol_receiver_accepted_spans"
SENT = "otelcol_exporter_sent_spans"


def pieces(directory: Path, *names: str) -> list[Path]:
    """The files of these names, and one that keeps what arrives."""
    store = directory / "store.yaml"
    store.write_text(KEPT_STORE)
    return [*(CONFIGURATION / "otelcol" / f"{name}.yaml" for name in names), store]


def agent(run: Run, directory: Path, authentication: str, **settings: str) -> Collector:
    files = pieces(directory, "common", "ingest", "spans", "keep-all", authentication)
    return run(Collector(files, directory, settings))


def span() -> ReadableSpan:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.get_tracer("test").start_span("hello").end()
    return kept.get_finished_spans()[0]


class Application:
    """Sends a span as an SDK does whose environment has this `authorization` in OTEL_EXPORTER_OTLP_HEADERS."""

    def __init__(self, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        self._collector, self._monkeypatch = collector, monkeypatch

    def heard(self, authorization: str = "") -> bool:
        if authorization:
            self._monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={quote(authorization)}")
        else:
            self._monkeypatch.delenv("OTEL_EXPORTER_OTLP_HEADERS", raising=False)
        exporters: Sequence[SpanExporter] = [
            HttpExporter(f"http://{self._collector.otlp_http}/v1/traces", timeout=5),
            GrpcExporter(f"http://{self._collector.otlp_grpc}", timeout=5),
        ]
        results = set()
        for exporter in exporters:
            results.add(exporter.export([span()]))
            exporter.shutdown()
        (result,) = results  # the same over both protocols
        return result is SpanExportResult.SUCCESS

    def accepted(self) -> float:
        return self._collector.internal().get(ACCEPTED, 0)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_sender_needs_one_of_the_tokens(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("first-token\nsecond-token\n")
    collector = agent(run, tmp_path, "auth-bearer", COLLECTOR_TOKENS=str(tokens))
    application = Application(collector, monkeypatch)
    assert not application.heard()
    for wrong in ("Bearer wrong", "Bearer ", "first-token", "Bearer first-token\nsecond-token"):
        assert not application.heard(wrong), wrong
    assert application.accepted() == 0
    assert application.heard("Bearer first-token")
    assert application.heard("Bearer second-token")
    assert application.accepted() == 4

    tokens.write_text("third-token\n")
    until(lambda: application.heard("Bearer third-token"), 60, "the file is read again")
    assert not application.heard("Bearer first-token")


@pytest.mark.parametrize("content", [None, "", "\n"], ids=["missing", "empty", "blank"])
def test_without_tokens_nobody_is_heard(tmp_path: Path, run: Run, content: str | None) -> None:
    tokens = tmp_path / "tokens"
    if content is not None:
        tokens.write_text(content)
    with pytest.raises(AssertionError, match=r"(?s)ended with 1.*tokens"):
        agent(run, tmp_path, "auth-bearer", COLLECTOR_TOKENS=str(tokens))


def test_a_sender_needs_the_password(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = tmp_path / "htpasswd"
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "right"], capture_output=True, text=True, check=True).stdout
    passwords.write_text(f"shop:{hashed}")
    application = Application(agent(run, tmp_path, "auth-basic", COLLECTOR_HTPASSWD=str(passwords)), monkeypatch)
    assert not application.heard()
    for wrong in (basic("shop", "wrong"), basic("other", "right"), basic("shop", ""), "Basic !", "Bearer right"):
        assert not application.heard(wrong), wrong
    assert application.accepted() == 0
    assert application.heard(basic("shop", "right"))
    assert application.accepted() == 2


def test_without_passwords_the_collector_does_not_start(tmp_path: Path, run: Run) -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended with 1.*no such file"):
        agent(run, tmp_path, "auth-basic", COLLECTOR_HTPASSWD=str(tmp_path / "nothing"))


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    made = Provider(tmp_path / "provider")
    with made.running():
        yield made


def test_a_sender_needs_a_token_of_the_provider(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    settings = {"COLLECTOR_OIDC_ISSUER": provider.issuer, "COLLECTOR_OIDC_AUDIENCE": "telemetry"}
    application = Application(agent(run, tmp_path, "auth-oidc", **settings), monkeypatch)
    others = Provider(tmp_path / "others")
    with others.running():
        tokens_of_others = [others.token("telemetry"), others.token("telemetry", issuer=provider.issuer)]
    assert not application.heard()
    for wrong in (
        "wrong",
        provider.token("another audience"),
        provider.token("telemetry", seconds=-60),
        provider.token("telemetry")[:-20] + "A" * 20,
        *tokens_of_others,
    ):
        assert not application.heard(f"Bearer {wrong}"), wrong
    assert application.accepted() == 0
    assert application.heard("Bearer " + provider.token("telemetry"))
    assert application.accepted() == 2


@pytest.mark.parametrize("settings", [{}, {"COLLECTOR_OIDC_ISSUER": "http://127.0.0.1:9"}], ids=["unset", "away"])
def test_without_a_provider_the_collector_does_not_start(tmp_path: Path, run: Run, settings: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match=r"ended with 1"):
        agent(run, tmp_path, "auth-oidc", **settings)


def test_a_collector_says_who_it_is(tmp_path: Path, run: Run) -> None:
    """An agent with the header of a file, before a gateway that hears only one that has the token."""
    tokens, header = tmp_path / "tokens", tmp_path / "header"
    tokens.write_text("right")
    header.write_text("Bearer wrong")
    gateway_files = [*pieces(tmp_path, "common", "from-agents", "keep-all"), grpc_only(tmp_path)]
    gateway: Collector = run(Collector(gateway_files, tmp_path, {"COLLECTOR_TOKENS": str(tokens)}, name="gateway"))
    files = pieces(tmp_path, "common", "ingest", "spans", "keep-all", "jaeger", "auth-headers")[:-1]
    settings = {"JAEGER_OTLP": gateway.otlp_grpc, "COLLECTOR_HEADER_FILE": str(header)}
    collector: Collector = run(Collector(files, tmp_path, settings, name="agent"))

    assert load.post(collector.otlp_http, load.request("shop", load.trace(3)))
    until(lambda: collector.internal().get("otelcol_exporter_send_failed_spans", 0) == 3, 60, "refused, and counted")
    assert gateway.internal().get(ACCEPTED, 0) == 0
    header.write_text("Bearer right")

    def arrives() -> bool:
        assert load.post(collector.otlp_http, load.request("shop", load.trace(1)))
        return gateway.internal().get(ACCEPTED, 0) > 0

    until(arrives, 60, "the file is read again, and the gateway hears the agent")


def grpc_only(directory: Path) -> Path:
    """`auth-bearer.yaml` for a receiver without HTTP."""
    path = directory / "grpc-only.yaml"
    text = (CONFIGURATION / "otelcol" / "auth-bearer.yaml").read_text()
    path.write_text(text.replace("      http:\n        auth: *auth\n", ""))
    return path
