"""What a judge was asked, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_llm.evaluation.judges.judging import Judgement


@dataclass(slots=True)
class Spent:
    """What the judge was asked, and what that cost."""

    items: int = 0
    calls: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    unpriced: int = 0

    def add(self, judgement: Judgement) -> None:
        self.calls += judgement.calls
        self.unpriced += judgement.unpriced
        for name, count in judgement.usage.items():
            self.tokens[name] = self.tokens.get(name, 0) + count
        for cost in judgement.costs:
            self.costs[cost.currency] = self.costs.get(cost.currency, 0.0) + cost.amount
