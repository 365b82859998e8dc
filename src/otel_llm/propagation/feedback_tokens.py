"""Tokens that let a browser give feedback: ids and an end, signed with a key. They hold nothing else."""

from __future__ import annotations

import base64
import binascii
import hmac
from time import time

from ..config import FEEDBACK_KEY, Settings
from .targets import Kind, Target

#: Seconds until a token expires.
DEFAULT_EXPIRY = 86_400.0
_VERSION = b"\x01"
_CONTEXT = b"otel-llm feedback token\0"
_TAG_BYTES = 16
_HEAD_BYTES = len(_VERSION) + 8 + 1
_MAX_LENGTH = 2000
_NEVER = 2**63


class TokenError(ValueError):
    """A token is not one that this application issued, or it has expired. ``reason`` says which, in one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the feedback token is {reason}")
        self.reason = reason


class Tokens:
    """Issues and reads tokens, with the keys of the settings in force."""

    def __init__(self) -> None:
        self._keys: tuple[str, ...] | None = None

    def use(self, settings: Settings | None) -> None:
        """Use the keys of ``settings`` from now on; ``None``: those of the environment."""
        self._keys = None if settings is None else settings.feedback_key

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys. The first one signs."""
        if self._keys is None:
            self._keys = Settings.from_environment().feedback_key
        return self._keys

    def require_key(self) -> None:
        """:raises ValueError: if there is no key."""
        if not self.keys:
            raise ValueError(f"a token of feedback needs a key: set {FEEDBACK_KEY}, or Settings(feedback_key=(...,))")

    def issue(self, target: Target, expires_in: float = DEFAULT_EXPIRY) -> str:
        """The token for feedback on ``target``, which expires after so many seconds.

        :raises ValueError: if there is no key, or the target is too long for a token.
        """
        self.require_key()
        expires = min(max(int(time() + expires_in), 0), _NEVER)
        payload = _VERSION + expires.to_bytes(8, "big") + target.kind.value.encode() + _body(target)
        token = _encoded(payload + _tag(self.keys[0], payload))
        if len(token) > _MAX_LENGTH:
            raise ValueError("the target of feedback is too long for a token")
        return token

    def read(self, token: str) -> Target:
        """The target that ``token`` names.

        :raises ValueError: if there is no key.
        :raises TokenError: if the token was forged or altered, or has expired.
        """
        self.require_key()
        raw = _decoded(token)
        payload, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        if not any(hmac.compare_digest(_tag(key, payload), tag) for key in self.keys):
            raise TokenError("invalid")
        if time() >= int.from_bytes(payload[1:9], "big"):
            raise TokenError("expired")
        try:
            return _target(Kind(chr(payload[9])), payload[_HEAD_BYTES:])
        except ValueError:  # of a later version
            raise TokenError("invalid") from None


def _tag(key: str, payload: bytes) -> bytes:
    return hmac.digest(key.encode(errors="replace"), _CONTEXT + payload, "sha256")[:_TAG_BYTES]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(token: str) -> bytes:
    if not isinstance(token, str) or not token.isascii() or len(token) > _MAX_LENGTH:
        raise TokenError("invalid")
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise TokenError("invalid") from None
    # Of several spellings of the same bytes, only the one that was issued is accepted.
    if len(raw) < _HEAD_BYTES + _TAG_BYTES or _encoded(raw) != token or not raw.startswith(_VERSION):
        raise TokenError("invalid")
    return raw


def _body(target: Target) -> bytes:
    if target.trace_id is not None:
        return bytes.fromhex(target.trace_id + (target.span_id or ""))
    if target.kind is Kind.KEY:
        return f"{target.attribute}\0{target.value}".encode(errors="replace")
    return target.value.encode(errors="replace")


def _target(kind: Kind, body: bytes) -> Target:
    if kind in (Kind.SPAN, Kind.TRACE):
        return Target(kind, body[:16].hex(), body[16:].hex() or None)
    text = body.decode()
    if kind is Kind.KEY:
        attribute, _, text = text.partition("\0")
        return Target.by_attribute(kind, text, attribute)
    return Target.by_attribute(kind, text)


#: One for the process, whose settings may change.
SHARED = Tokens()
