"""A prompt fills in its template, says clearly what is wrong, and makes texts that are strings like any other."""

from __future__ import annotations

import copy
import json
import pickle
from contextvars import copy_context
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from otel_llm import Prompt, PromptError
from otel_llm.prompts import PromptText, Template, known

# --- filling in ----------------------------------------------------------------------------------


def test_a_text() -> None:
    prompt = Prompt("price", "1", "{{}} {what} costs {price:.2f} {unit!r:>6}")
    assert prompt.format(what="tea", price=Decimal("1.5"), unit="€") == "{} tea costs 1.50    '€'"
    assert prompt.variables == {"what", "price", "unit"}


def test_messages(rag: Prompt) -> None:
    assert rag.format(who="a poet", question="What is the sea?") == [
        {"role": "system", "content": "You answer in the voice of a poet."},
        {"role": "user", "content": "What is the sea?"},
    ]
    assert rag.variables == {"who", "question"}


def test_a_template_without_variables() -> None:
    assert Prompt("hello", "1", "Say hello.").format() == "Say hello."


def test_variables_of_any_name() -> None:
    assert Prompt("p", "1", "{self} {name} {template}").format(self=1, name=2, template=3) == "1 2 3"


def test_what_a_variable_holds_is_no_template() -> None:
    assert Prompt("p", "1", "{a} {b}").format(a="{b} {{}}", b="%s") == "{b} {{}} %s"


def test_jinja2() -> None:
    template = "{% for document in documents %}[{{ loop.index }}] {{ document.title }}\n{% endfor %}{{ question }}"
    prompt = Prompt("rag", "1", template, notation="jinja2")
    documents = [{"title": "Sea"}, {"title": "Land"}]
    assert prompt.format(documents=documents, question="<b>?") == "[1] Sea\n[2] Land\n<b>?"
    assert prompt.variables == {"documents", "question"}
    optional = Prompt("o", "1", "{% if name is defined %}Dear {{ name }}{% endif %}!", notation="jinja2")
    assert (optional.format(), optional.format(name="Ada")) == ("!", "Dear Ada!")
    assert Prompt("r", "1", "{% for i in range(n) %}.{% endfor %}", notation="jinja2").format(n=3) == "..."


def test_a_prompt_is_known_by_its_content() -> None:
    first, second = Prompt("a", "1", "Hi {x}"), Prompt("a", "1", "Hi {x}")
    assert (first, hash(first)) == (second, hash(second))
    assert first.hash == second.hash == Template.of("Hi {x}").hash
    assert len(first.hash) == 16
    assert Prompt("a", "1", "Hi {x} ").hash != first.hash
    chat = [{"role": "user", "content": "Hi {x}"}]
    assert Prompt("a", "1", chat).hash == Prompt("b", "2", chat).hash != first.hash


def test_a_prompt_does_not_change() -> None:
    messages = [{"role": "user", "content": "Hi {x}"}]
    prompt = Prompt("a", "1", messages)
    messages[0]["content"] = "Bye"
    messages.append({"role": "user", "content": "!"})
    assert prompt.format(x=1) == [{"role": "user", "content": "Hi 1"}]
    with pytest.raises(FrozenInstanceError):
        prompt.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize("notation", ["format", "jinja2"])
def test_a_prompt_is_pickled_and_copied(notation: str) -> None:
    prompt = Prompt("a", "1", "Hi", "production", notation=notation)
    for made in (pickle.loads(pickle.dumps(prompt)), copy.copy(prompt), copy.deepcopy(prompt)):
        assert made == prompt
        assert made.format() == "Hi"


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{a.b}", "{a.b} accesses a part of a variable"),
        ("{a[0]}", "{a[0]} accesses a part of a variable"),
        ("{a.__class__.__mro__}", "accesses a part of a variable"),
        ("{}", "positional"),
        ("{0}", "positional"),
        ('{"a": 1}', "literal braces are written {{ and }}"),
        ("{", "literal braces are written {{ and }}"),
        ("}", "literal braces are written {{ and }}"),
        ("{a:{b}}", "contains a field"),
        ("{a!z}", "unknown conversion"),
        ([], "no message"),
    ],
)
def test_a_template_that_is_not_well_formed(template: Any, says: str) -> None:
    with pytest.raises(PromptError) as raised:
        Prompt("rag", "2", template)
    assert str(raised.value).startswith("prompt 'rag' version '2': ")
    assert says in str(raised.value)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("template", ["{{ a", "{% if %}", "{% for x in y %}"])
def test_a_jinja2_template_that_is_not_well_formed(template: str) -> None:
    with pytest.raises(PromptError, match=r"prompt 'rag' version '2': "):
        Prompt("rag", "2", template, notation="jinja2")


