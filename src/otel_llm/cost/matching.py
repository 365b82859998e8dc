"""Which calls an entry of the user's table is for."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

#: Nanoseconds since the epoch, from the first to before the second.
FOREVER = (-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Query:
    """What is known of a call when its price is looked up.

    ``models`` are its names, the one that answered first. ``provider`` is the name in the conventions, ``host`` the
    server's address, ``endpoint`` the name of a SageMaker endpoint. ``tier`` is a service tier, ``batch`` or the time
    within which a background response has to be complete; ``None`` is the common price.
    """

    provider: str
    models: tuple[str, ...]
    host: str | None = None
    port: int | None = None
    endpoint: str | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Which calls an entry is for."""

    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    #: Nanoseconds since the epoch, from the first to before the second.
    period: tuple[int, int] = FOREVER

    @property
    def names_host(self) -> bool:
        return bool(self.hosts or self.endpoints)

    def fits(self, query: Query) -> bool:
        """Whether it is for ``query``, at any time."""
        return (
            (not self.models or any(_matches(self.models, name) for name in query.models))
            and (not self.providers or _matches(self.providers, query.provider))
            and (not self.hosts or _matches_host(self.hosts, query))
            and (not self.endpoints or (query.endpoint is not None and _matches(self.endpoints, query.endpoint)))
        )


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    name = name.lower()
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _matches_host(patterns: tuple[str, ...], query: Query) -> bool:
    if query.host is None:
        return False
    return _matches(patterns, query.host) or (
        query.port is not None and _matches(patterns, f"{query.host}:{query.port}")
    )
