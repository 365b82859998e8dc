"""What may be recorded of a text: the content policy that the settings give.

It fails closed: where a redactor fails or takes too long, the text is dropped.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module

from .. import guard
from .. import semconv as s
from ..background import forks
from ..config import PERSONAL, SECRETS, Settings
from . import pseudonyms, re2_gate, scrubbing
from .encoding import Json, dumps
from .patterns import Pattern
from .redaction import Redactor, RedactorError, TimeLimit, Where

_logger = logging.getLogger("otel_llm")

#: In the place of a text that was dropped.
DROPPED = "[DROPPED]"
#: Texts up to this length come again and again: ids, tags, names.
LONGEST_REMEMBERED = 256
#: Names and ids that providers and this package choose. Only credentials are looked for in them: an address of a server
#: is no one's, and an id may look like a telephone number.
TECHNICAL = frozenset(
    {
        s.OPERATION_NAME,
        s.PROVIDER_NAME,
        s.REQUEST_MODEL,
        s.REQUEST_ENCODING_FORMATS,
        s.REQUEST_PREVIOUS_RESPONSE_ID,
        s.REQUEST_REASONING_LEVEL,
        s.RESPONSE_MODEL,
        s.RESPONSE_ID,
        s.RESPONSE_STATUS,
        s.RESPONSE_FINISH_REASONS,
        s.OUTPUT_TYPE,
        s.TOOL_TYPE,
        s.TOOL_CALL_ID,
        s.TOKEN_TYPE,
        s.TOKEN_MODALITY,
        s.SERVER_ADDRESS,
        s.ERROR_TYPE,
        s.EXCEPTION_TYPE,
        s.AWS_REQUEST_ID,
        s.OPENAI_API_TYPE,
        s.OPENAI_REQUEST_SERVICE_TIER,
        s.OPENAI_RESPONSE_SERVICE_TIER,
        s.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
        s.LLM_OPERATION_NAME,
        s.LLM_STREAM_OUTCOME,
        s.LLM_RESPONSE_FINISH_REASONS,
        s.LLM_CONTENT_TRUNCATED,
        s.LLM_ERROR_CODE,
        s.LLM_REQUEST_ID,
        s.LLM_REQUEST_MODEL,
        s.LLM_BATCH_ID,
        s.LLM_BATCH_STATUS,
        s.LLM_BATCH_ENDPOINT,
        s.LLM_SAGEMAKER_ENDPOINT,
        s.LLM_SAGEMAKER_INFERENCE_COMPONENT,
        s.LLM_SAGEMAKER_TARGET_MODEL,
        s.LLM_SAGEMAKER_TARGET_VARIANT,
        s.LLM_SAGEMAKER_TARGET_CONTAINER,
        s.LLM_SAGEMAKER_INVOKED_VARIANT,
        s.LLM_SAGEMAKER_INFERENCE_ID,
        s.LLM_PROMPT_TEMPLATE_HASH,
        s.LLM_LANGCHAIN_RUN_ID,
    }
)
#: Words of the conventions' schemas: no function of the application has to look at them.
_VOCABULARY = frozenset(
    {
        *("text", "reasoning", "tool_call", "tool_call_response", "server_tool_call", "server_tool_call_response"),
        *("blob", "uri", "file", "compaction", "function", "object", "string", "truncated"),
        *("system", "developer", "user", "assistant", "tool", "image", "video", "audio", "document"),
        *("stop", "length", "content_filter", "error"),
        *("type", "role", "parts", "content", "name", "id", "arguments", "response", "finish_reason", "modality"),
    }
)


class Ledger:
    """Counts what was replaced and dropped in this process."""

    def __init__(self) -> None:
        self.start_afresh()
        forks.SHARED.add(self)

    def start_afresh(self) -> None:
        """In a child process: the parent reports its own."""
        self._told = guard.Once()
        self._lock = threading.Lock()
        #: Replacements by kind, and dropped texts by the class of the error.
        self.redactions: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def redacted(self, kind: str) -> None:
        with self._lock:
            self.redactions[kind] += 1

    def drop(self, error: BaseException) -> None:
        """Count a text that was dropped because of ``error``, and say so the first time."""
        kind = type(error).__name__
        with self._lock:
            self.dropped[kind] += 1
        if self._told.first(kind):
            _logger.warning(
                "content is dropped, because its redaction failed (%s)\n%s", kind, guard.frames(error.__traceback__)
            )


class Policy:
    """The content policy of some settings. Immutable but for what it remembers of short texts."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._ledger = ledger
        gate = re2_gate.gate_of if re2_gate.available() else scrubbing.LiteralGate

        def scrubber(patterns: Sequence[Pattern]) -> scrubbing.Scrubber:
            return scrubbing.Scrubber(patterns, settings.redact_allow, ledger.redacted, gate)

        self._secrets = scrubber(scrubbing.SECRETS)
        self._personal: scrubbing.Scrubber | None = None
        kinds = {pattern.kind for pattern in scrubbing.PERSONAL}
        wanted = kinds if PERSONAL in settings.redact else kinds.intersection(settings.redact)
        if wanted:
            self._personal = scrubber([pattern for pattern in scrubbing.PERSONAL if pattern.kind in wanted])
        built_in = {SECRETS, PERSONAL, *kinds}
        self._functions: tuple[Redactor, ...] = tuple(
            _loaded(one) if isinstance(one, str) else one for one in settings.redact if one not in built_in
        )
        self._limit = TimeLimit(settings.redact_timeout) if self._functions else None
        self._pseudonym_key = settings.pseudonym_key
        #: Whether a result depends on where a text stands, and whether attributes of :data:`TECHNICAL` are spared.
        self.by_place = bool(self._functions or self._pseudonym_key)
        self.spares_technical = self._personal is not None
        self._short_secrets = lru_cache(maxsize=2048)(self._secrets)

    # --- texts -------------------------------------------------------------------------------

    def text(self, text: str, attribute: str) -> str:
        """``text`` as it may be recorded as ``attribute``, or as a part of it. Never raises.

        Without ``attribute`` it is a name, of a span or of an attribute: no function is asked about those.
        """
        try:
            if self._pseudonym_key and attribute in pseudonyms.KINDS:
                return pseudonyms.pseudonym(self._pseudonym_key, attribute, text)
            text = self._without_secrets(text)
            if attribute in TECHNICAL:
                return text
            return text if self._personal is None and self._limit is None else self._further(text, attribute)
        except Exception as error:
            self._ledger.drop(error)
            return DROPPED

    def _without_secrets(self, text: str) -> str:
        return self._short_secrets(text) if len(text) <= LONGEST_REMEMBERED else self._secrets(text)

    def _further(self, text: str, attribute: str) -> str:
        """What follows the removal of credentials."""
        scrub = None if self._personal is None else self._personal.of_parts_of(text)
        limit = self._limit if attribute else None
        if scrub is None and limit is None:
            return text
        if limit is None:
            return _Walk(scrub, attribute).text(text)
        return limit.call(lambda: _Walk(scrub, attribute, self._by_functions).text(text))

    def json(self, value: Json, attribute: str) -> str | None:
        """``value`` as one line of JSON, as it may be recorded as ``attribute``; ``None`` if it was dropped.

        Only texts change, names of fields included. An error of a redactor is not raised.

        :raises RecursionError: for JSON that is nested too deeply to be read.
        """
        encoded = dumps(value)
        try:
            encoded = self._without_secrets(encoded)
            if attribute in TECHNICAL:
                return encoded
            scrub = None if self._personal is None else self._personal.of_parts_of(encoded)
            if scrub is None and self._limit is None:
                return encoded
            if self._limit is None:
                return _Walk(scrub, attribute).over(encoded)
            return self._limit.call(lambda: _Walk(scrub, attribute, self._by_functions).over(encoded))
        except RecursionError:
            raise
        except Exception as error:
            self._ledger.drop(error)
            return None

    def secrets_of_json(self, value: Json) -> str:
        """``value``, which consists of what has passed this policy, as one line of JSON without credentials."""
        return self._secrets(dumps(value))

    # --- functions of the application ----------------------------------------------------------

    def _by_functions(self, text: str, where: Where) -> str:
        if text in _VOCABULARY:
            return text
        before = text
        for function in self._functions:
            text = function(text, where)
            if not isinstance(text, str):
                raise RedactorError(f"it must return a text, not {type(text).__name__}")
        if text != before:
            self._ledger.redacted("custom")
        return text


