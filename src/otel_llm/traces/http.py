"""GET requests for JSON. A redirect is not followed, so that headers with credentials reach no other host."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

_REASON_LENGTH = 200


class ServerError(Exception):
    """A server can't be used. The message names it and says why. `status`: the HTTP status, if there was a response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


class Server:
    """A server of JSON at `url`, which may have a path."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        """
        Raises:
            ServerError: `url` is not a URL of HTTP.
        """
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            valid = False
        if not valid:
            raise ServerError(f"{url} is not a URL: it must start with http:// or https://, as http://127.0.0.1:16686")
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", **headers}
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirects)

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """The JSON at `path`, asked for with `query`.

        Raises:
            ServerError: the server does not answer, or with something else.
        """
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            request = urllib.request.Request(address, headers=self._headers)
            with self._opener.open(request, timeout=self._timeout) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ServerError(self._refused(path, error), error.code) from None
        except TimeoutError:
            raise ServerError(f"{self.url} did not answer {path} within {self._timeout:g} s (--timeout)") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise ServerError(f"{self.url} does not answer: {reason}") from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ServerError(f"{self.url} does not answer {path} with JSON: is it the right server?") from None

    def _refused(self, path: str, error: urllib.error.HTTPError) -> str:
        if 300 <= error.code < 400:
            return f"{self.url} redirects to {error.headers.get('Location')}: use that address"
        try:
            said = error.read(_REASON_LENGTH).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException):
            said = ""
        return f"{self.url} answers {error.code} to {path}" + (f": {said}" if said else "")
