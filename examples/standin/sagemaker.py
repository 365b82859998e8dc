"""The protocol of `sagemaker-runtime`: `/endpoints/{name}/invocations`, `.../invocations-response-stream` and
`.../async-invocations`, and the OpenAI route `/endpoints/{name}/openai/v1/...`.

The endpoint's name says what model and container stand behind it; anything may follow the word, as in `chat-llama-8b`:

| name begins with | container                                                                            |
|------------------|--------------------------------------------------------------------------------------|
| `chat`           | OpenAI's chat (vLLM, TGI's Messages API): usage, id; streams server-sent events      |
| `lmi-chat`       | the same from LMI: streams JSON lines, without usage                                 |
| `completion`     | OpenAI's text completion                                                             |
| `tgi`            | TGI: an array; details where `parameters.details` asks for them                      |
| `lmi`            | LMI with rolling batch: an object; streams JSON lines                                |
| `batch`          | LMI with dynamic batch: streams lines of `outputs`                                   |
| `tei`            | TEI: vectors                                                                         |
| `embed`          | OpenAI's embeddings                                                                  |
| `jumpstart`      | the first Llama 2 of JumpStart: `generation`                                         |
| `classifier`     | no language model: labels and scores, for the same request as TGI's                  |
| `csv`            | no language model: CSV both ways                                                     |
| `image`          | no language model: a picture                                                         |
| `error-model`    | 424 ModelError, the container's own status 500                                       |
| `error-400`      | 400 ValidationError; `error-503` is ServiceUnavailable, `error-throttle` a 429       |
| `error-stream`   | `chat`, whose stream ends in a ModelStreamError                                      |

`SageMakerServer(latency=1)` answers at plausible speed, `latency=0` (the default) at once.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from standin import chat, media, text
from standin.eventstream import exception, parts
from standin.server import Reply, Request, Server
from standin.wire import Chunk, sse

Json = dict[str, Any]

_PATH = re.compile(r"^/endpoints/(?P<endpoint>[^/]+)/(?P<route>.+)$")
_OPENAI = {"openai/v1/chat/completions": chat.chat, "openai/v1/completions": chat.completion}
VARIANT = "AllTraffic"
_ERRORS: dict[str, tuple[int, str, str]] = {
    "error-model": (424, "ModelError", "Received server error (500) from primary with message: {said}"),
    "error-400": (400, "ValidationError", "Endpoint of account 123456789012 not found."),
    "error-503": (503, "ServiceUnavailable", "The service is temporarily unavailable."),
    "error-throttle": (429, "ThrottlingException", "Rate exceeded."),
}
_DIMENSIONS = 384


class SageMakerServer(Server):
    """A stand-in for runtime.sagemaker.<region>.amazonaws.com; see the module's docstring."""

    def __init__(self, *, port: int = 0, latency: float = 0.0) -> None:
        super().__init__(port=port)
        self._latency = latency
        self._routes: dict[str, Callable[[Request, str], Reply]] = {
            "invocations": _invoke,
            "invocations-response-stream": _stream,
            "async-invocations": _start,
        }

    def route(self, request: Request) -> Reply:
        path = _PATH.match(request.path)
        if path is None or request.method != "POST":
            return super().route(request)
        endpoint, route = path["endpoint"], path["route"]
        if route in _OPENAI:
            asked = request.json if isinstance(request.json, dict) else {}
            reply = _OPENAI[route](request, str(asked.get("model") or endpoint))
        elif route in self._routes:
            reply = refused(endpoint, request) or self._routes[route](request, endpoint)
        else:
            return super().route(request)
        return replace(reply, delay=0.15 * self._latency, chunk_delay=0.02 * self._latency)

    def headers_for(self, request: Request) -> dict[str, str]:
        return {"x-amzn-requestid": text.new_id("").ljust(32, "0"), "x-amzn-invoked-production-variant": VARIANT}


def refused(endpoint: str, request: Request) -> Reply | None:
    """The error that the name of an endpoint asks for. A model's error quotes its input, as real ones do."""
    kind = next((name for name in _ERRORS if endpoint.startswith(name)), None)
    if kind is None:
        return None
    status, code, message = _ERRORS[kind]
    said = request.body.decode(errors="replace")
    body: Json = {"Message": message.format(said=said)}
    if code == "ModelError":
        body |= {"OriginalStatusCode": 500, "OriginalMessage": said, "LogStreamArn": "arn:aws:logs:us-east-1:1:x"}
    return Reply(status=status, headers={"x-amzn-ErrorType": code}, body=body)


def _invoke(request: Request, endpoint: str) -> Reply:
    kind = kind_of(endpoint)
    if kind == "csv":
        return Reply(headers={"content-type": "text/csv"}, body=b"0.93,0.07\n")
    if kind == "image":
        return Reply(headers={"content-type": "image/png"}, body=b"\x89PNG\r\n\x1a\n" + bytes(64))
    return Reply(body=answer(kind, request, endpoint))


def _stream(request: Request, endpoint: str) -> Reply:
    kind = kind_of(endpoint)
    content_type, pieces = streamed(kind, request, endpoint)
    frames = list(parts(pieces))
    if endpoint.startswith("error-stream"):
        frames = [*frames[:3], exception("ModelStreamError", "The model failed: out of memory.", "500")]
    return event_stream(frames, content_type)


def event_stream(frames: Iterable[Chunk], content_type: str = "text/event-stream") -> Reply:
    """A reply of frames. `parts()` makes them from what a container streams."""
    headers = {
        "content-type": "application/vnd.amazon.eventstream",
        "x-amzn-sagemaker-content-type": content_type,
    }
    return Reply(headers=headers, chunks=frames)


