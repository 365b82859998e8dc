"""Content is stored outside of spans, after the policy and before cutting, and is found again by its reference."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

import otel_llm
from otel_llm import ContentCapture, Settings
from otel_llm.cli import main
from otel_llm.content import upload
from otel_llm.content.upload import SHARED, Store, Upload

pytest.importorskip("fsspec")

_INPUT = "gen_ai.input.messages"
_CONTENT = (_INPUT, "gen_ai.output.messages", "gen_ai.system_instructions")


@pytest.fixture(autouse=True)
def _uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test uploads is counted in its own metrics only."""
    monkeypatch.setattr(upload.SHARED, "_by_url", {})


@pytest.fixture
def referring(lenient: Any) -> Any:
    """The conventions leave open how references are named; this is how OpenTelemetry's own packages name them."""
    lenient.missing |= {f"{name}_ref" for name in _CONTENT}
    return lenient


def _ask(words: str) -> None:
    with otel_llm.chat_span("m", "p", messages=words, system="be brief") as call:
        call.response("fine")


@pytest.mark.parametrize("capture", ContentCapture)
def test_references_are_on_span_and_event(referring: Any, tmp_path: Path, capture: ContentCapture) -> None:
    url = tmp_path.as_uri()
    referring.instrument(
        Settings(capture_content=capture, upload=url, emit_event=True, redact=("pii",), content_max_bytes=256)
    )
    _ask("jane@example.com asks " + "x" * 1000)
    assert otel_llm.flush(30)
    attributes, event = referring.attributes, dict(referring.logs[-1].attributes)
    for name in _CONTENT:
        assert attributes[f"{name}_ref"] == event[f"{name}_ref"]
        assert (name in attributes) == capture.on_span
        assert (name in event) == capture.on_event
    told = Store(url).read(attributes[f"{_INPUT}_ref"])
    assert told is not None
    assert json.loads(told)[0]["parts"][0]["content"] == "[EMAIL] asks " + "x" * 1000
    (stored,) = [path for path in tmp_path.rglob("*") if path.name == attributes[f"{_INPUT}_ref"].rpartition("/")[2]]
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600


def test_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = Store((tmp_path / "ours" / "content").as_uri())
        reference = store.reference(b"x")
        store.write(reference, b"x")
    finally:
        os.umask(before)
    assert store.read(reference) == "x"
    root = tmp_path / "ours" / "content"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert set(modes.values()) == {0o700, 0o600}
    assert all(mode == 0o700 for path, mode in modes.items() if path.is_dir())


def test_the_same_content_is_stored_once_and_what_is_hidden_never(referring: Any, tmp_path: Path) -> None:
    referring.instrument(Settings(upload=tmp_path.as_uri(), hide=frozenset({"output"})))
    for _ in range(3):
        _ask("hello")
    assert otel_llm.flush(30)
    texts = sorted(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert len(texts) == 2
    assert "fine" not in "".join(texts)
    assert len({span.attributes[f"{_INPUT}_ref"] for span in referring.spans}) == 1


def test_without_capture_an_error_text_stays_off(referring: Any, tmp_path: Path) -> None:
    referring.instrument(Settings(upload=tmp_path.as_uri()))
    with pytest.raises(ValueError, match="canary"), otel_llm.chat_span("m", "p", messages="q"):
        raise ValueError("canary")
    assert "canary" not in referring.span.to_json() + str([dict(log.attributes) for log in referring.logs])


def test_memory_is_a_protocol_too() -> None:
    stored = Upload("memory://bucket/prefix")
    reference = stored.put('["hi"]')
    assert reference is not None
    assert stored.flush(30)
    assert Store("memory://bucket/prefix").read(reference) == '["hi"]'


def test_a_reference_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "base").mkdir()
    store = Store((tmp_path / "base").as_uri())
    assert store.read((tmp_path / "secret").as_uri()) is None
    assert store.read(store.url + "/../secret") is None
    (tmp_path / "base" / "ab").mkdir()
    (tmp_path / "base" / "ab" / "forged").write_text("x")
    assert store.read(store.url + "/ab/forged") is None


def test_failures_are_counted_and_said_once(referring: Any, monkeypatch: pytest.MonkeyPatch, quiet: Any) -> None:
    monkeypatch.setattr(upload, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(Store, "write", _fails)
    referring.instrument(Settings(upload="memory://failing"))
    before = SHARED.outcomes()["failed"]
    _ask("canary")
    assert otel_llm.flush(30)
    assert SHARED.outcomes()["failed"] - before == 3
    points = referring.points("otel_llm.content.uploads")
    assert {point.attributes["otel_llm.upload.outcome"] for point in points} >= {"failed"}
    (record,) = [record for record in quiet.records if "not uploaded" in record.getMessage()]
    assert "canary" not in record.getMessage()
    quiet.clear()


def _fails(store: Store, reference: str, data: bytes) -> None:
    raise OSError("canary")


def test_too_much_waiting_is_dropped_and_gets_no_reference(monkeypatch: pytest.MonkeyPatch, quiet: Any) -> None:
    go = threading.Event()
    monkeypatch.setattr(Store, "write", lambda store, reference, data: go.wait(60))
    monkeypatch.setattr(upload, "_MOST_BYTES", 10)
    stored = Upload("memory://slow")
    assert stored.put("x" * 8) is not None
    assert stored.put("y" * 8) is None
    assert stored.read(stored.reference(b"x" * 8)) == "x" * 8  # from what waits
    go.set()
    assert stored.flush(30)
    assert stored.outcomes == {"stored": 1, "dropped": 1}
    quiet.clear()


def test_items_have_what_was_uploaded(referring: Any, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    url = (tmp_path / "bucket").as_uri()
    referring.instrument(
        Settings(upload=url, evaluation_sample_rate=1.0, evaluation_dataset=str(items), evaluation_grace=0.0)
    )
    _ask("the question")
    assert otel_llm.flush(30)
    item = json.loads(items.read_text())
    assert item["query"] == "the question"
    assert item["answer"] == "fine"
    assert item["content_captured"] is True


def test_view_resolves_references(
    referring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from google.protobuf.json_format import MessageToJson
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    pytest.importorskip("rich")
    url = (tmp_path / "bucket").as_uri()
    referring.instrument(Settings(upload=url))
    _ask("the question")
    assert otel_llm.flush(30)
    traces = tmp_path / "traces.json"
    traces.write_text(MessageToJson(encode_spans(referring.spans), indent=None))
    assert main(["view", "--content", str(traces)]) in (0, 1)
    assert "the question" not in capsys.readouterr().out
    monkeypatch.setenv("OTEL_LLM_UPLOAD", url)
    main(["view", "--content", str(traces)])
    assert "the question" in capsys.readouterr().out