@pytest.mark.parametrize(
    "template",
    [
        "{{ a.__class__ }}",
        "{{ a.__class__.__mro__ }}",
        "{{ a['__class__'] }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ a.format.__globals__ }}",
        "{{ '{0.__class__}'.format(a) }}",
        "{{ a.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_jinja2_template_sees_no_more_than_its_variables(template: str) -> None:
    variables: dict[str, Any] = {"a": [1]} if "a" in Prompt("p", "1", template, notation="jinja2").variables else {}
    with pytest.raises(PromptError):
        print(Prompt("p", "1", template, notation="jinja2").format(**variables))


@pytest.mark.parametrize("notation", ["format", "jinja2"])
def test_a_variable_is_missing_or_too_many(notation: str) -> None:
    braces = ("{", "}") if notation == "format" else ("{{ ", " }}")
    prompt = Prompt("rag", "2", "question".join(braces) + "context".join(braces), notation=notation)
    with pytest.raises(PromptError, match=r"prompt 'rag' version '2': .*'context' is (missing|undefined)"):
        prompt.format(question="x")
    with pytest.raises(PromptError, match=r"variables 'a', 'b' are .*; its variables are context, question"):
        prompt.format(question="x", context="y", a=1, b=2)


def test_a_template_without_variables_takes_none() -> None:
    with pytest.raises(PromptError, match="variable 'a' is not in the template; it has none"):
        Prompt("p", "1", "Hi").format(a=1)


async def _later() -> str:
    return ""


@pytest.mark.parametrize("value", [None, b"x", len, _later, (x for x in "abc")])
def test_a_variable_that_has_no_text(value: Any) -> None:
    with pytest.raises(TypeError, match=r"prompt 'p' version '1': variable 'a' is of type .*, which has no text"):
        Prompt("p", "1", "{a}").format(a=value)
    jinja2 = Prompt("p", "1", "{% if a %}{{ a }}{% else %}{{ a }}{% endif %}", notation="jinja2")
    with pytest.raises(TypeError, match=r"prompt 'p' version '1': a value of type .* has no text"):
        jinja2.format(a=value)


def test_a_coroutine_that_was_not_awaited() -> None:
    coroutine = _later()
    with pytest.raises(TypeError, match="coroutine"):
        Prompt("p", "1", "{a}").format(a=coroutine)
    coroutine.close()


def test_a_variable_of_the_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"variable 'a' of type str does not fit \{a:.2f\}"):
        Prompt("p", "1", "{a:.2f}").format(a="1.5")
    with pytest.raises(TypeError, match="prompt 'p' version '1': can only concatenate"):
        Prompt("p", "1", "{{ a + 1 }}", notation="jinja2").format(a="1")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((1, "1", "x"), TypeError, "name must be a string"),
        (("", "1", "x"), PromptError, "name must not be empty"),
        (("p", 1.1, "x"), TypeError, 'version must be a string, not float: write "1.1"'),
        (("p", None, "x"), TypeError, "version must be a string, not NoneType"),
        (("p", "1", None), TypeError, "must be a string or a list of messages, not NoneType"),
        (("p", "1", b"x"), TypeError, "not bytes"),
        (("p", "1", ["x"]), TypeError, 'message 1 must be {"role": ..., "content": ...}'),
        (("p", "1", [{"role": "user"}]), TypeError, "message 1"),
        (("p", "1", [{"role": "user", "content": ["x"]}]), TypeError, "message 1"),
        (("p", "1", "x", 3), TypeError, "label must be a string"),
    ],
)
def test_arguments_of_the_wrong_type(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as raised:
        Prompt(*arguments)
    assert says in str(raised.value)


def test_an_unknown_notation() -> None:
    with pytest.raises(PromptError, match="notation 'mustache' is not known; use one of format, jinja2"):
        Prompt("p", "1", "x", notation="mustache")


# --- the text ------------------------------------------------------------------------------------


class Model(pydantic.BaseModel):
    text: str


def test_a_text_is_a_string_everywhere(ask: Prompt) -> None:
    text, plain = ask.format(question="Why?"), "Answer briefly: Why?"
    assert isinstance(text, str)
    assert (text, hash(text), repr(text), f"{text}") == (plain, hash(plain), repr(plain), plain)
    assert {plain: 1}[text] == 1
    assert json.dumps({text: text}) == json.dumps({plain: plain})
    assert Model(text=text).model_dump_json() == Model(text=plain).model_dump_json()
    assert type(str(text)) is str
    assert type(text + "") is type(text[:]) is type(text.strip()) is str


def test_a_text_is_pickled_as_a_plain_string(ask: Prompt) -> None:
    text = ask.format(question="Why?")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert type(pickle.loads(pickle.dumps(text, protocol))) is str
        assert pickle.loads(pickle.dumps(text, protocol)) == text


def test_a_copied_text_is_itself(ask: Prompt) -> None:
    text = ask.format(question=object())
    assert copy.copy(text) is text
    assert copy.deepcopy([text])[0] is text


def test_what_a_text_says_of_its_prompt(rag: Prompt) -> None:
    system, user = (message["content"] for message in rag.format(who="a poet", question="Why?"))
    assert isinstance(user, PromptText)
    assert system.use is user.use
    assert user.attributes() == {
        "gen_ai.prompt.name": "rag",
        "gen_ai.prompt.version": "2",
        "otel_llm.prompt.template.hash": rag.hash,
        "otel_llm.prompt.variables.count": 2,
    }


def test_texts_are_forgotten(ask: Prompt) -> None:
    copy_context().run(_forgotten, ask)


def _forgotten(ask: Prompt) -> None:
    before = len(known)
    kept = ask.format(question="the same")
    for _ in range(1000):
        ask.format(question="the same")
    assert len(kept._uses.references) <= 6
    held = [ask.format(question=number) for number in range(1000)]
    assert len(known) == before + 1001
    del held, kept
    assert len(known) == before + 4, "those that the thread or task holds"
    for _ in range(4):
        ask.format(question="")
    assert len(known) == before + 1
