"""What is redacted or hidden gets out nowhere, whichever way it comes in.

One program uses all providers and the manual API with words that are known, and every sink is searched for them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import otel_llm
import standin.text
from otel_llm import ContentCapture, Settings
from otel_llm.config import HIDEABLE
from standin.openai import OpenAIServer
from standin.sagemaker import SageMakerServer
from standin.server import Reply

pytest.importorskip("langchain_openai")
pytest.importorskip("boto3")

_A = "A1b2C3d4E5f6G7h8I9j0"
#: What all kinds of redaction are tried with. Each must be gone everywhere.
PERSONAL = {
    "email": "canary.person@example.org",
    "phone": "+49 30 90182055",
    "us_phone": "(212) 555-0187",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "219-09-9999",
    "ip": "203.0.113.77",
    "key": f"gsk_{_A}{_A}",
    "password": "postgres://app:canary-pa55@db/x",
}
_GONE = [*PERSONAL.values(), "canary-pa55"]


class Words:
    """The words of each field of content."""

    def __init__(self, of: dict[str, str]) -> None:
        self.of = {field: of.get(field, f"canary_{field}_here") for field in sorted(HIDEABLE)}

    def __getattr__(self, field: str) -> str:
        return self.of[field]


class Sinks:
    """Everything that this package writes."""

    def __init__(self, recorder: Any, folder: Path) -> None:
        self.recorder, self.folder = recorder, folder
        self.log: list[Any] = []

    def told(self) -> str:
        recorder = self.recorder
        parts: list[Any] = [span.to_json() for span in recorder.spans]
        parts += [(log.event_name, log.body, dict(log.attributes)) for log in recorder.logs]
        parts.append(recorder.metrics.to_json())
        parts.append((self.folder / "prompts.jsonl").read_text())
        database = sqlite3.connect(self.folder / "items.db")
        items = [row[0] for row in database.execute("select item from items")]
        database.close()
        assert items, "no item was stored"
        # JSON in JSON: what is escaped would not be found.
        return repr([*parts, *items]).replace("\\", "") + json.dumps(self.log, default=str)


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def sagemaker_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerServer]:
    with SageMakerServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def _reply(words: Words) -> Reply:
    call = {"id": "call_1", "type": "function"}
    call["function"] = {"name": "find", "arguments": json.dumps({"words": words.tools})}  # type: ignore[assignment]
    message = {"role": "assistant", "content": words.output, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return Reply(
        body={"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    )


def _messages(words: Words) -> list[Any]:
    picture = {"type": "image_url", "image_url": {"url": f"https://example.com/{words.media}.png"}}
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": json.dumps([words.tools])}}
    return [
        {"role": "system", "content": words.system},
        {"role": "user", "content": [{"type": "text", "text": words.input}, picture]},
        {"role": "assistant", "content": words.output, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": words.tools},
        {"role": "user", "content": words.input},
    ]


def _openai(server: OpenAIServer, words: Words) -> None:
    import openai

    parameters = {"type": "object", "properties": {"words": {"type": "string", "description": words.tools}}}
    tools: Any = [{"type": "function", "function": {"name": "find", "parameters": parameters}}]
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test-0123456789abcdef", max_retries=0) as client:
        server.reply_with(_reply(words))
        client.chat.completions.create(model="m", messages=_messages(words), tools=tools)
        for _ in client.chat.completions.create(model="m", messages=_messages(words), stream=True):
            pass
        client.responses.create(model="m", input=words.input, instructions=words.system)
        client.embeddings.create(model="e", input=words.input)
        server.reply_with(Reply(status=400, body={"error": {"message": f"bad: {words.input}", "code": "bad"}}))
        with suppress(openai.BadRequestError):
            client.chat.completions.create(model="m", messages=_messages(words))


def _langchain(server: OpenAIServer, words: Words, about: str) -> None:
    from langchain_core.documents import Document
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    class Retriever(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(page_content=words.documents, metadata={"source": words.documents})]

    @tool
    def find(words: str) -> str:
        """Find words."""
        return words

    def failing(value: Any) -> Any:
        raise ValueError(f"not {words.input}")

    config: Any = {"metadata": {"about": about, "user_id": about}, "tags": [about]}
    Retriever().invoke(words.input, config)
    find.invoke({"words": words.tools})
    model = ChatOpenAI(model="m", base_url=server.base_url, api_key="sk-test-0123456789abcdef", max_retries=0)  # type: ignore[arg-type]
    server.reply_with(_reply(words))
    chain = ChatPromptTemplate.from_messages([("system", words.system), ("user", "{q}")]) | model
    chain.invoke({"q": words.input}, config)
    with suppress(ValueError):
        RunnableLambda(failing).with_config(run_name="failing").invoke(words.input)


def _sagemaker(words: Words) -> None:
    import boto3

    client = boto3.session.Session("x", "y", region_name="us-east-1").client("sagemaker-runtime")
    body = json.dumps({"messages": [{"role": "user", "content": words.input}]})
    client.invoke_endpoint(EndpointName="chat-x", Body=body, ContentType="application/json")
    answer = client.invoke_endpoint_with_response_stream(EndpointName="chat-x", Body=body)
    for _ in answer["Body"]:
        pass
    client.close()


def _manual(words: Words) -> None:
    with otel_llm.workflow_span("flow", input=words.input) as flow:
        with otel_llm.retrieval_span("docs", query=words.input) as retrieval:
            retrieval.update(output=[{"content": words.documents}])
        with otel_llm.tool_span("find", input={"a": [words.tools]}) as tool:
            tool.update(output=words.tools)
        with otel_llm.chat_span("m", "p", messages=_messages(words), system=words.system) as chat:
            chat.response(words.output, finish_reason="stop")
        with otel_llm.step_span("prompt") as step:
            step.update(prompt=otel_llm.Prompt("p", "1", "{v}").format(v=words.variables).use)

        @otel_llm.observe(name="own", capture=True)
        def own(value: str) -> str:
            raise RuntimeError(words.input)

        with suppress(RuntimeError):
            own(words.input)
        flow.update(output=words.output)


def _everything(recorder: Any, folder: Path, settings: dict[str, Any], servers: Any, words: Words, caplog: Any) -> str:
    sinks = Sinks(recorder, folder)
    items = folder / "items.db"
    chosen = Settings(
        capture_content=ContentCapture.SPAN_AND_EVENT,
        scrub_foreign=True,
        evaluation_sample_rate=1.0,
        evaluation_dataset=str(items),
        evaluation_grace=0.0,
        prompt_log=str(folder / "prompts.jsonl"),
        **settings,
    )
    recorder.instrument(chosen)
    about: dict[str, Any] = {"user_id": words.input, "session_id": words.input, "tags": [words.input]}
    about["metadata"] = {"m": words.input, words.input: [words.input]}
    if "hide" in settings:  # ids, tags and metadata are no content
        about = {}
    with otel_llm.propagate_attributes(**about):
        _openai(servers[0], words)
        _langchain(servers[0], words, words.input if about else "something else")
        _sagemaker(words)
        _manual(words)
        with suppress(ValueError), recorder.tracer_provider.get_tracer("other").start_as_current_span("x") as span:
            span.set_attribute(
                "gen_ai.input.messages",
                json.dumps([{"role": "user", "parts": [{"type": "text", "content": words.input}]}]),
            )
            raise ValueError(words.input)
    assert otel_llm.flush(30)
    sinks.log = [record.getMessage() for record in caplog.records if record.name.startswith("otel_llm")]
    return sinks.told()


@pytest.fixture
def servers(openai_server: Any, sagemaker_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(standin.text, "answer", lambda question, variant=0: "Fine.")  # it would quote the question
    return openai_server, sagemaker_server


def test_nothing_that_is_redacted_gets_out(lenient: Any, tmp_path: Path, servers: Any, caplog: Any, quiet: Any) -> None:
    lenient.foreign.add("other")
    every = " and ".join(PERSONAL.values())
    words = Words(dict.fromkeys(HIDEABLE, every))
    told = _everything(lenient, tmp_path, {"redact": ("pii",)}, servers, words, caplog)
    assert [word for word in _GONE if word in told] == []
    for mark in ("EMAIL", "PHONE", "CARD", "IBAN", "SSN", "IP", "SECRET"):
        assert f"[{mark}]" in told
    quiet.clear()


@pytest.mark.parametrize("field", sorted(HIDEABLE))
def test_nothing_that_is_hidden_gets_out(
    lenient: Any, tmp_path: Path, servers: Any, caplog: Any, quiet: Any, field: str
) -> None:
    lenient.foreign.add("other")
    words = Words({})
    told = _everything(lenient, tmp_path, {"hide": frozenset({field})}, servers, words, caplog)
    at = told.find(words.of[field])
    assert at < 0, told[max(at - 400, 0) : at + 100]
    # Of what is only asked, nothing is left without the input.
    gone = {"input", "media", "variables"} if field == "input" else {field}
    assert {other for other, word in words.of.items() if word not in told} == gone
    quiet.clear()
