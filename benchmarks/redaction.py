"""What redaction costs: a text of 4 KB behind the gates, in searches for every pattern one after the other.

``python benchmarks/redaction.py`` prints microseconds of CPU time too, which are of one machine.
"""

from __future__ import annotations

from importlib.util import find_spec
from time import thread_time_ns

from harness import Result, Work, compare
from otel_llm.content.re2_gate import Re2Gate
from otel_llm.content.scrubbing import PERSONAL, SECRETS, LiteralGate, Scrubber

_SENTENCE = (
    "On 14 March 2024 the team shipped version 2.31.4, after 1,234 tests. The quick brown fox jumps over a lazy dog; "
    "it tells a long story about it to whoever understands such things. See https://example.com/docs/setup (page 12).\n"
)
CLEAN = (_SENTENCE * 20)[:4096]
DIRTY = (
    CLEAN[:1024]
    + " jane@example.com, 555-123-4567, 4111 1111 1111 1111, sk-proj-A1b2C3d4E5f6G7h8I9j0 "
    + CLEAN[1024:4000]
)


def _nothing() -> None: ...


def _scrubbers() -> dict[str, tuple[Scrubber, Scrubber]]:
    """By the name of the gate, the scrubbers of credentials and of personal data, which a text passes one by one."""
    made = {"": (Scrubber(SECRETS), Scrubber(PERSONAL))}
    if find_spec("re2") is not None:
        gates = [Re2Gate(patterns) for patterns in (SECRETS, PERSONAL)]
        for gate in gates:
            gate.made.wait()
        of = {SECRETS: gates[0], PERSONAL: gates[1]}
        made[" (re2)"] = (Scrubber(SECRETS, gate=of.__getitem__), Scrubber(PERSONAL, gate=of.__getitem__))
    return made


def _works() -> dict[str, Work]:
    works: dict[str, Work] = {}
    for gate, (secrets, personal) in _scrubbers().items():
        works[f"credentials, clean{gate}"] = lambda secrets=secrets: secrets(CLEAN)
        for name, text in (("clean", CLEAN), ("dirty", DIRTY)):
            works[f"all, {name}{gate}"] = lambda one=secrets, two=personal, text=text: two(one(text))
    return works


def _one_by_one() -> None:
    for pattern in (*SECRETS, *PERSONAL):
        pattern.compiled.search(CLEAN)


_LIMITS = {"all, clean": 0.15, "all, clean (re2)": 0.06}


def run(quick: bool = False) -> list[Result]:
    """Every measurement; ``quick`` takes few rounds, to see that they run."""
    assert not any(LiteralGate(PERSONAL).suspected(CLEAN))
    calls = 50 if quick else 400
    return [compare(name, _nothing, work, _one_by_one, _LIMITS.get(name), calls) for name, work in _works().items()]


def _microseconds(work: Work, rounds: int = 20, calls: int = 50) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = thread_time_ns()
        for _ in range(calls):
            work()
        best = min(best, (thread_time_ns() - began) / calls / 1000)
    return best


if __name__ == "__main__":
    for name, work in {"one by one": _one_by_one, **_works()}.items():
        print(f"{name:<30} {_microseconds(work):8.1f} us")
