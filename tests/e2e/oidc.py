"""A provider of OpenID Connect tokens, as far as a verifier sees it."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Provider:
    """It signs with RSA; `openssl` makes the key."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._key = directory / "key.pem"
        self._openssl("genrsa", "-out", str(self._key), "2048")
        modulus = self._openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode().strip().partition("=")[2]
        self._pages: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "e": "AQAB"}
        self._pages |= {
            "/keys": {"keys": [key | {"n": encoded(bytes.fromhex(modulus))}]},
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "authorization_endpoint": f"{self.issuer}/authorize",
                "id_token_signing_alg_values_supported": ["RS256"],
            },
        }

    def token(self, audience: str, seconds: float = 60, issuer: str = "") -> str:
        """A token for `audience` that is valid for `seconds`."""
        now = int(time.time())
        claims = {"iss": issuer or self.issuer, "aud": audience, "sub": "application", "iat": now, "exp": now + seconds}
        head = encoded(json.dumps({"alg": "RS256", "kid": "one", "typ": "JWT"}).encode())
        signed = f"{head}.{encoded(json.dumps(claims).encode())}"
        return f"{signed}.{encoded(self._openssl('dgst', '-sha256', '-sign', str(self._key), said=signed.encode()))}"

    @contextmanager
    def running(self) -> Iterator[None]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self._pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(pages.get(self.path, {})).encode()
                self.send_response(200 if self.path in pages else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @staticmethod
    def _openssl(*arguments: str, said: bytes = b"") -> bytes:
        done = subprocess.run(["openssl", *arguments], input=said, capture_output=True, check=True, timeout=60)
        return done.stdout
