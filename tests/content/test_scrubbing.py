"""Every form of credential and of personal data is replaced, ordinary text is not, and the work it takes is linear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import otel_llm
from content.steps import Steps
from otel_llm import ContentCapture, Settings
from otel_llm.config import PERSONAL_KINDS
from otel_llm.content.boundary import SHARED, clean, clean_text
from otel_llm.content.bounding import encode
from otel_llm.content.patterns import Pattern
from otel_llm.content.scrubbing import PERSONAL, SECRETS, LiteralGate, Scrubber

_A = "A1b2C3d4E5f6G7h8I9j0"
ALL = (*SECRETS, *PERSONAL)
_OF_ALL = {"secret": Scrubber(SECRETS)} | {pattern.kind: Scrubber(PERSONAL) for pattern in PERSONAL}
without_secrets = _OF_ALL["secret"]


def _name(pattern: Any) -> str:
    return str(pattern.name)


@pytest.mark.parametrize("pattern", ALL, ids=_name)
def test_examples_are_replaced(pattern: Pattern) -> None:
    assert pattern.examples
    alone = Scrubber([pattern])
    for example in pattern.examples:
        for around in ("{}", "x {} y", "a\n{}\n", "a\\n{}\\n", "({}),", "{}."):
            text = around.format(example)
            assert pattern.replacement in alone(text), text
            assert example not in _OF_ALL[pattern.kind](text), text


@pytest.mark.parametrize("pattern", ALL, ids=_name)
def test_counterexamples_are_not(pattern: Pattern) -> None:
    assert pattern.counterexamples
    for counterexample in pattern.counterexamples:
        text = f"x {counterexample} y"
        assert Scrubber([pattern])(text) == text
        if pattern.kind == "secret":
            assert without_secrets(text) == text


def test_the_settings_know_the_kinds_of_personal_data() -> None:
    assert {pattern.kind for pattern in PERSONAL} == PERSONAL_KINDS


@pytest.mark.parametrize("pattern", ALL, ids=_name)
@pytest.mark.parametrize("around", ["{}", "a\n{}\n", "cookie=\na=bcdefg {}", '"{}"', "{}\\", '{{"a": "{}"}}'])
def test_json_stays_json(pattern: Pattern, around: str) -> None:
    SHARED.use(Settings(redact=("pii",)))
    for example in pattern.examples:
        text, _ = encode([{"content": around.format(example)}, {"content": "after", "number": 4111111111111111}], 10000)
        assert text is not None
        first, last = json.loads(text)
        assert first["content"] != around.format(example)
        assert last == {"content": "after", "number": 4111111111111111}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"https://api.example.com/v1?api-key={_A}&x=1", _A),
        (f"https://maps.example.com/?q=1&key={_A}", _A),
        ("https://b.s3.amazonaws.com/k?X-Amz-Signature=0123456789abcdef&X-Amz-Expires=60", "0123456789abcdef"),
        ("https://b.s3.amazonaws.com/k?X-Amz-Security-Token=IQoJb3JpZ2lu", "IQoJb3JpZ2lu"),
        ("redis://:hunter2pass@cache:6379", "hunter2pass"),
        (f"https://{_A}@pypi.example.com/simple", _A),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
        ('{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}', "wJalrXUtnFEMI"),
        (f"DefaultEndpointsProtocol=https;AccountKey={_A}{_A}==;", _A),
        ("{'cookie': 'sid=s3cr3tvalue; theme=dark'}", "s3cr3tvalue"),
        (f"{{'Authorization': 'bearer {_A}'}}", _A),
        (f"authorization: BEARER {_A}", _A),
        (f"curl -H 'X-Api-Key: {_A}'", _A),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ==\n-----END PRIVATE KEY-----\nafter",
            "kqhkiG9w0BAQ",
        ),
    ],
)
def test_credentials_in_their_places(text: str, secret: str) -> None:
    scrubbed = without_secrets(text)
    assert secret not in scrubbed
    assert "[SECRET]" in scrubbed


def test_text_around_a_key_stays() -> None:
    pem = "before -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY----- after"
    assert without_secrets(pem) == "before [SECRET] after"


# --- work -------------------------------------------------------------------------------------------------

#: `re` makes between fifty and a hundred thousand steps in a millisecond: so many are less than one for each KB.
_STEPS_PER_CHARACTER = 50
_REPEATED = [
    "eyJ-",
    "eyJ.",
    "eyJaaaaaaaaaaa.",
    "sk-",
    "Bearer ",
    "bearer a",
    "basic aB",
    "api_key=",
    "?key=",
    "://a:",
    "://a@",
    "cookie: a=",
    "cookie=abcd;",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----AAAAAAAA",
    "aws A1a/",
    "authorization: ",
    "xoxb-",
    "\\n",
    "1 ",
    "1.",
    "a",
    "a@",
    "@",
    "a@b.",
    "+1 ",
    "555-",
    "(555) ",
    "4111 ",
    "2 55 08 ",
    "00 1",
    "1:",
    ":a",
    "::",
    "A1 ",
    "AB12 ",
    "SG.",
    "SG.aaaaaaaaaaaaaaaaaaaa.",
]


def _steps(text: str) -> float:
    """The steps for each character of `text` that all patterns together take which the gates let through."""
    steps = Steps(text)
    suspected = [pattern for patterns in (SECRETS, PERSONAL) for pattern in LiteralGate(patterns).suspected(text)]
    return sum(steps.of(pattern) for pattern in suspected) / len(text)


@pytest.mark.parametrize("repeated", [*_REPEATED, *(start + "a1" * 40 for start in _REPEATED)])
def test_work_is_linear(repeated: str) -> None:
    once, four_times = (_steps((repeated * length)[:length] + " secret api_key @ 1") for length in (96, 384))
    assert four_times < _STEPS_PER_CHARACTER
    assert four_times < 1.5 * once + 5


_PIECES = [*_REPEATED, *(example for pattern in ALL for example in pattern.examples), " ", "\n", '"', "a1" * 20]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6), st.integers(1, 16))
def test_no_text_takes_more_work(pieces: list[str], times: int) -> None:
    text = ("".join(pieces) * times)[:384]
    assert _steps(text + " secret api_key @ 1") < _STEPS_PER_CHARACTER


def test_ordinary_text_is_let_through_by_the_gates() -> None:
    text = (
        "On 14 March 2024 the team shipped version 2.31.4, after 1,234 tests. See https://example.com/docs (page 12). "
    )
    assert _steps(text * 10) < 2  # those of URLs


def test_attributes() -> None:
    attributes: dict[str, Any] = {
        "a": f"gsk_{_A}",
        "b": ("plain", f"hf_{_A}"),
        "half \ud83d": "an emoji \ud83d",
        "c": [1, 2],
        "d": 1.5,
    }
    clean(attributes)
    assert attributes == {
        "a": "[SECRET]",
        "b": ("plain", "[SECRET]"),
        "half ?": "an emoji ?",
        "c": [1, 2],
        "d": 1.5,
    }
    assert clean_text("ok 🙂") == "ok 🙂"


# --- as they are recorded --------------------------------------------------------------------------------

_KEY = f"gsk_{_A}{_A}"
_HALF = "\ud83d"


def _everything(recorder: Any) -> str:
    told: list[Any] = []
    for span in recorder.spans:
        told += [span.name, dict(span.attributes), span.status.description]
        told += [(event.name, dict(event.attributes)) for event in span.events]
    told += [(log.event_name, log.body, log.attributes) for log in recorder.logs]
    return repr(told)


class _Described:
    def attributes(self) -> dict[str, Any]:
        return {"otel_llm.experiment.id": _KEY, f"otel_llm.metadata.half {_HALF}": _HALF}


def _exportable(recorder: Any) -> None:
    """The exporter of the SDK takes all of it."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    encode_spans(recorder.spans).SerializeToString()


