"""A provider with an EvaluationSampler, and what the sampler stored; every item is held against its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from evaluating import Evaluated

from openai_clients import client, server, session_server
from otel_llm.content import capture
from quietness import quiet

__all__ = ["client", "quiet", "server", "session_server"]


@pytest.fixture
def evaluated() -> Iterator[Callable[..., Evaluated]]:
    """Makes an :class:`Evaluated`, with what EvaluationSampler takes."""
    made: list[Evaluated] = []

    def make(*args: object, **kwargs: object) -> Evaluated:
        made.append(Evaluated(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.provider.shutdown()
        one.check()


@pytest.fixture(autouse=True)
def nothing_wanted(quiet: pytest.LogCaptureFixture) -> Iterator[None]:
    """No sampler that has ended wants content."""
    yield
    assert capture.WANTED.all == ()
