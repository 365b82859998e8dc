"""Operations that run in this process: agents, workflows and tools, with the metrics the conventions give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import semconv as s
from ..background import deferred
from ..propagation.state import with_agent
from .call import Call
from .listeners import EndedCall
from .recording import Recording
from .request import Request, Response

if TYPE_CHECKING:
    from opentelemetry.context import Context


class InProcessCall(Call):
    """An agent, a workflow or a tool at work. An agent counts what is called below it, up to the next agent or tool."""

    __slots__ = ("__weakref__", "_answers", "inference_calls", "tool_calls")

    def __init__(self, recording: Recording, request: Request, context: Context) -> None:
        self.inference_calls = 0
        self.tool_calls = 0
        self._answers: list[Response] = []
        super().__init__(recording, request, context)
        if request.operation == s.INVOKE_AGENT:
            self.context = with_agent(self, context)
        elif request.operation == s.EXECUTE_TOOL:
            # What is called in there is its own, no longer the agent's around it.
            self.context = with_agent(None, context)

    def add(self, answer: Response) -> None:
        """Count in what one of the agent's own inferences was answered."""
        self._answers.append(answer)

    def count(self, operation: str, answer: Response) -> None:
        """Count a call that ended below this agent, as its own."""
        if operation in s.INFERENCE_OPERATIONS:
            self.inference_calls += 1
            self.add(answer)
        elif operation == s.EXECUTE_TOOL:
            self.tool_calls += 1

    def totals(self) -> Response:
        """The tokens of the agent's own inferences, and how the last of them finished."""
        total = Response()
        for answer in list(self._answers):
            if answer.finish_reasons:
                total.finish_reasons, total.provider_reasons = answer.finish_reasons, answer.provider_reasons
            for name in (s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS):
                if (count := answer.usage.get(name)) is not None:
                    total.usage[name] = total.usage.get(name, 0) + count
        return total

    def _so_far(self) -> Response:
        return self.totals()

    def _record_metrics(self, ended: EndedCall) -> None:
        calls = (self.inference_calls, self.tool_calls)
        deferred.do(self._recording.instruments.run, ended, calls)
