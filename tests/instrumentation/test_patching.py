"""Targets of every kind are wrapped once and restored exactly."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wrapt

from otel_llm.instrumentation.patching import Patcher, Target

MODULE = "a_library"
SOURCE = """
class Base:
    def inherited(self): return "inherited"

class Thing(Base):
    def own(self): return "own"
    @classmethod
    def of_class(cls): return cls.__name__
    @staticmethod
    def static(): return "static"
    class Inner:
        def deep(self): return "deep"

def function(): return "function"
"""
CALLS = {
    "function": lambda module: module.function(),
    "Thing.own": lambda module: module.Thing().own(),
    "Thing.inherited": lambda module: module.Thing().inherited(),
    "Thing.of_class": lambda module: module.Thing.of_class(),
    "Thing.static": lambda module: module.Thing.static(),
    "Thing.Inner.deep": lambda module: module.Thing.Inner().deep(),
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library that can be imported, and is not yet."""
    path = tmp_path / f"{MODULE}.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop(MODULE, None)


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def targets(seen: list[str]) -> list[Target]:
    def handler(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(wrapped.__name__)
        return wrapped(*args, **kwargs)

    return [Target(MODULE, name, handler) for name in CALLS]


def snapshot(module: Any) -> dict[str, Any]:
    """Every attribute of the module and its classes, as the very object."""
    owners = {"": module, "Thing.": module.Thing, "Base.": module.Base, "Inner.": module.Thing.Inner}
    return {prefix + name: id(value) for prefix, owner in owners.items() for name, value in vars(owner).items()}


@pytest.mark.parametrize("imported", [False, True])
def test_wrapped_and_restored(library: Path, targets: list[Target], seen: list[str], imported: bool) -> None:
    patcher = Patcher()
    if imported:
        before = snapshot(importlib.import_module(MODULE))
    patcher.apply(targets)
    module = importlib.import_module(MODULE)
    given = [call(module) for call in CALLS.values()]
    assert given == ["function", "own", "inherited", "Thing", "static", "deep"]
    assert seen == ["function", "own", "inherited", "of_class", "static", "deep"]
    assert module.Base().inherited() == "inherited"
    assert len(seen) == len(CALLS)  # the base class has its own, unwrapped
    patcher.restore()
    assert "inherited" not in vars(module.Thing)
    if imported:
        assert snapshot(module) == before
    for call in CALLS.values():
        call(module)
    assert len(seen) == len(CALLS)


def test_applied_twice_is_wrapped_once(library: Path, targets: list[Target], seen: list[str]) -> None:
    patcher, other = Patcher(), Patcher()
    module = importlib.import_module(MODULE)
    before = snapshot(module)
    for one in (patcher, patcher, other):
        one.apply(targets)
    module.function()
    assert seen == ["function"]
    other.restore()
    patcher.restore()
    assert snapshot(module) == before


def test_what_is_missing_is_passed_over(library: Path, targets: list[Target], caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "otel_llm")
    handler = targets[0].handler
    names = ["gone", "Gone.method", "Thing.gone", "Thing.own.gone.gone", "function"]
    patcher = Patcher()
    patcher.apply([Target(MODULE, name, handler) for name in names] + [Target("no_such_library", "x", handler)])
    module = importlib.import_module(MODULE)
    assert isinstance(module.function, wrapt.FunctionWrapper)
    assert [record.args[1] for record in caplog.records] == names[:-1]
    patcher.restore()
    caplog.clear()


def test_a_module_reloaded(library: Path, targets: list[Target], seen: list[str]) -> None:
    """A reload makes new functions; instrumenting anew finds them, and restores only what is there."""
    module = importlib.import_module(MODULE)
    patcher = Patcher()
    patcher.apply(targets)
    importlib.reload(module)
    before = snapshot(module)
    patcher.restore()
    assert snapshot(module) == before
    patcher.apply(targets)
    module.function()
    assert seen == ["function"]
    patcher.restore()
    assert snapshot(module) == before


def test_a_module_forgotten_and_imported_again(library: Path, targets: list[Target], seen: list[str]) -> None:
    patcher = Patcher()
    patcher.apply(targets)
    importlib.import_module(MODULE)
    patcher.restore()
    del sys.modules[MODULE]
    patcher.apply(targets)
    importlib.import_module(MODULE).function()
    assert seen == ["function"]
    patcher.restore()


def test_an_import_under_way_in_another_thread(library: Path, targets: list[Target], seen: list[str]) -> None:
    """What is half imported has no functions yet: instrumenting waits for the whole."""
    library.write_text("import a_gate\na_gate.reached.set()\na_gate.go.wait(30)\n" + SOURCE)
    gate: Any = type(sys)("a_gate")
    gate.reached, gate.go = threading.Event(), threading.Event()
    sys.modules["a_gate"] = gate
    patcher = Patcher()
    try:
        importing = threading.Thread(target=importlib.import_module, args=(MODULE,))
        importing.start()
        gate.reached.wait(30)
        applying = threading.Thread(target=patcher.apply, args=(targets,))
        applying.start()
        gate.go.set()
        importing.join(30)
        applying.join(30)
    finally:
        del sys.modules["a_gate"]
    sys.modules[MODULE].function()
    assert seen == ["function"]
    patcher.restore()


def test_an_import_during_an_import(library: Path, targets: list[Target], seen: list[str]) -> None:
    """A library whose attributes import another patched one when they are asked for."""
    (library.parent / "a_lazy_library.py").write_text(
        f"def __getattr__(name):\n    import {MODULE}\n    return getattr({MODULE}, name)\n"
    )
    patcher = Patcher()
    lazy = Target("a_lazy_library", "Thing.own", targets[0].handler)
    patcher.apply([lazy, *targets])
    module = importlib.import_module("a_lazy_library")
    del sys.modules["a_lazy_library"]
    assert module.Thing().own() == "own"
    assert seen == ["own"]
    patcher.restore()


def test_a_check_that_fails_does_not_fail_the_import(library: Path, targets: list[Target], quiet: Any) -> None:
    def accept(module: Any) -> bool:
        raise RuntimeError

    patcher = Patcher(accept)
    patcher.apply(targets)
    assert importlib.import_module(MODULE).function() == "function"
    assert len(quiet.records) == 1
    patcher.restore()
    quiet.clear()


def test_a_wrapper_on_top_of_ours(library: Path, targets: list[Target], seen: list[str]) -> None:
    """Ours can't be taken out from below another; once that is gone, it can."""
    module = importlib.import_module(MODULE)
    before = snapshot(module)
    patcher = Patcher()
    patcher.apply(targets)
    ours = module.Thing.__dict__["own"]
    module.Thing.own = wrapt.FunctionWrapper(ours, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs))
    patcher.restore()
    assert module.Thing().own() == "own"
    assert not patcher.active  # what the handler asks
    patcher.apply(targets)
    seen.clear()
    module.Thing().own()
    assert seen == ["own"]  # once, by the one that stayed
    module.Thing.own = ours
    patcher.restore()
    assert snapshot(module) == before
