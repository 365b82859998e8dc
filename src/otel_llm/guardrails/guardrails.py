"""The checks of an input and of an output, one after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .. import guard
from .. import semconv as s
from ..propagation.attach import Frame
from . import running, telemetry
from .check import Check, Fail, Source, checked_limits
from .result import Action, Result

#: A check to be done next and its text. What it says, and the seconds that took, come back.
Steps = Generator[tuple[Check, str], tuple[Result, float], Result]


class Guardrails:
    """The checks of what goes into a model and of what comes out: ``Guardrails(input=[...], output=[...])``.

    ``input`` and ``output`` are checks, such as ``prompt_injection()``, or functions, which are taken as the function
    of a :class:`.Check` of their own name. They run in this order, those for prompt injection first: each gets the text
    as the one before has redacted it, and none runs after a block.

    ``timeout`` is the time limit of a check in seconds, and ``fail`` says what becomes of a text whose check raises or
    takes too long: ``"closed"`` blocks it, ``"open"`` passes it. A check may have its own. ``policy`` and ``version``
    name this configuration in telemetry.

    :raises ValueError: for another ``timeout`` or ``fail``.
    :raises TypeError: for a check that is neither a check nor a function.
    """

    def __init__(
        self,
        input: Iterable[Any] = (),  # noqa: A002
        output: Iterable[Any] = (),
        *,
        timeout: float = 1.0,
        fail: Fail = "closed",
        policy: str | None = None,
        version: str | None = None,
    ) -> None:
        checked_limits(timeout, fail)
        self.input, self.output = _in_order(input), _in_order(output)
        self.limits = running.Limits(timeout, fail)
        named = {s.GUARDRAIL_POLICY_ID: policy, s.GUARDRAIL_POLICY_VERSION: version}
        #: How telemetry names this configuration.
        self.policy: Mapping[str, str] = {name: str(value) for name, value in named.items() if value is not None}

    def check_input(self, text: str, source: Source = "input") -> Result:
        """What the checks of inputs say of ``text``.

        It waits for checks that take long, so coroutines use :meth:`acheck_input`. ``source`` is what the text is, for
        telemetry: the result of a tool, say, is checked as an input of ``source="tool_output"``.

        :raises TypeError: if ``text`` is no text.
        """
        return self._check(self.input, text, source)

    def check_output(self, text: str, source: Source = "output") -> Result:
        """What the checks of outputs say of ``text``.

        It waits for checks that take long, so coroutines use :meth:`acheck_output`. ``source`` is what the text is,
        for telemetry.

        :raises TypeError: if ``text`` is no text.
        """
        return self._check(self.output, text, source)

    async def acheck_input(self, text: str, source: Source = "input") -> Result:
        """:meth:`check_input` for coroutines of asyncio: ``text`` of ``source`` is checked while the loop goes on."""
        return await self._acheck(self.input, text, source)

    async def acheck_output(self, text: str, source: Source = "output") -> Result:
        """:meth:`check_output` for coroutines of asyncio: ``text`` of ``source`` is checked while the loop goes on."""
        return await self._acheck(self.output, text, source)

    # --- with and without waiting ------------------------------------------------------------------

    def _check(self, checks: tuple[Check, ...], text: str, source: Source) -> Result:
        inspection = Inspection(self, source)
        steps = self._steps(checks, text, inspection)
        try:
            step = next(steps)
            while True:
                step = steps.send(inspection.run(*step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def _acheck(self, checks: tuple[Check, ...], text: str, source: Source) -> Result:
        inspection = Inspection(self, source)
        steps = self._steps(checks, text, inspection)
        try:
            step = next(steps)
            while True:
                step = steps.send(await inspection.arun(*step))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def _steps(self, checks: tuple[Check, ...], text: str, inspection: Inspection) -> Steps:
        if not isinstance(text, str):
            raise TypeError(f"guardrails check texts, not {type(text).__name__}")
        results: list[Result] = []
        for check in checks:
            given = text
            told, seconds = yield check, given
            result = inspection.completed(check, told)
            inspection.report(check, result, given, seconds)
            results.append(result)
            text = result.text
            if result.blocked:
                break
        return summary(results, text, inspection.source)


class Inspection:
    """One text, or one stream, under check: where it is in the trace, and who is told of the results."""

    def __init__(self, guardrails: Guardrails, source: Source) -> None:
        self._limits, self._policy = guardrails.limits, guardrails.policy
        self.source: Source = source
        self._context = otel_context.get_current()
        self._reporter = telemetry.SHARED.listening(self._context)

    def completed(self, check: Check, result: Result) -> Result:
        """``result`` with the names of the check and of what was checked."""
        return Result(
            result.action,
            result.reason,
            result.text,
            result.category,
            result.score,
            result.rule,
            check.name,
            self.source,
            result.error,
            found=result.found,
        )

    def run(self, check: Check, text: str) -> tuple[Result, float]:
        """Run ``check`` on ``text``, in a span if it calls a service."""
        call = self._begin(check)
        if call is None:
            return running.run(check, text, self._limits)
        try:
            with Frame(call.context):
                done = running.run(check, text, self._limits)
        except BaseException as error:
            call.fail(error)
            raise
        self._end(call, done[0])
        return done

    async def arun(self, check: Check, text: str) -> tuple[Result, float]:
        """:meth:`run` for coroutines."""
        call = self._begin(check)
        if call is None:
            return await running.arun(check, text, self._limits)
        try:
            with Frame(call.context):
                done = await running.arun(check, text, self._limits)
        except BaseException as error:
            call.fail(error)
            raise
        self._end(call, done[0])
        return done

    def report(self, check: Check, result: Result, text: str | None, seconds: float) -> None:
        """Record the ``result`` of ``check``; ``text`` is what it checked, if that is at hand. Never raises."""
        if self._reporter is not None:
            guard.never_raise(self._reporter.ours)(check, result, text, seconds, self._policy, self._context)

    def _begin(self, check: Check) -> telemetry.GuardrailCall | None:
        if check.provider is None or self._reporter is None:
            return None
        return self._reporter.begin(check, self.source, self._policy, _current(self._context))

    def _end(self, call: telemetry.GuardrailCall, result: Result) -> None:
        if self._reporter is not None:
            self._reporter.end(call, result)


def _current(context: Context) -> Context:
    return otel_context.get_current() or context


def summary(results: Iterable[Result], text: str, source: Source) -> Result:
    """What all checks together say: the block if there is one, else the first redaction."""
    results = tuple(results)
    decided = next((one for one in results if one.blocked), None)
    decided = decided or next((one for one in results if one.action is Action.REDACT), None)
    if decided is None:
        return Result(Action.PASS, text=text, source=source, results=results)
    return Result(
        decided.action,
        decided.reason,
        "" if decided.blocked else text,
        decided.category,
        decided.score,
        decided.rule,
        decided.check,
        source,
        decided.error,
        results,
    )


def _in_order(checks: Iterable[Any]) -> tuple[Check, ...]:
    made = [one if isinstance(one, Check) else _of_function(one) for one in checks]
    return tuple(sorted(made, key=lambda check: not check.first))


def _of_function(function: Any) -> Check:
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"a check must be a Check or a function, not {function!r}")
    return Check(getattr(function, "__name__", None) or type(function).__name__, function)
