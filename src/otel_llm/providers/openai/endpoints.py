"""The endpoints of OpenAI's API whose calls make spans."""

from __future__ import annotations

from ...protocols.openai import chat, embeddings, responses
from ...protocols.openai.endpoint import Endpoint
from . import decisions, media, platform

#: Endpoints by method and path.
KNOWN: dict[tuple[str, str], Endpoint] = {
    ("post", "/chat/completions"): Endpoint(chat.request, chat.response, chat.ChatAccumulator, usage_on_request=True),
    ("post", "/completions"): Endpoint(
        chat.completion_request, chat.completion_response, chat.ChatAccumulator, usage_on_request=True
    ),
    ("post", "/responses"): Endpoint(responses.request, responses.response, responses.ResponseAccumulator),
    ("post", "/responses/compact"): Endpoint(responses.compact_request, responses.compacted),
    ("post", "/embeddings"): Endpoint(embeddings.request, embeddings.response),
    ("post", "/decisions"): decisions.ENDPOINT,
    ("post", "/images/generations"): media.endpoint("image_generation", "image"),
    ("post", "/images/edits"): media.endpoint("image_edit", "image"),
    ("post", "/images/variations"): media.endpoint("image_variation", "image"),
    ("post", "/audio/speech"): media.endpoint("speech", "speech"),
    ("post", "/audio/transcriptions"): media.endpoint("transcription", "text"),
    ("post", "/audio/translations"): media.endpoint("translation", "text"),
    ("post", "/moderations"): platform.endpoint("moderation"),
    ("post", "/batches"): platform.endpoint("create_batch"),
}
#: Endpoints whose path has an id in the middle: method, collection, what follows the id.
_BY_ID: dict[tuple[str, str, str], Endpoint] = {
    ("get", "responses", ""): Endpoint(
        responses.fetch_request, responses.fetched_response, responses.fetch_accumulator
    ),
    ("post", "responses", "cancel"): Endpoint(responses.cancel_request, responses.fetched_response),
    ("get", "batches", ""): platform.endpoint("retrieve_batch"),
    ("post", "batches", "cancel"): platform.endpoint("cancel_batch"),
}


def find(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request, below the base URL of its client; ``None`` if it is none of these."""
    method = method.lower()
    if (found := KNOWN.get((method, path))) is not None:
        return found
    # ``beta.responses`` has a query in its path; what the application posts itself need not begin with a slash.
    parts = path.partition("?")[0].strip("/").split("/")
    if (found := KNOWN.get((method, f"/{'/'.join(parts)}"))) is not None:
        return found
    return _BY_ID.get((method, parts[0], "/".join(parts[2:]))) if len(parts) > 1 else None
