"""Estimates the tokens of calls whose provider sends none, where the application asks for it."""

from __future__ import annotations

from ..config.estimation import Chain, chain
from .estimator import Estimator

__all__ = ["IN_FORCE", "configure"]


class InForce:
    """The estimator that the settings ask for."""

    def __init__(self) -> None:
        self._asked: Chain | None = None
        self._estimator: Estimator | None = None

    def configure(self, asked: Chain | None) -> None:
        """Estimate as ``asked``, and no longer as before."""
        if isinstance(asked, str) and not chain(asked):
            asked = None
        if asked == self._asked:
            return
        if self._estimator is not None:
            self._estimator.close(5.0)
            self._estimator = None
        if asked is not None:
            self._estimator = Estimator(asked)
            self._estimator.start()
        self._asked = asked


#: One for the process, as the listeners are.
IN_FORCE = InForce()
configure = IN_FORCE.configure
