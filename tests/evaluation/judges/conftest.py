"""A server that judges as a test wants, and an SDK in memory."""

from judge_server import judge_server, traced

__all__ = ["judge_server", "traced"]