def _start(request: Request, endpoint: str) -> Reply:
    inference = request.headers.get("x-amzn-sagemaker-inference-id") or text.new_id("inf-")
    at = f"s3://sagemaker-us-east-1-123456789012/{endpoint}"
    headers = {
        "X-Amzn-SageMaker-OutputLocation": f"{at}/output/{inference}.out",
        "X-Amzn-SageMaker-FailureLocation": f"{at}/failures/{inference}-error.out",
    }
    return Reply(status=202, headers=headers, body={"InferenceId": inference})


# --- responses of the containers ---------------------------------------------------------------------

_KINDS = (
    "chat",
    "lmi-chat",
    "completion",
    "tgi",
    "lmi",
    "batch",
    "tei",
    "embed",
    "jumpstart",
    "classifier",
    "csv",
    "image",
)


def kind_of(endpoint: str) -> str:
    return max((kind for kind in _KINDS if endpoint.startswith(kind)), key=len, default="chat")


def answer(kind: str, request: Request, endpoint: str) -> Any:
    """The body of a response that is not streamed."""
    body: Json = request.json if isinstance(request.json, dict) else {}
    if kind in ("chat", "lmi-chat"):
        return chat.chat(_openai_request(request, body), _model(body, endpoint)).body
    if kind == "completion":
        return chat.completion(_openai_request(request, body), _model(body, endpoint)).body
    if kind == "embed":
        return media.embeddings(request, _model(body, endpoint)).body
    asked = _asked(body)
    if kind == "tei":
        return [text.vector(one, _DIMENSIONS) for one in asked]
    if kind == "classifier":
        return [{"label": "POSITIVE", "score": 0.98} for _ in asked]
    if kind == "jumpstart":
        return [{"generation": {"role": "assistant", "content": _said(one, body)[0]}} for one in asked]
    texts = [_generated(kind, one, body) for one in asked]
    return texts[0] if kind == "lmi" else texts


def streamed(kind: str, request: Request, endpoint: str) -> tuple[str, list[Chunk]]:
    """The content type and the pieces of a streamed response."""
    body: Json = request.json if isinstance(request.json, dict) else {}
    if kind in ("chat", "completion"):
        make = chat.chat if kind == "chat" else chat.completion
        reply = make(_openai_request(request, {**body, "stream": True}), _model(body, endpoint))
        return "text/event-stream", list(reply.chunks or ())
    if kind == "lmi-chat":
        reply = chat.chat(_openai_request(request, {**body, "stream": True}), _model(body, endpoint))
        events = (str(chunk).removeprefix("data: ").strip() for chunk in reply.chunks or ())
        return "application/jsonlines", [f"{event}\n" for event in events if event != "[DONE]"]
    said, reason = _said(_asked(body)[0], body)
    words = list(text.pieces(said, 1))
    if kind == "batch":
        return "application/jsonlines", [json.dumps({"outputs": [word]}) + "\n" for word in words]
    events = [{"index": n, "token": {"id": n, "text": word, "special": False}} for n, word in enumerate(words)]
    details = {"finish_reason": reason, "generated_tokens": len(words)}
    if kind == "lmi":
        events[-1] |= {"generated_text": said, "details": {**details, "inputs": None}}
        return "application/jsonlines", [json.dumps(event) + "\n" for event in events]
    details["input_length"] = text.tokens(_asked(body)[0])
    whole = [{"generated_text": None, "details": None, **event} for event in events]
    whole[-1] |= {"generated_text": said, "details": details}
    return "text/event-stream", sse(*whole, done=False)


def _openai_request(request: Request, body: Json) -> Request:
    """The request with its parameters where OpenAI has them. Some callers send them as for TGI."""
    parameters = body.get("parameters") or {}
    limit = parameters.get("max_new_tokens")
    whole = {**body, **({"max_tokens": limit} if limit else {})}
    return replace(request, body=json.dumps(whole).encode())


def _model(body: Json, endpoint: str) -> str:
    return str(body.get("model") or "/opt/ml/model")


def _asked(body: Json) -> list[str]:
    inputs = body.get("inputs", body.get("text_inputs", ""))
    if isinstance(inputs, list) and inputs and isinstance(inputs[0], list):
        return [str(inputs[0][-1].get("content"))]
    return [str(one) for one in inputs] if isinstance(inputs, list) else [str(inputs)]


def _said(asked: str, body: Json) -> tuple[str, str]:
    limit = (body.get("parameters") or {}).get("max_new_tokens")
    said, short = text.cut(text.answer(asked), limit)
    return said, "length" if short else "eos_token"


def _generated(kind: str, asked: str, body: Json) -> Json:
    said, reason = _said(asked, body)
    parameters = body.get("parameters") or {}
    if not parameters.get("details") or kind == "batch":
        return {"generated_text": said}
    count = len(list(text.pieces(said, 1)))
    if kind == "lmi":
        return {
            "generated_text": said,
            "details": {"finish reason": reason, "generated_tokens": count, "inputs": asked},
        }
    asked_tokens = text.tokens(asked) if parameters.get("decoder_input_details") else 0
    prefill = [{"id": n, "text": "", "logprob": None} for n in range(asked_tokens)]
    return {"generated_text": said, "details": {"finish_reason": reason, "generated_tokens": count, "prefill": prefill}}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m standin.sagemaker", description="A local stand-in for SageMaker's runtime."
    )
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free port")
    parser.add_argument("--latency", type=float, default=1.0, help="scale of the answer times; 0 answers at once")
    options = parser.parse_args()
    with SageMakerServer(port=options.port, latency=options.latency) as server:
        print(server.url, flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