def test_no_secret_leaves_by_the_manual_api(lenient: Any, quiet: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))

    @otel_llm.observe(name=f"step {_KEY}", capture=True)
    def failing(key: str) -> None:
        raise ValueError(key)

    about = otel_llm.propagate_attributes(
        session_id=_KEY,
        user_id=f"u {_KEY}",
        tags=[_KEY],
        metadata={"key": _KEY, "list": [_KEY]},
        experiment=_Described(),
    )
    with about:
        with otel_llm.chat_span(
            _KEY, "p", messages=_KEY, system=_KEY, stop=[_KEY], attributes={"otel_llm.metadata.x": _KEY}
        ) as call:
            call.response(_KEY, id=_KEY, model=_KEY, finish_reason=_KEY)
        with otel_llm.tool_span(_KEY, description=_KEY, call_id=_KEY, input={"a": _KEY}) as tool:
            tool.update(output=_KEY, metadata={"late": _KEY}, tags=[_KEY])
        with lenient.tracer_provider.get_tracer("other").start_as_current_span("x"):
            pass
        with pytest.raises(ValueError, match="gsk_"), otel_llm.workflow_span("flow"):
            failing(_KEY)
    told = _everything(lenient)
    assert len(lenient.spans) == 5
    assert _KEY not in told
    assert "[SECRET]" in told
    quiet.clear()  # a list in metadata


def test_no_secret_leaves_by_an_instrumented_sdk(lenient: Any, client: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
    with otel_llm.propagate_attributes(session_id=_KEY, metadata={"key": _KEY}):
        client.chat.completions.create(
            model=_KEY,
            messages=[{"role": "user", "content": _KEY}],
            stop=[_KEY],
            tools=[{"type": "function", "function": {"name": "f", "description": _KEY}}],
        )
    assert _KEY not in _everything(lenient)


def test_half_an_emoji_anywhere(lenient: Any, client: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))

    @otel_llm.observe(operation="tool", name=_HALF)
    def tool() -> None: ...

    tool.__doc__ = _HALF
    own = {f"otel_llm.metadata.{_HALF}": _HALF, "otel_llm.metadata.list": [_HALF]}
    with (
        otel_llm.propagate_attributes(session_id=_HALF, tags=[_HALF], metadata={_HALF: _HALF}, experiment=_Described()),
        otel_llm.workflow_span(_HALF, input=_HALF, attributes=own),
        otel_llm.agent_span(_HALF, description=_HALF),
        otel_llm.step_span(_HALF) as step,
    ):
        tool()
        step.update(attributes={f"otel_llm.metadata.late {_HALF}": _HALF}, metadata={_HALF: _HALF})
        with lenient.tracer_provider.get_tracer("other").start_as_current_span("x"):
            pass
        with otel_llm.chat_span(_HALF, _HALF, stop=[_HALF], messages=_HALF) as call:
            call.chunk(_HALF).response(id=_HALF, model=_HALF, finish_reason=_HALF)
        otel_llm.Prompt("p", "1", "Say {word}").format(word=_HALF)
        # The SDK of OpenAI refuses half an emoji in the request's own body.
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert len(lenient.spans) == 7
    _exportable(lenient)


def test_an_error_with_half_an_emoji(lenient: Any) -> None:
    lenient.instrument(Settings(capture_content=ContentCapture.SPAN_AND_EVENT))
    with pytest.raises(ValueError, match=_HALF), otel_llm.chat_span("m", "p"):
        raise ValueError(_HALF)
    _exportable(lenient)
    for log in lenient.logs:
        json.dumps(dict(log.attributes), ensure_ascii=False).encode()
