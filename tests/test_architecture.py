"""docs/architecture.md is true: its rooms are those of the tree and of the contracts, its provider works."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import deque
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import pytest

from otel_llm import ContentCapture, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SOURCE = ROOT / "src" / "otel_llm"


def _layers() -> list[list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = [one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    return [re.split(r"\s*[:|]\s*", layer) for layer in contract["layers"]]


def test_the_picture_has_the_rooms_in_the_order_of_the_contract() -> None:
    (picture,) = re.findall(r"^## The rooms\n.*?^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    pictured = [line.split()[0] for line in picture.splitlines() if line[0].isalpha()]
    rooms = [names[0] for names in _layers()]
    assert pictured == rooms
    assert {name for name in rooms if (SOURCE / name).is_dir()} == {
        path.parent.name for path in SOURCE.glob("*/__init__.py")
    }


def test_no_clock_is_asked_for_by_its_module() -> None:
    """An application's tests replace ``time.sleep`` and the like: what runs on our threads must not meet that."""
    outside = [path for path in SOURCE.rglob("*.py") if "cli" not in path.parts]
    assert [path.name for path in outside if re.search(r"^\s*import time\b", path.read_text(), re.MULTILINE)] == []


def test_the_providers_are_apart() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = [one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "independence"]
    providers = {path.parent.name for path in SOURCE.glob("providers/[a-z]*/__init__.py")}
    assert set(contract["modules"]) == {f"otel_llm.providers.{name}" for name in providers}


def test_the_page_names_only_what_exists() -> None:
    files = re.findall(r"`((?:src|tests|providers|examples|protocols|docs)/[\w/.]+)`", PAGE)
    missing = [name for name in files if "acme" not in name and not any((p / name).exists() for p in (ROOT, SOURCE))]
    assert missing == []
    dotted = set(
        re.findall(
            r"`((?:core|instrumentation|sampling|dataset|background|propagation|guard|prompts)\.(?!py`)[\w.]+)`", PAGE
        )
    )
    assert dotted
    for name in dotted:
        room = "otel_llm.evaluation" if name.startswith(("sampling", "dataset")) else "otel_llm"
        resolve_name(f"{room}.{name}")


def _assigned(path: Path) -> Iterator[str]:
    """The names that a module assigns at its top level."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _is_state(name: str, value: Any) -> bool:
    """Whether ``value`` may change: a container, or an object of the package. Constants may be dicts."""
    if isinstance(value, list | set | deque | MutableMapping):
        return not (isinstance(value, dict) and name.isupper())
    frozen = isinstance(value, Enum | tuple | type) or (
        is_dataclass(value) and value.__dataclass_params__.frozen  # type: ignore[attr-defined]
    )
    return type(value).__module__.startswith("otel_llm") and not frozen


def test_the_page_has_all_state_of_modules() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        room = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        if not room.endswith("__main__"):
            held = vars(import_module(f"otel_llm.{room}".rstrip(".")))
            found |= {f"{room}.{name}" for name in _assigned(path) if _is_state(name, held.get(name))}
    (table,) = re.findall(r"^## What a process has once\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    named = re.findall(r"`([\w.]+)`", "".join(row.split("|")[1] for row in re.findall(r"^\| `.*", table, re.MULTILINE)))
    null_objects = {"manual.operation.NO_OPERATION", "propagation.slot._IDLE"}  # nothing sets anything on them
    assert set(named) == {one for one in found if not one.endswith(".__all__")} - null_objects


# --- the provider of the page ------------------------------------------------------------------------


@dataclass
class Answer:
    text: str
    finish: str | None = None
    tokens: int | None = None
    model: str = "acme-1-2026"


class Client:
    def generate(self, *, model: str, prompt: str, stream: bool = False) -> Any:
        if model == "none":
            raise LookupError(prompt)
        if stream:
            return iter([Answer("Par"), Answer("is", "stop", 2)])
        return Answer("Paris", "stop", 2)


@pytest.fixture
def acme(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The library, instrumented by the page's provider, which captures content on spans."""
    recorder.missing |= {"server.address", "server.port", "gen_ai.response.id", "gen_ai.usage.input_tokens"}
    library: Any = ModuleType("acme")
    library.Client = type("Client", (), {"generate": Client.generate})
    monkeypatch.setitem(sys.modules, "acme", library)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    provider: dict[str, Any] = {"__name__": "acme_provider"}
    exec(compile(block, "docs/architecture.md", "exec"), provider)
    instrumentor = provider["AcmeInstrumentor"]()
    original = vars(library.Client)["generate"]
    instrumentor.instrument(
        skip_dep_check=True,
        settings=Settings(capture_content=ContentCapture.SPAN_ONLY),
        tracer_provider=recorder.tracer_provider,
        meter_provider=recorder.meter_provider,
        logger_provider=recorder.logger_provider,
    )
    yield library
    instrumentor.uninstrument()
    assert vars(library.Client)["generate"] is original


ASK = {"model": "acme-1", "prompt": "What is the capital of France?"}


def test_its_call(recorder: Any, acme: Any) -> None:
    assert acme.Client().generate(**ASK).text == "Paris"
    assert recorder.span.name == "chat acme-1"
    attributes = recorder.attributes
    assert attributes["gen_ai.provider.name"] == "acme"
    assert attributes["gen_ai.response.model"] == "acme-1-2026"
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["gen_ai.usage.output_tokens"] == 2
    assert ASK["prompt"] in attributes["gen_ai.input.messages"]
    assert '"Paris"' in attributes["gen_ai.output.messages"]
    assert len(recorder.points("gen_ai.client.operation.duration")) == 1


def test_its_failure(recorder: Any, acme: Any) -> None:
    with pytest.raises(LookupError):
        acme.Client().generate(model="none", prompt="?")
    assert recorder.attributes["error.type"] == "LookupError"


def test_its_stream(recorder: Any, acme: Any) -> None:
    assert [chunk.text for chunk in acme.Client().generate(**ASK, stream=True)] == ["Par", "is"]
    attributes = recorder.attributes
    assert "gen_ai.response.time_to_first_chunk" in attributes
    assert '"Paris"' in attributes["gen_ai.output.messages"]


def test_its_stream_broken_off(recorder: Any, acme: Any) -> None:
    stream = acme.Client().generate(**ASK, stream=True)
    next(stream)
    stream.close()
    assert recorder.attributes["otel_llm.stream.outcome"] == "closed"
