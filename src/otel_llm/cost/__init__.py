"""What model calls cost: prices from the response, the user's table or list prices, on spans and in metrics."""

from __future__ import annotations

from typing import Any

from .prices import Prices
from .pricing import Pricing

__all__ = ["IN_FORCE", "configure"]


class InForce:
    """The pricing that the settings ask for."""

    def __init__(self) -> None:
        self._asked: tuple[str | None, Any] | None = None
        self._pricing: Pricing | None = None

    def configure(self, on: bool, table: str | None, meter_provider: Any) -> None:
        """Price calls by the table at the path ``table`` if ``on``, and no longer as before."""
        asked = (table, meter_provider) if on else None
        if asked == self._asked:
            return
        if self._pricing is not None:
            self._pricing.close(5.0)
            self._pricing = None
        if asked is not None:
            self._pricing = Pricing(Prices(table))
            self._pricing.start(meter_provider)
        self._asked = asked

    def look_now(self) -> None:
        """Read the user's table again if it has changed, without waiting for the next call."""
        if self._pricing is not None:
            self._pricing.look()


#: One for the process, as the listeners are.
IN_FORCE = InForce()
configure = IN_FORCE.configure
