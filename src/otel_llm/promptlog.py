"""The prompt log: one JSON line for each call of a model, for those who want records apart from traces.

A line is made of what the call knows at its end, put into a bounded queue, and written by a thread of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from . import ambient, call, guard
from . import semconv as s
from .call import Call, Response
from .messages import dumps, parsed

#: Lines that may wait to be written, unless told otherwise.
MAX_WAITING = 10_000
_FLUSH_SECONDS = 5.0
_LOGGED = s.INFERENCE_OPERATIONS | {s.EMBEDDINGS}
#: Fields -> attributes of the request that they are.
_REQUEST = (
    ("operation", s.OPERATION_NAME),
    ("provider", s.PROVIDER_NAME),
    ("request_model", s.REQUEST_MODEL),
    ("conversation_id", s.CONVERSATION_ID),
    ("prompt_name", s.PROMPT_NAME),
    ("prompt_version", s.PROMPT_VERSION),
    ("prompt_label", s.LLM_PROMPT_LABEL),
    ("prompt_hash", s.LLM_PROMPT_TEMPLATE_HASH),
    ("experiment_id", s.LLM_EXPERIMENT_ID),
    ("experiment_variant", s.LLM_EXPERIMENT_VARIANT),
)
#: ... and of the response or the span, whoever told it.
_RESPONSE = (("request_id", s.LLM_REQUEST_ID), ("request_id", s.AWS_REQUEST_ID), ("conversation_id", s.CONVERSATION_ID))
_CONTENT = (
    ("system_instructions", s.SYSTEM_INSTRUCTIONS),
    ("input_messages", s.INPUT_MESSAGES),
    ("output_messages", s.OUTPUT_MESSAGES),
    ("tool_definitions", s.TOOL_DEFINITIONS),
)

Record = dict[str, Any]
Write = Callable[[Record], None]


class Stream(Protocol):
    def write(self, text: str, /) -> Any: ...

    def flush(self) -> Any: ...


class PromptLog:
    """A prompt log that is on, as :func:`prompt_log` gives it; in a ``with``, until its end.

    ``dropped`` counts the lines that were lost since: more than ``max_waiting`` would have waited, or the target
    failed. The next line tells of them, too.
    """

    def __init__(self, write: Write, max_waiting: int = MAX_WAITING) -> None:
        self.dropped = 0
        self._write = write
        self._max_waiting = max_waiting
        self._told = 0
        self._begin()
        _open.add(self)
        call.on_end.append(self._note)
        atexit.register(self.shutdown)

    def _begin(self) -> None:
        """Start without a thread: the first line brings it, in a forked child too."""
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[Record | threading.Event | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def flush(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Wait until all lines so far are written, at most ``seconds``; whether they are."""
        if self._thread is None:
            return True
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(seconds)

    def shutdown(self) -> None:
        """Write what waits and stop. The program's end does it, too."""
        if self._note in call.on_end:
            call.on_end.remove(self._note)
        atexit.unregister(self.shutdown)
        _open.discard(self)
        thread = self._thread
        if thread is not None:
            self._waiting.put(None)
            thread.join(_FLUSH_SECONDS)
            self._thread = None

    def __enter__(self) -> PromptLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    # --- on the caller's thread ------------------------------------------------------------------

    def _note(self, ended: Call, response: Response, seconds: float, error_type: str | None) -> None:
        if ended.request.operation not in _LOGGED:
            return
        if self._waiting.qsize() >= self._max_waiting:
            self._drop()
            return
        self._waiting.put(_record(ended, response, seconds, error_type))
        if self._thread is None:
            self._start()

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="otel-llm-prompt-log", daemon=True)
                self._thread.start()

    # --- on the log's own ------------------------------------------------------------------------

    def _run(self) -> None:
        waiting = self._waiting
        while (item := waiting.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._write_one(item)
        if self.dropped > self._told:
            self._write_one({"timestamp": _timestamp(time.time_ns())})

    def _write_one(self, record: Record) -> None:
        if dropped := self.dropped - self._told:
            record["dropped"] = dropped
        try:
            for name in record.pop("_encoded", ()):
                record[name] = parsed(record[name])
            self._write(record)
            self._told += dropped
        except Exception as error:
            self._drop()
            guard.report("prompt log", error)


_open: weakref.WeakSet[PromptLog] = weakref.WeakSet()


def _after_fork() -> None:
    for log in list(_open):
        log._begin()  # what waits is the parent's to write


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def prompt_log(
    target: str | os.PathLike[str] | Stream | logging.Logger | Callable[[Record], Any],
    max_waiting: int = MAX_WAITING,
) -> PromptLog:
    """Log each call of a model, sampled or not, as a line of JSON to ``target``: a file (appended to), a text stream,
    or a logger (at INFO). A function is called with each record, a dict, instead.

    A thread of the log's own writes; at most ``max_waiting`` lines wait for it, and those beyond are counted.
    The fields are in ``docs/prompts.md``. Of content, a line has what the call recorded: none unless it is captured.

    :raises TypeError: for a target of another type.
    :raises OSError: for a file that can't be opened.
    """
    if isinstance(max_waiting, bool) or not isinstance(max_waiting, int) or max_waiting < 1:
        raise ValueError(f"max_waiting must be a whole number of at least 1, not {max_waiting!r}")
    return PromptLog(_writer(target), max_waiting)


def _writer(target: Any) -> Write:
    if isinstance(target, str | os.PathLike):
        return _File(Path(target))
    if isinstance(target, logging.Logger):
        return lambda record: target.info("%s", dumps(record))
    if hasattr(target, "write") and hasattr(target, "flush"):

        def write(record: Record) -> None:
            target.write(dumps(record) + "\n")
            target.flush()

        return write
    if callable(target):
        return target  # type: ignore[no-any-return]
    raise TypeError(f"a prompt log goes to a path, a stream, a logger or a function, not {type(target).__name__}")


class _File:
    """A file that several processes may append to, and that may be moved away by a rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._reopen()

    def __call__(self, record: Record) -> None:
        if not self._is_current():
            self._reopen()
        # One write a line, unbuffered: appended whole, whoever else appends.
        self._file.write(dumps(record).encode() + b"\n")

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def _reopen(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._path.open("ab", buffering=0)


# --- by the settings -----------------------------------------------------------------------------

_configured: tuple[str, PromptLog] | None = None
_STREAMS = {"-": "stdout", "stderr": "stderr"}


@guard.never_raise
def configure(target: str | None) -> None:
    """Log to ``target`` (a path, ``-`` or ``stderr``), and no longer to what was configured before."""
    global _configured
    if _configured is not None:
        if _configured[0] == target:
            return
        _configured[1].shutdown()
        _configured = None
    if target:
        _configured = target, prompt_log(getattr(sys, _STREAMS[target]) if target in _STREAMS else target)


# --- the record ----------------------------------------------------------------------------------


def _record(ended: Call, response: Response, seconds: float, error_type: str | None) -> Record:
    record: Record = {"timestamp": _timestamp(ended._started_at)}
    on_span = getattr(ended.span, "attributes", None) or {}
    context = ended.span.get_span_context()
    if context.is_valid:
        record["trace_id"], record["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    known = ended.request.attributes
    for source, names in ((known, _REQUEST), (on_span, _RESPONSE), (response.attributes, _RESPONSE)):
        for name, attribute in names:
            if attribute in source:
                record[name] = source[attribute]
    if response.id is not None:
        record["response_id"] = response.id
    if response.model is not None:
        record["response_model"] = response.model
    _add_ambient(record, ended)
    for attribute, tokens in response.usage.items():
        record[attribute.partition(".usage.")[2].replace(".", "_")] = tokens
    record["latency"] = seconds
    if first := ended._first_chunk_ns:
        record["time_to_first_chunk"] = (first - ended._start_ns) / 1e9
    if response.finish_reasons:
        record["finish_reasons"] = [reason or "error" for reason in response.finish_reasons]
    record["status"] = _status(response, error_type)
    if error_type is not None:
        record["error_type"] = error_type
    _add_content(record, {**on_span, **ended._content})
    return record


def _timestamp(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _add_ambient(record: Record, ended: Call) -> None:
    said = ambient.of(ended.context)
    if said is None:
        return
    for name in ("session_id", "user_id", "conversation_id"):
        if (value := getattr(said, name)) is not None:
            record.setdefault(name, value)
    if said.tags:
        record["tags"] = said.tags
    if said.metadata:
        record["metadata"] = said.metadata


def _status(response: Response, error_type: str | None) -> str:
    if "content_filter" in (response.finish_reasons or ()) or error_type == "content_filter":
        return "filtered"
    if error_type is None:
        return "success"
    return "timeout" if "timeout" in error_type.rpartition(".")[2].lower() else "error"


def _add_content(record: Record, content: Mapping[str, Any]) -> None:
    """Content as it was encoded, for the log's thread to parse."""
    encoded = []
    for name, attribute in _CONTENT:
        if attribute in content:
            record[name] = content[attribute]
            encoded.append(name)
    if s.LLM_PROMPT_TEMPLATE in content:
        record["prompt_template"] = content[s.LLM_PROMPT_TEMPLATE]
    values = {
        attribute.removeprefix(s.PROMPT_VARIABLE_PREFIX): value
        for attribute, value in content.items()
        if attribute.startswith(s.PROMPT_VARIABLE_PREFIX)
    }
    if values:
        record["prompt_variables"] = values
    if encoded:
        record["_encoded"] = encoded
