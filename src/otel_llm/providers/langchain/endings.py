"""The chunks of a run and its end: the part of the callback handler after the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any
from uuid import UUID

from ... import guard
from ... import semconv as s
from ...background import finalizers
from ...core import nesting
from ...core.call import Call
from ...core.local_call import InProcessCall
from ...core.request import Response
from ...instrumentation.instrumentor import Instrumentor
from ...propagation import state
from .._langgraph import bubbles_up
from . import answers, content, decisions
from .runs import Run, Runs


class Endings:
    """Ends the runs that were started, even if tracing has been turned off since."""

    _instrumentor: Instrumentor
    runs: Runs

    # --- chunks ----------------------------------------------------------------------------------

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.get(run_id)
        call = run.call if run is not None else None
        if run is not None and isinstance(call, nesting.LayeredCall) and not call.joined:
            self._chunk(run, call)

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.on_llm_new_token(event, run_id=run_id)

    @guard.never_raise
    def _chunk(self, run: Run, call: Call) -> None:
        if not call.streams:
            call.request.attributes[s.REQUEST_STREAM] = True
            if call.recording:
                call.span.set_attribute(s.REQUEST_STREAM, True)
        call.chunk(perf_counter_ns())

    # --- ends ------------------------------------------------------------------------------------

    @guard.never_raise
    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.pop(run_id)
        if run is not None:
            self._end_model(run, response, lambda call, answer: call.finish(answer))

    def _read(self, run: Run, result: Any) -> Response:
        call = run.call
        if call is not None and call.request.operation == s.GENERATE_CONTENT:
            return decisions.response(result)
        return answers.response(result, self._instrumentor.telemetry.settings.capture_media)

    @guard.never_raise
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.pop(run_id)
        if run is not None:
            self._fail_model(run, error, kwargs.get("response"))

    def _fail_model(self, run: Run, error: BaseException, response: Any) -> None:
        call = run.call
        if not isinstance(error, GeneratorExit):
            self._end_model(run, response, lambda call, answer: call.fail(error, answer))
            return

        def closed() -> None:
            run.deferred = None
            self._end_model(run, response, lambda call, answer: call.finish(answer, "closed"))

        # LangChain reports the end before it closes the generators below. What they know by then is still recorded.
        if run.guarded:
            if call is not None:
                call.stop_clock()
            run.deferred = lambda: finalizers.run(closed)
        else:
            finalizers.run(closed)

    @guard.never_raise
    def _end_model(self, run: Run, result: Any, end: Callable[[Call, Response], None]) -> None:
        call = run.call
        agent = state.agent_in(run.context)
        wanted = call is None or call.wanted or agent is not None
        if isinstance(call, nesting.LayeredCall) and call.answered:
            wanted = False  # the layer below, the SDK, has the whole answer
        answer = self._read(run, result) if wanted else Response()
        run.over()
        if call is not None:
            end(call, answer)
        elif agent is not None:
            agent.count(s.CHAT, answer)  # the SDK's span does not count for the agent

    @guard.never_raise
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.pop(run_id)
        if run is None or not self._is_over(run, run_id):
            return
        if isinstance(run.call, nesting.LayeredCall):  # a decision model, the only model reported as a chain
            self._end_model(run, outputs, lambda call, answer: call.finish(answer))
            return
        self._record_chain(run, kwargs.get("inputs"), outputs)
        self._finish(run)

    @guard.never_raise
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.pop(run_id)
        if run is None:
            return
        if not self._is_over(run, run_id):
            _note_interrupt(run.call, error)
            return
        if isinstance(run.call, nesting.LayeredCall):
            self._fail_model(run, error, None)
            return
        self._record_chain(run, kwargs.get("inputs"), None)
        self._fail(run, error)

    def _record_chain(self, run: Run, inputs: Any, outputs: Any) -> None:
        """Record the output of a chain, and its input, which LangChain reports only at the end if it was streamed."""
        call = run.call
        if call is not None and call.request.operation in (s.INVOKE_AGENT, s.INVOKE_WORKFLOW):
            capture_media = self._instrumentor.telemetry.settings.capture_media
            call.record_content(lambda: {**went_in(inputs, capture_media), **came_out(outputs, capture_media)})

    @guard.never_raise
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.pop(run_id)
        if run is None or run.call is None:
            return
        run.call.record_content(lambda: {s.TOOL_CALL_RESULT: content.tool_result(output)})
        # A tool may return its error to the model as a result.
        failed = getattr(output, "status", None) == "error"
        self._finish(run, Response(error="tool_error" if failed else None))

    on_tool_error = on_retriever_error = on_chain_error

    @guard.never_raise
    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        run = self.runs.pop(run_id)
        if run is None or run.call is None:
            return
        run.call.record_content(lambda: {s.RETRIEVAL_DOCUMENTS: content.documents(documents)})
        self._finish(run)

    @guard.never_raise
    def left(self, run: Run, error: BaseException) -> None:
        """End ``run``, which ``error`` has left without LangChain reporting the end."""
        self.runs.discard(run)
        if isinstance(run.call, nesting.LayeredCall):
            self._fail_model(run, error, None)
        else:
            self._fail(run, error)

    def _is_over(self, run: Run, run_id: UUID) -> bool:
        """Whether ``run_id`` is the id of ``run`` itself, and not of a step that has no run of its own here."""
        return run.id == run_id.int

    def _finish(self, run: Run, answer: Response | None = None, outcome: str | None = None) -> None:
        run.over()
        if answer is None and isinstance(run.call, InProcessCall):
            answer = run.call.totals()
        if run.call is not None:
            run.call.finish(answer, outcome)

    def _fail(self, run: Run, error: BaseException) -> None:
        call = run.call
        if isinstance(error, GeneratorExit):
            if call is not None:
                call.stop_clock()
            finalizers.run(lambda: self._finish(run, None, "closed"))
        elif bubbles_up(error):
            _note_interrupt(call, error)
            self._finish(run)
        else:
            run.over()
            if call is not None:
                call.fail(error, call.totals() if isinstance(call, InProcessCall) else None)


def _note_interrupt(call: Call | None, error: BaseException) -> None:
    interrupted = type(error).__name__ in ("GraphInterrupt", "NodeInterrupt") and bubbles_up(error)
    if interrupted and call is not None and call.recording:
        call.span.set_attribute(s.LLM_LANGCHAIN_INTERRUPTED, True)


def went_in(inputs: Any, capture_media: bool) -> Mapping[str, Any]:
    return {s.INPUT_MESSAGES: said} if (said := content.state(inputs, capture_media)) else {}


def came_out(outputs: Any, capture_media: bool) -> Mapping[str, Any]:
    return {s.OUTPUT_MESSAGES: said} if (said := content.answer(outputs, capture_media)) else {}
