"""What a handler says holds for the response that it streams, under ``OtelLlmMiddleware``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import otel_llm

fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")


def _site(kind: str, **given: Any) -> Any:
    app = fastapi.FastAPI()
    app.add_middleware(otel_llm.OtelLlmMiddleware, **given)
    streaming = fastapi.responses.StreamingResponse

    def sync() -> Any:
        with otel_llm.step_span("inside"):
            pass
        yield "words"

    async def awaited() -> Any:
        with otel_llm.step_span("inside"):
            await asyncio.sleep(0)
        yield "words"

    @app.get("/async")
    async def ask(session: str) -> Any:
        with otel_llm.propagate_attributes(session_id=session, tags=["web"]):
            with otel_llm.propagate_attributes(user_id=f"user of {session}", tags=["inner"]):
                pass
            return streaming(sync() if kind == "sync" else awaited())

    @app.get("/sync")
    def ask_sync(session: str) -> Any:
        with otel_llm.propagate_attributes(session_id=session, tags=["web"]):
            return streaming(sync() if kind == "sync" else awaited())

    @app.get("/silent")
    async def silent() -> Any:
        return streaming(sync() if kind == "sync" else awaited())

    @app.get("/twice")
    async def twice() -> Any:
        with otel_llm.propagate_attributes(session_id="s-1", tags=["one"]):
            pass
        with otel_llm.propagate_attributes(user_id="u-2"):
            return streaming(awaited())

    return testclient.TestClient(app)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("path", ["/async", "/sync"])
def test_the_body_has_the_handlers_session(recorder: Any, kind: str, path: str) -> None:
    with _site(kind) as site:
        for session in ("s-1", "s-2"):
            assert site.get(path, params={"session": session}).text == "words"
        assert site.get("/silent").text == "words"
    told = [dict(span.attributes) for span in recorder.spans if span.name == "inside"]
    assert [one.get("session.id") for one in told] == ["s-1", "s-2", None]
    assert [one.get("otel_llm.tags") for one in told] == [("web",), ("web",), None]
    users = ["user of s-1", "user of s-2", None] if path == "/async" else [None] * 3
    assert [one.get("user.id") for one in told] == users


def test_the_last_one_said_holds(recorder: Any) -> None:
    with _site("async") as site:
        site.get("/twice")
    (span,) = recorder.spans
    assert span.attributes["user.id"] == "u-2"
    assert not {"session.id", "otel_llm.tags"} & span.attributes.keys()


def test_side_by_side(recorder: Any) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with otel_llm.propagate_attributes(session_id=scope["path"]):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        seen[scope["path"]] = otel_llm.current_ids().get("session_id")

    async def main() -> None:
        site = otel_llm.OtelLlmMiddleware(app)
        await asyncio.gather(*(site({"type": "http", "path": f"/{n}"}, None, None) for n in range(20)))

    asyncio.run(main())
    assert seen == {f"/{n}": f"/{n}" for n in range(20)}


def test_identify(recorder: Any, quiet: Any) -> None:
    def identify(scope: Any) -> Any:
        headers = dict(scope["headers"])
        return {"user_id": headers[b"x-user"].decode()}

    with _site("async", identify=identify) as site:
        site.get("/silent", headers={"x-user": "u-1"})
        assert site.get("/silent").text == "words"  # a KeyError of theirs
    assert [span.attributes.get("user.id") for span in recorder.spans] == ["u-1", None]
    quiet.clear()


def test_other_scopes_pass(recorder: Any) -> None:
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        asyncio.run(otel_llm.OtelLlmMiddleware(app)({"type": kind}, None, None))
    assert scopes == ["lifespan", "websocket"]
