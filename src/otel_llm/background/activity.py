"""Whether this process has recorded anything: if not, there is nothing to send at its end."""

from __future__ import annotations

from .forks import SHARED as FORKS
from .forks import ForkPolicy


class Activity:
    """Remembers whether this package has recorded anything. A child process starts with nothing recorded."""

    def __init__(self, policy: ForkPolicy = FORKS) -> None:
        #: Set by the code that starts a span or has something to write.
        self.any = False
        policy.add(self)

    def start_afresh(self) -> None:
        self.any = False


#: The activity of this process.
SHARED = Activity()
