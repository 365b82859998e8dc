"""How the tests read what was recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from otel_llm import ContentCapture, Settings

CONTENT = Settings(capture_content=ContentCapture.SPAN_ONLY)
CONTENT_AND_MEDIA = Settings(capture_content=ContentCapture.SPAN_ONLY, capture_media=True)
#: What differs from run to run on every span of a stand-in's call.
VARYING = ("otel_llm.request.id", "server.port")


def exactly(attributes: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Compare values and their types (``1 == 1.0 == True`` says too little); show the difference if there is one."""
    given = {name: value for name, value in attributes.items() if name not in VARYING}
    assert given == dict(expected)
    assert {name: type(value) for name, value in given.items()} == {
        name: type(value) for name, value in expected.items()
    }
    return True


def part_of(attributes: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The attributes whose names start with one of `names`."""
    return {name: value for name, value in attributes.items() if name.startswith(names)}


def usage(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The token counts, without the prefix of their names."""
    prefix = "gen_ai.usage."
    return {name.removeprefix(prefix): value for name, value in part_of(attributes, prefix).items()}


def content(attributes: Mapping[str, Any], name: str) -> Any:
    """Content attribute `gen_ai.<name>`, parsed."""
    return json.loads(attributes[f"gen_ai.{name}"])


def inputs(recorder: Any) -> Any:
    return content(recorder.attributes, "input.messages")


def outputs(recorder: Any) -> Any:
    return content(recorder.attributes, "output.messages")
