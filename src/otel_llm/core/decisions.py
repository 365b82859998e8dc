"""Exceptions that are decisions of the application, and no errors of the model calls that they leave."""

from __future__ import annotations


class Decision(Exception):  # noqa: N818 - it is none
    """Ends a model call by ``outcome``. A workflow or an agent that it leaves has failed all the same."""

    outcome = "stopped"
