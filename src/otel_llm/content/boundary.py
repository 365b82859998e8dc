"""Cleans names and values at the boundary: before they become attributes of a span, a metric or an event.

Clean means valid UTF-8, without credentials, and as the content policy has it (:mod:`.policy`). Exporters lose a whole
batch by one lone surrogate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from ..config import Settings
from .encoding import Json, utf8
from .hiding import Hiding
from .policy import LONGEST_REMEMBERED, TECHNICAL, Ledger, Policy

_V = TypeVar("_V")
_TEXTS = (str, list, tuple)
_NUMBERS = frozenset({int, float, bool})
#: An id that is new for each call: no credential has this form, and to remember it would be of no use.
_NEW_ID = re.compile(
    r"[0-9a-f-]{16,64}|(?:chatcmpl-|cmpl-|gen-|msg_|resp_|req_|run-{1,2})(?:[0-9a-f-]{16,64}|[0-9A-Za-z]{21,29})"
)
#: The most short texts that are remembered as clean.
_MOST = 4096
#: The most attributes, and texts of one, of a set of attributes that is remembered.
_MOST_ALIKE = 64


class Boundary:
    """The one place that applies the content policy. All settings of a process share it: the last ones hold."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._settings: Settings | None = None
        self.use(None)

    def use(self, settings: Settings | None) -> None:
        """Apply the policy of ``settings`` from now on; ``None``: that of the environment."""
        if settings is not None and settings is self._settings:
            return
        self._settings = settings
        self._policy: Policy | None = None
        self._hiding: Hiding | None = None
        #: Short texts that have passed the policy: names of models and servers come with every call. What a policy says
        #: of them may depend on the attribute; then they are with its name.
        self._known: set[str] = set()
        self._known_there: set[tuple[str, str]] = set()
        #: Attributes that were clean, by their number: most calls are like the one before.
        self._alike: dict[int, dict[str, Any]] = {}
        #: Names of attributes that are known to be valid UTF-8, which is all that is required of a name.
        self._names: set[str] = set()

    def prepare(self) -> None:
        """Make the policy now, rather than in the first call: that looks for a library and may start a thread."""
        if self._policy is None:
            self._load()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy or self._load()

    def _load(self) -> Policy:
        settings = self._settings or Settings.from_environment()
        self._hiding = Hiding(settings.hide) if settings.hide else None
        self._policy = made = Policy(settings, self.ledger)
        return made

    @property
    def hiding(self) -> Hiding | None:
        """What leaves out fields of content; ``None`` if nothing is hidden."""
        if self._policy is None:
            self._load()
        return self._hiding

    @property
    def shows_errors(self) -> bool:
        """Whether texts of errors, which may quote any content, are recorded where content is."""
        hiding = self.hiding
        return hiding is None or not hiding.hides_errors

    # --- texts -------------------------------------------------------------------------------

    def clean_text(self, text: str, attribute: str = "") -> str:
        """``text`` as valid UTF-8, as it may be recorded as ``attribute``, or as a part of it."""
        if type(text) is not str:  # a look-up would call code of the application's
            text = str.__str__(text)
        if text in self._known:
            return text
        known, known_there = self._known, self._known_there  # taken first: of an older policy nothing is remembered
        policy = self.policy
        if attribute in TECHNICAL and _NEW_ID.fullmatch(text):
            return text
        if not text.isascii():
            text = utf8(text)
        if not (policy.by_place or (policy.spares_technical and attribute in TECHNICAL)):
            cleaned = policy.text(text, attribute)
            if len(cleaned) <= LONGEST_REMEMBERED:
                self._remember(known, cleaned)
            return cleaned
        if (attribute, text) in known_there:
            return text
        cleaned = policy.text(text, attribute)
        if len(cleaned) <= LONGEST_REMEMBERED and len(attribute) <= LONGEST_REMEMBERED:
            self._remember(known_there, (attribute, cleaned))
        return cleaned

    @staticmethod
    def _remember(known: set[Any], one: Any) -> None:
        if len(known) >= _MOST:
            known.clear()
        known.add(one)

    def clean_value(self, value: _V, attribute: str = "") -> _V:
        """``value`` of an attribute: a text, or a sequence of texts, is cleaned; anything else stays as it is."""
        if isinstance(value, str):
            return cast("_V", self.clean_text(value, attribute))
        if isinstance(value, list | tuple):
            return cast(
                "_V", type(value)(self.clean_text(one, attribute) if isinstance(one, str) else one for one in value)
            )
        return value

    # --- attributes ----------------------------------------------------------------------------

    def clean(self, attributes: dict[str, Any]) -> None:
        """Clean the names and values of ``attributes`` in place, and take out what is hidden.

        On the path of every call: most have nothing to clean.
        """
        try:
            is_clean = attributes == self._alike.get(len(attributes))
        except Exception:  # from a value of the application's own type
            is_clean = False
        if not is_clean:
            self._clean(attributes)
        if self._hiding is not None:
            shown = self._hiding.visible(attributes)
            if shown != attributes:
                attributes.clear()
                attributes.update(shown)

    def _clean(self, attributes: dict[str, Any]) -> None:
        changed: dict[str, Any] = {}
        alike, names, known, known_there = self._alike, self._names, self._known, self._known_there
        are_known = names_are_known = True
        for name, value in attributes.items():
            kind = type(value)
            if name not in names:
                are_known = names_are_known = False
            if kind is str:
                if value in known or (known_there and (name, value) in known_there):
                    continue
            elif kind in _NUMBERS:
                continue
            elif kind is tuple or kind is list:
                for one in value:
                    if type(one) is not str or (one not in known and (name, one) not in known_there):
                        break
                else:
                    if kind is list or len(value) > _MOST_ALIKE:  # a list may change
                        are_known = False
                    continue
            elif not isinstance(value, _TEXTS):
                are_known = False
                continue
            are_known = False
            if (cleaned := self.clean_value(value, name)) is not value:
                changed[name] = cleaned
        if changed:
            attributes.update(changed)
        if not names_are_known:
            self._clean_names(attributes)
        if are_known and len(attributes) <= _MOST_ALIKE:
            alike[len(attributes)] = attributes.copy()

    def _clean_names(self, attributes: dict[str, Any]) -> None:
        for name in [name for name in attributes if utf8(name) != name]:
            attributes[utf8(name)] = attributes.pop(name)
        if len(self._names) >= _MOST:
            self._names.clear()
        self._names.update(name for name in attributes if len(name) <= LONGEST_REMEMBERED and type(name) is str)

    def cleaned(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of ``attributes`` with clean names and values."""
        copy = dict(attributes)
        self.clean(copy)
        return copy

    # --- JSON ----------------------------------------------------------------------------------

    def clean_json(self, value: Json, attribute: str = "") -> str | None:
        """``value`` as one line of JSON, as it may be recorded as ``attribute``; ``None`` if it was dropped."""
        return self.policy.json(value, attribute)

    def without_secrets(self, value: Json) -> str:
        """``value``, which consists of what has passed the policy, as one line of JSON without credentials."""
        return self.policy.secrets_of_json(value)

    def visible(self, content: Mapping[str, Json]) -> Mapping[str, Json]:
        """What of ``content``, by attribute, is not hidden."""
        hiding = self.hiding
        return content if hiding is None else hiding.visible(content)


#: One for the process, as its spans, logs and items are.
SHARED = Boundary()
clean_text, clean_value, clean, cleaned, clean_json = (
    SHARED.clean_text,
    SHARED.clean_value,
    SHARED.clean,
    SHARED.cleaned,
    SHARED.clean_json,
)
