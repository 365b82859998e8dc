"""Embeddings, images, audio, moderations, batches."""

from __future__ import annotations

import base64
import struct
import threading
import time
from typing import Any

from standin import text
from standin.chat import Json
from standin.wire import Reply, Request, sse

_SIZES = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a 1x1 PNG
_CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm"),
    *("self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"),
)


def embeddings(request: Request, model: str) -> Reply:
    body: Json = request.json
    given = body.get("input", "")
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    size = body.get("dimensions") or _SIZES.get(model, 1536)
    data = []
    for index, one in enumerate(inputs):
        values = text.vector(str(one), size)
        packed: Any = values
        if body.get("encoding_format") == "base64":
            packed = base64.b64encode(struct.pack(f"<{size}f", *values)).decode()
        data.append({"object": "embedding", "index": index, "embedding": packed})
    count = sum(len(one) if isinstance(one, list) else text.tokens(one) for one in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return Reply(body={"object": "list", "data": data, "model": text.dated(model), "usage": usage})


def images(request: Request, model: str) -> Reply:
    """Generations, edits and variations. The request is JSON or multipart."""
    body: Json = request.json or request.form
    made, chat_like = int(body.get("n") or 1), model.startswith(("gpt-image", "chatgpt-image"))
    as_json = chat_like or body.get("response_format") == "b64_json"
    url = f"https://images.example.com/{text.new_id('img-')}.png"
    image = {"b64_json": _PIXEL} if as_json else {"url": url}
    if model == "dall-e-3":
        image["revised_prompt"] = f"{body.get('prompt', '')}, in soft light"
    prompt = text.tokens(str(body.get("prompt", "")))
    seen = 194 if request.path.endswith(("edits", "variations")) else 0
    usage = {
        "input_tokens": prompt + seen,
        "input_tokens_details": {"text_tokens": prompt, "image_tokens": seen},
        "output_tokens": 272 * made,
        "total_tokens": prompt + seen + 272 * made,
    }
    look = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    now = int(time.time())
    if body.get("stream") in (True, "true"):
        kind = "image_edit" if request.path.endswith("edits") else "image_generation"
        event = {"b64_json": _PIXEL, "created_at": now, **look}
        partial = [
            {**event, "type": f"{kind}.partial_image", "partial_image_index": index}
            for index in range(int(body.get("partial_images") or 0))
        ]
        whole = {**event, "type": f"{kind}.completed", "usage": usage}
        return Reply(chunks=sse(*partial, whole, done=False, named=True))
    extra = {**look, "usage": usage} if chat_like else {}
    return Reply(body={"created": now, "data": [image] * made, **extra})


def speech(request: Request, model: str) -> Reply:
    body: Json = request.json
    said = text.tokens(str(body.get("input", "")))
    sound = [f"standin-sound-{number:04d};".encode() * 16 for number in range(4)]
    if body.get("stream_format") == "sse":
        deltas = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in sound]
        usage = {"input_tokens": said, "output_tokens": 4 * said, "total_tokens": 5 * said}
        return Reply(chunks=sse(*deltas, {"type": "speech.audio.done", "usage": usage}, done=False))
    return Reply(chunks=sound, headers={"content-type": f"audio/{body.get('response_format') or 'mpeg'}"})


def transcription(request: Request, model: str) -> Reply:
    """Transcriptions and translations. The text does not depend on the audio."""
    form = request.form
    said = "The quick brown fox jumps over the lazy dog."
    count = text.tokens(said)
    usage: Json = {"type": "duration", "seconds": 3}
    if not model.startswith("whisper"):
        details = {"audio_tokens": 30, "text_tokens": 0}
        usage = {"type": "tokens", "input_tokens": 30, "input_token_details": details, "output_tokens": count}
        usage["total_tokens"] = 30 + count
    if form.get("stream") == "true":
        deltas = [{"type": "transcript.text.delta", "delta": piece} for piece in text.pieces(said)]
        return Reply(chunks=sse(*deltas, {"type": "transcript.text.done", "text": said, "usage": usage}, done=False))
    kind = form.get("response_format") or "json"
    if kind in ("text", "srt", "vtt"):
        return Reply(body=said + "\n" if kind == "text" else f"1\n00:00:00,000 --> 00:00:03,000\n{said}\n")
    answer: Json = {"text": said, "usage": usage}
    if kind == "verbose_json":
        answer |= {"language": "english", "duration": 3.0, "task": "transcribe", "segments": []}
    if request.path.endswith("translations"):
        del answer["usage"]
    return Reply(body=answer)


def moderations(request: Request, model: str) -> Reply:
    given = (request.json or {}).get("input", "")
    texts = given if isinstance(given, list) and given and isinstance(given[0], str) else [given]
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": dict.fromkeys(_CATEGORIES, 1e-05),
        "category_applied_input_types": {category: ["text"] for category in _CATEGORIES},
    }
    return Reply(body={"id": text.new_id("modr-"), "model": model, "results": [result] * len(texts)})


class Batches:
    """Batches: in progress at the first request, completed at the second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: dict[str, Json] = {}

    def create(self, request: Request) -> Reply:
        body: Json = request.json
        now = int(time.time())
        batch = {
            "id": text.new_id("batch_"),
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"],
            "status": "validating",
            "created_at": now,
            "expires_at": now + 86400,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": body.get("metadata"),
        }
        with self._lock:
            self._batches[batch["id"]] = batch
        return Reply(body=batch)

    def stored(self, request: Request, batch_id: str, action: str) -> Reply:
        with self._lock:
            batch = self._batches.get(batch_id)
            if batch is None:
                message = f"No batch found with id '{batch_id}'."
                error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
                return Reply(status=404, body={"error": error})
            now = int(time.time())
            if action == "cancel":
                batch |= {"status": "cancelling", "cancelling_at": now}
            elif batch["status"] == "validating":
                batch |= {"status": "in_progress", "in_progress_at": now}
            elif batch["status"] == "in_progress":
                counts = {"total": 2, "completed": 2, "failed": 0}
                done = {"completed_at": now, "output_file_id": text.new_id("file-"), "request_counts": counts}
                usage = {"input_tokens": 40, "output_tokens": 60, "total_tokens": 100}
                usage_details: Json = {
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens_details": {"reasoning_tokens": 0},
                }
                batch |= {"status": "completed", **done, "usage": {**usage, **usage_details}}
            return Reply(body=dict(batch))
