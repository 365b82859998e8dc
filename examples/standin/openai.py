"""The OpenAI protocol, and the same under Azure's paths: `/v1/<route>`, `/openai/deployments/<model>/<route>`,
`/openai/<route>`, `/openai/v1/<route>`.

Errors are asked for by the model's name:

| model                                    | answer                                                            |
|------------------------------------------|-------------------------------------------------------------------|
| `error-400`, `-401`, `-403`, `-404`, ... | that status with the body OpenAI sends                            |
| `error-quota`, `-context`, `-content`    | 429 insufficient_quota, 400 context_length_exceeded, content_filter |
| `error-drop`                             | the connection is dropped before any answer                       |
| `error-cut`, `error-stream`              | a stream that breaks off: connection dropped, error event         |
| `error-failed`                           | a response (Responses API) whose status is `failed`               |

`OpenAIServer(latency=1)` answers at plausible speed, `latency=0` (the default) at once.
"""

from __future__ import annotations

import argparse
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from standin import chat, media, text
from standin.responses import Responses
from standin.server import Reply, Request, Server

Route = Callable[[Request, str], Reply]

_PREFIX = re.compile(r"^/(?:openai/deployments/(?P<deployment>[^/]+)|openai/v1|openai|v1)/")
_ERRORS: dict[str, tuple[int, str, str | None, str]] = {
    "400": (400, "invalid_request_error", None, "Invalid request."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-***."),
    "403": (403, "invalid_request_error", "unsupported_country_region_territory", "Country not supported."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist or you have no access to it."),
    "409": (409, "invalid_request_error", None, "The resource is being changed by another request."),
    "422": (422, "invalid_request_error", None, "The request could not be processed."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "500": (500, "server_error", None, "The server had an error while processing your request."),
    "503": (503, "server_error", None, "The engine is currently overloaded, please try again later."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "context": (400, "invalid_request_error", "context_length_exceeded", "The context is limited to 128000 tokens."),
    "content": (400, "invalid_request_error", "content_filter", "The response was filtered."),
}
# Seconds before the response and before each chunk, for a latency of 1.
_PACE = {"chat/completions": (0.18, 0.02), "responses": (0.22, 0.02), "completions": (0.12, 0.02)}
_OTHER_PACE = (0.05, 0.01)


class OpenAIServer(Server):
    """A stand-in for api.openai.com; see the module's docstring."""

    def __init__(self, *, port: int = 0, latency: float = 0.0) -> None:
        super().__init__(port=port)
        self._latency = latency
        self._responses = Responses()
        self._batches = media.Batches()
        self._routes: dict[str, Route] = {
            "chat/completions": chat.chat,
            "completions": chat.completion,
            "responses": self._responses.create,
            "embeddings": media.embeddings,
            "images/generations": media.images,
            "images/edits": media.images,
            "images/variations": media.images,
            "audio/speech": media.speech,
            "audio/transcriptions": media.transcription,
            "audio/translations": media.transcription,
            "moderations": media.moderations,
            "batches": lambda request, model: self._batches.create(request),
        }

    def route(self, request: Request) -> Reply:
        path = _PREFIX.match(request.path)
        if path is None:
            return super().route(request)
        name = request.path[path.end() :]
        if request.method == "POST" and name in self._routes:
            asked = request.json if isinstance(request.json, dict) else request.form
            model = str(asked.get("model") or path["deployment"] or "gpt-4o-mini")
            return self._paced(name, refused(model) or self._routes[name](request, model))
        collection, _, rest = name.partition("/")
        item, _, action = rest.partition("/")
        if collection == "responses" and item:
            return self._paced(name, self._responses.stored(request, item, action))
        if collection == "batches" and item:
            return self._paced(name, self._batches.stored(request, item, action))
        return super().route(request)

    def headers_for(self, request: Request) -> dict[str, str]:
        milliseconds = round(1000 * self._latency * _OTHER_PACE[0]) + 1
        return {"x-request-id": text.new_id("req_"), "openai-processing-ms": str(milliseconds)}

    def _paced(self, name: str, reply: Reply) -> Reply:
        before, between = _PACE.get(name, _OTHER_PACE)
        return replace(reply, delay=before * self._latency, chunk_delay=between * self._latency)


def refused(model: str) -> Reply | None:
    """The error that the name of a model asks for."""
    if model == "error-drop":
        return Reply(abort=True)
    known = _ERRORS.get(model.removeprefix("error-")) if model.startswith("error-") else None
    if known is None:
        return None
    status, kind, code, message = known
    return error(status, message, kind, code)


def error(status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> Reply:
    """An error in OpenAI's shape. Those that can be retried ask for an immediate retry."""
    body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Reply(status=status, body=body, headers={"retry-after-ms": "5"} if status in (409, 429, 500, 503) else {})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standin.openai", description="A local stand-in for OpenAI's API.")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free port")
    parser.add_argument("--latency", type=float, default=1.0, help="scale of the answer times; 0 answers at once")
    options = parser.parse_args()
    with OpenAIServer(port=options.port, latency=options.latency) as server:
        print(server.base_url, flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
