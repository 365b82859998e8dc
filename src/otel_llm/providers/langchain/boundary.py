"""Makes the context of a run current while LangChain calls code that is not its own.

A callback can't do this, because nothing would restore the previous context. There are two ways here. Either LangChain
runs the code in a copy of the context, which is dropped afterwards, or a frame of ours is around LangChain's and
restores it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ... import guard
from ... import semconv as s
from ...core.execution import first
from ...core.nesting import LayeredCall
from . import models
from .runs import Run, current_run

_KEY = otel_context.create_key("otel_llm-langchain-opening")


class Lookup(Protocol):
    """What the boundaries need of the callback handler."""

    @property
    def active(self) -> bool: ...

    def run_of(self, run_id: Any) -> Run | None: ...

    def left(self, run: Run, error: BaseException) -> None: ...


class Opening:
    """A frame of ours around LangChain's. It is entered once, or once for each chunk.

    It belongs to ``run``, or waits for the run that starts inside it. ``subject`` is the LangChain object that is
    called. For a frame with ``stream``, :meth:`over` must be called at the end of the stream.
    """

    __slots__ = ("_stream", "_token", "_within", "run", "subject")

    def __init__(self, subject: Any, run: Run | None = None, stream: bool = False) -> None:
        self.subject = subject
        self.run = run
        self._stream = stream
        if run is not None:
            run.guarded = stream

    def __enter__(self) -> None:
        """Make the context of the run current. Before the run starts: a context in which its start finds this frame."""
        run = self.run
        if run is None:
            self._within = otel_context.set_value(_KEY, self)
        elif run.ended:
            self._within = otel_context.get_current()
        else:
            self._within = run.context
        self._token = otel_context.attach(self._within)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is GeneratorExit:
            # The garbage collector may close an unfinished coroutine in any context. Then there is nothing to restore.
            current = otel_context.get_current()
            if current is not self._within and current_run(current) is not self.run:
                return
        otel_context.detach(self._token)

    def began(self, run: Run) -> None:
        """The run has started: the rest of the frame is inside it. Leaving the frame restores the context."""
        self.run = run
        run.guarded = self._stream
        otel_context.attach(run.context)

    def over(self) -> None:
        """The frame, and everything inside it, has ended."""
        run = self.run
        if run is not None:
            run.guarded = False
            if run.deferred is not None:
                run.deferred()


def opening(context: Context) -> Opening | None:
    """The frame in ``context`` that waits for a run to start."""
    found = context.get(_KEY)
    return found if isinstance(found, Opening) and found.run is None else None


class Boundaries:
    """Wrappers of the functions in which LangChain calls code that is not its own."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    # --- code that LangChain runs in a copy of the context -------------------------------------

    def config_context(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        """``_set_config_context(config, ...)``. It runs in the copy of the context, so nothing has to be restored."""
        result = wrapped(*args, **kwargs)
        if self._lookup.active:
            config = args[0] if args else kwargs.get("config")
            callbacks = config.get("callbacks") if isinstance(config, dict) else None
            run = self._lookup.run_of(getattr(callbacks, "parent_run_id", None))
            if run is not None and not run.ended and current_run(otel_context.get_current()) is not run:
                otel_context.attach(run.context)
        return result

    # --- calls that know their run ---------------------------------------------------------------

    def generate(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        run = self._run(instance, args, kwargs)
        if run is None:
            return wrapped(*args, **kwargs)
        return self._inside(Opening(instance, run), wrapped, args, kwargs)

    async def agenerate(self, wrapped: Callable[..., Awaitable[Any]], instance: Any, args: Any, kwargs: Any) -> Any:
        run = self._run(instance, args, kwargs)
        if run is None:
            return await wrapped(*args, **kwargs)
        return await self._inside_async(Opening(instance, run), wrapped, args, kwargs)

    def events(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        run = self._run(instance, args, kwargs)
        made = wrapped(*args, **kwargs)
        return made if run is None else iterate(made, Opening(instance, run, stream=True))

    def aevents(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        run = self._run(instance, args, kwargs)
        made = wrapped(*args, **kwargs)
        return made if run is None else aiterate(made, Opening(instance, run, stream=True))

    def cached(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        """``_convert_cached_generations``, which LangChain calls for an answer from its cache."""
        if self._lookup.active:
            self._note_cached(instance)
        return wrapped(*args, **kwargs)

    @guard.never_raise
    def _note_cached(self, model: Any) -> None:
        run = current_run(otel_context.get_current())
        if run is None or run.model is not model:
            return  # the run of another object: the model's own run is not traced
        if isinstance(run.call, LayeredCall):
            run.call.answered_from_cache(s.LLM_LANGCHAIN_CACHED)

    @guard.never_raise
    def _run(self, instance: Any, args: Any, kwargs: Any) -> Run | None:
        """The run of a model call, found by its run manager. If there are several, the first one counts."""
        manager = kwargs.get("run_manager")
        if manager is None:
            managers = kwargs.get("run_managers") or next((one for one in args[1:] if _is_manager(one)), None)
            manager = managers[0] if isinstance(managers, list) and managers else managers
        run = self._lookup.run_of(getattr(manager, "run_id", None))
        if run is None or run.ended:
            return None
        run.model = instance
        if isinstance(run.call, LayeredCall) and s.SERVER_ADDRESS not in run.call.request.attributes:
            run.call.know(models.server(instance))
        return run

    # --- calls in which the run starts -----------------------------------------------------------

    def invoke(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        if not self._lookup.active:
            return wrapped(*args, **kwargs)
        return self._inside(Opening(instance), wrapped, args, kwargs)

    async def ainvoke(self, wrapped: Callable[..., Awaitable[Any]], instance: Any, args: Any, kwargs: Any) -> Any:
        if not self._lookup.active:
            return await wrapped(*args, **kwargs)
        return await self._inside_async(Opening(instance), wrapped, args, kwargs)

    def stream(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        made = wrapped(*args, **kwargs)
        return iterate(made, Opening(instance, stream=True), self._failed) if self._lookup.active else made

    def astream(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        made = wrapped(*args, **kwargs)
        return aiterate(made, Opening(instance, stream=True), self._failed) if self._lookup.active else made

    # --- shared by all ---------------------------------------------------------------------------

    def _inside(self, opened: Opening, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            with opened:
                return function(*args, **kwargs)
        except BaseException as error:
            self._left(opened.run, error)
            raise

    async def _inside_async(self, opened: Opening, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            with opened:
                return await function(*args, **kwargs)
        except BaseException as error:
            self._left(opened.run, error)
            raise

    def _left(self, run: Run | None, error: BaseException) -> None:
        """End the run for an ``error`` that is no ``Exception``, as a cancellation: LangChain may not report it."""
        if not isinstance(error, Exception):
            self._failed(run, error)

    def _failed(self, run: Run | None, error: BaseException) -> None:
        """End the run with ``error``, unless LangChain has already reported the end."""
        if run is not None and not run.ended:
            self._lookup.left(run, error)


def _is_manager(value: Any) -> bool:
    one = value[0] if isinstance(value, list) and value else value
    return hasattr(one, "run_id")


_Failed = Callable[[Run | None, BaseException], None]


def iterate(source: Any, opened: Opening, failed: _Failed | None = None) -> Iterator[Any]:
    """Iterate over the generator ``source`` inside ``opened``. ``failed`` is called if it raises."""
    step: Callable[[], Any] = partial(next, source)
    try:
        while True:
            with opened:
                try:
                    chunk = step()
                except StopIteration:
                    return
                except BaseException as error:
                    if failed is not None:
                        failed(opened.run, error)
                    raise
            step = partial(next, source)
            try:
                yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                step = partial(source.throw, error)
    finally:
        try:
            with opened:
                source.close()
        finally:
            opened.over()


async def aiterate(source: Any, opened: Opening, failed: _Failed | None = None) -> AsyncIterator[Any]:
    """:func:`iterate` for asynchronous generators."""
    step: Callable[[], Any] = partial(first, source, _leave)
    try:
        while True:
            with opened:
                try:
                    chunk = await step()
                except StopAsyncIteration:
                    return
                except BaseException as error:
                    if failed is not None:
                        failed(opened.run, error)
                    raise
            step = source.__anext__
            try:
                yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                step = partial(source.athrow, error)
    finally:
        try:
            with opened:
                await source.aclose()
        finally:
            opened.over()


def _leave(source: Any) -> None:
    """Keep Python from closing a dropped generator in a place where nothing can be awaited."""
