"""The model calls of the input that the command line names: files, a dataset, Jaeger or Tempo."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from otel_llm.cli.cost.calls import Call, of_items, of_trace
from otel_llm.cli.cost.savings import Savings
from otel_llm.cli.headers import HeaderError, headers_of
from otel_llm.evaluation.dataset.reader import DatasetError, Selection, read
from otel_llm.traces import files as otlp_files
from otel_llm.traces.http import Server, ServerError
from otel_llm.traces.servers import jaeger, tempo
from otel_llm.traces.trees import join

#: What is read from a server if no time is given.
_PERIOD = timedelta(days=1)


class InputError(Exception):
    """The input can't be used. The message says why."""


class Input:
    """Reads the input. When it is read, `problems` has what was lost, and `notes` what the user may want to know."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self.problems: list[str] = []
        self.notes: list[str] = []

    def calls(self) -> Iterator[Call]:
        """Yield the model calls.

        Raises:
            InputError: the input can't be used.
        """
        given = self._arguments
        if sum(map(bool, (given.files, given.dataset, given.jaeger, given.tempo))) != 1:
            raise InputError("name the input: files, --dataset PATH, --jaeger URL or --tempo URL, one kind of these")
        try:
            self._savings = Savings(given.prices)
        except (OSError, ValueError) as error:
            raise InputError(f"{given.prices} can't be used as a table of prices: {error}") from None
        try:
            if given.files:
                yield from self._of_files()
            elif given.dataset:
                yield from self._of_dataset()
            else:
                yield from self._of_server()
        except (otlp_files.InputError, DatasetError, ServerError, HeaderError) as error:
            raise InputError(str(error)) from None

    def _of_files(self) -> Iterator[Call]:
        try:
            reading = otlp_files.read(self._arguments.files)
        except otlp_files.InputError as error:
            hint = ". If it is a dataset of items, use --dataset" if "not OTLP JSON" in str(error) else ""
            raise InputError(f"{error}{hint}") from None
        self.problems += reading.problems
        self.notes += reading.notes
        for trace in join(reading.spans):
            yield from of_trace(trace, self._savings)

    def _of_dataset(self) -> Iterator[Call]:
        path = self._arguments.dataset
        reading = read(path, Selection())
        yield from of_items(reading.items, self._savings, self.problems)
        if reading.unreadable:
            self.problems.append(f"{path}: {reading.unreadable} line(s) or row(s) skipped: not items known here")
        self.notes.append("a dataset has the sampled traces only: this is what they cost, not all traffic")

    def _of_server(self) -> Iterator[Call]:
        given = self._arguments
        until = given.until or datetime.now(UTC)
        since = given.since or until - _PERIOD
        if since >= until:
            raise InputError("--since is not before --until")
        period = (int(since.timestamp() * 1e9), int(until.timestamp() * 1e9))
        server = Server(given.jaeger or given.tempo, headers_of(given.header), given.timeout)
        for trace in (jaeger if given.jaeger else tempo)(server, given.service, period, self.problems):
            yield from of_trace(trace, self._savings)
