"""Checks whether the environment of an application names an OTLP endpoint that accepts telemetry."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

_SECONDS = 5
#: The start of an HTTP/2 connection: the preface and an empty SETTINGS frame. A gRPC server answers with SETTINGS.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS = 4

ENDPOINT, PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"


def problem(environment: Mapping[str, str]) -> str:
    """What is wrong with the endpoint that `environment` names and what to do; empty if it is right or none is named.

    Sends a request without telemetry to the endpoint.
    """
    endpoint = environment.get(ENDPOINT, "").strip()
    if not endpoint:
        return ""
    grpc = environment.get(PROTOCOL, "").strip() in ("", "grpc")  # the default of opentelemetry-instrument is grpc
    try:
        parts = urlsplit(endpoint)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        return f"{ENDPOINT}={endpoint} is not a URL: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return (
            f"{ENDPOINT}={endpoint} is not a URL: it must start with http:// or https://, as in http://localhost:4318"
        )
    try:
        return (_grpc_problem if grpc else _http_problem)(endpoint, parts, port)
    except OSError as error:
        reason = error.strerror or str(error)
        return f"nothing accepts telemetry at {ENDPOINT}={endpoint} ({reason}): is it the right address, and running?"


def _http_problem(endpoint: str, parts: SplitResult, port: int) -> str:
    path = parts.path.rstrip("/") + "/v1/traces"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(kind(str(parts.hostname), port, timeout=_SECONDS)) as connection:
        connection.request("POST", path, body=b"", headers={"Content-Type": "application/x-protobuf"})
        try:
            answer = connection.getresponse()
        except (http.client.HTTPException, ConnectionResetError):
            return (
                f"{ENDPOINT}={endpoint} does not speak HTTP, which {PROTOCOL} requires. If it is a port for gRPC"
                f" (4317), use the one for HTTP (4318), or set {PROTOCOL}=grpc"
            )
    is_page = answer.headers.get_content_type() == "text/html"  # some web servers answer every path with a page
    if (answer.status < 300 and not is_page) or answer.status in (401, 403, 429, 503):
        return ""
    if parts.path.rstrip("/").endswith("/v1/traces"):
        return f"{ENDPOINT}={endpoint}: leave out /v1/traces, which the exporter adds"
    what = "a web page" if is_page else str(answer.status)
    return f"{ENDPOINT}={endpoint} answers {what} to {path}: it is no OTLP receiver. A Collector has one at port 4318"


def _grpc_problem(endpoint: str, parts: SplitResult, port: int) -> str:
    with socket.create_connection((str(parts.hostname), port), timeout=_SECONDS) as plain:
        secured: socket.socket = plain
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.set_alpn_protocols(["h2"])
            secured = context.wrap_socket(plain, server_hostname=parts.hostname)
        with secured:
            secured.sendall(_PREFACE)
            answer = secured.recv(9)
    if len(answer) > 3 and answer[3] == _SETTINGS:
        return ""
    return (
        f"{ENDPOINT}={endpoint} does not speak gRPC, which opentelemetry-instrument uses if {PROTOCOL} is not set."
        f" If it is a port for HTTP (4318), set {PROTOCOL}=http/protobuf, or use the one for gRPC (4317)"
    )