class _Walk:
    """Goes through decoded JSON, and replaces in its texts. What is no text stays as it is."""

    def __init__(
        self,
        scrub: Callable[[str], str] | None,
        attribute: str,
        then: Callable[[str, Where], str] = lambda text, where: text,
    ) -> None:
        self._scrub, self._then, self._attribute = scrub, then, attribute

    def over(self, encoded: str) -> str:
        """The JSON ``encoded``, replaced in."""
        return dumps(self._value(json.loads(encoded), ()))

    def text(self, text: str, path: tuple[str | int, ...] = ()) -> str:
        """``text``, replaced in. If it is JSON, it stays JSON."""
        if text[:1] in ("{", "[") and (inner := _decoded(text)) is not None:
            walked = self._value(inner, path)
            return text if walked == inner else dumps(walked)
        if self._scrub is not None:
            text = self._scrub(text)
        return self._then(text, Where(self._attribute, path))

    def _value(self, value: Json, path: tuple[str | int, ...]) -> Json:
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, list):
            return [self._value(child, (*path, index)) for index, child in enumerate(value)]
        if isinstance(value, dict):
            return {self.text(key, path): self._value(child, (*path, key)) for key, child in value.items()}
        return value


def _decoded(text: str) -> Json:
    """What ``text`` says if it is JSON with an object or a list, else ``None``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _loaded(name: str) -> Redactor:
    """The redactor that ``name`` names: ``presidio``, or ``module:function``. An error comes at its first use."""
    found: list[Redactor] = []

    def redact(text: str, where: Where) -> str:
        if not found:
            module, _, function = ("otel_llm.content.presidio:redact" if name == "presidio" else name).partition(":")
            found.append(getattr(import_module(module), function))
        return found[0](text, where)

    return redact
