"""The limit on items a minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True)
class TokenBucket:
    """A token bucket that holds the tokens of one minute."""

    per_minute: float
    _tokens: float = field(init=False)
    _filled: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        self._tokens = max(self.per_minute, 1.0)

    def take(self, now: float) -> bool:
        """Take a token at the time ``now`` of ``monotonic``; return whether there was one."""
        self._tokens = min(max(self.per_minute, 1.0), self._tokens + max(now - self._filled, 0) * self.per_minute / 60)
        self._filled = max(now, self._filled)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
