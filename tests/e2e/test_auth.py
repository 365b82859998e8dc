"""Who may send: the Collector with `auth-mtls.yaml`, and the SDK's exporters as the environment configures them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from e2e.programs import CONFIGURATION, Collector

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates"),
]

ACCEPTED = "otelcol_receiver_accepted_spans"

#: A backend that swallows everything.
STORE = """
exporters: {debug: {}}
service: {pipelines: {traces/store: {receivers: [forward/kept], exporters: [debug]}}}
"""

Run = Callable[[Any], Any]


class Authority:
    """Certificates for 127.0.0.1, signed by an authority of the test's."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.certificate = directory / "ca.pem"
        self._openssl("req", "-x509", "-nodes", *self._key("ca"), "-subj", "/CN=test", "-days", "2", "-out", "ca.pem")

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate and its key."""
        extensions = self.directory / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1")
        self._openssl("req", "-nodes", *self._key(name), "-subj", f"/CN={name}", "-out", f"{name}.csr")
        signer = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "extensions"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-days", "2", "-out", f"{name}.pem")
        return self.directory / f"{name}.pem", self.directory / f"{name}-key.pem"

    @staticmethod
    def _key(name: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", f"{name}-key.pem"]

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, check=True, timeout=60)


def span() -> ReadableSpan:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.get_tracer("test").start_span("hello").end()
    return kept.get_finished_spans()[0]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_only_a_certificate_of_the_authority_is_heard(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    tls, store = tmp_path / "tls", tmp_path / "store.yaml"
    tls.mkdir()
    for source, name in zip(
        (*ours.issue("server"), ours.certificate), ("server", "server-key", "client-ca"), strict=True
    ):
        shutil.copy(source, tls / f"{name}.pem")
    store.write_text(STORE)
    pieces = [
        CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "ingest", "spans", "keep-all", "auth-mtls")
    ]
    collector: Collector = run(Collector([*pieces, store], tmp_path, {"COLLECTOR_TLS": str(tls)}))

    def exporter(scheme: str = "https") -> SpanExporter:
        if protocol == "grpc":
            return GrpcExporter(f"{scheme}://{collector.otlp_grpc}", timeout=2)
        return HttpExporter(f"{scheme}://{collector.otlp_http}/v1/traces", timeout=2)

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # the HTTP exporter would prefer them
        monkeypatch.delenv(name, raising=False)

    def send(certificate: tuple[Path, Path] | None, scheme: str = "https") -> SpanExportResult:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(ours.certificate))
        for name, path in zip(("CERTIFICATE", "KEY"), certificate or ("", ""), strict=True):
            variable = f"OTEL_EXPORTER_OTLP_CLIENT_{name}"
            monkeypatch.setenv(variable, str(path)) if path else monkeypatch.delenv(variable, raising=False)
        sender = exporter(scheme)
        try:
            return sender.export([span()])
        finally:
            sender.shutdown()

    assert send(None) is SpanExportResult.FAILURE
    assert send(None, scheme="http") is SpanExportResult.FAILURE
    assert send(others.issue("intruder")) is SpanExportResult.FAILURE
    assert collector.internal().get(ACCEPTED, 0) == 0
    assert send(ours.issue("application")) is SpanExportResult.SUCCESS
    assert collector.internal()[ACCEPTED] == 1


def test_without_certificates_the_collector_does_not_start(tmp_path: Path, run: Run) -> None:
    store = tmp_path / "store.yaml"
    store.write_text(STORE)
    pieces = [
        CONFIGURATION / "otelcol" / f"{name}.yaml" for name in ("common", "ingest", "spans", "keep-all", "auth-mtls")
    ]
    with pytest.raises(AssertionError, match=r"server\.pem: no such file"):
        run(Collector([*pieces, store], tmp_path, {"COLLECTOR_TLS": str(tmp_path / "empty")}))
