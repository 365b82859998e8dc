"""A local stand-in for SageMaker's runtime, clients that find it by the environment, and what no test must see."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asking import UNTOLD
from opentelemetry import context, trace

from otel_llm import guard
from standin.sagemaker import SageMakerServer

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_MAX_ATTEMPTS": "1",
    "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


@pytest.fixture(scope="session")
def _server() -> Iterator[SageMakerServer]:
    with SageMakerServer() as server:
        yield server


@pytest.fixture
def server(_server: SageMakerServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerServer]:
    """The stand-in, which every client made meanwhile calls; what it failed at fails the test."""
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", _server.url)
    _server.clear()
    yield _server
    assert _server.failures == []


@pytest.fixture(scope="session")
def session() -> Any:
    """One session, as reading the models of the services is what takes the time."""
    import boto3

    return boto3.session.Session("x", "y", region_name="us-east-1")


@pytest.fixture
def client(server: SageMakerServer, session: Any, recorder: Any) -> Iterator[Any]:
    client = session.client("sagemaker-runtime")
    yield client
    client.close()


@pytest.fixture
async def aio(server: Any, recorder: Any) -> AsyncIterator[Any]:
    """A client of aiobotocore."""
    from aiobotocore.session import get_session

    async with get_session().create_client("sagemaker-runtime") as client:
        yield client


@pytest.fixture
def sparse(recorder: Any) -> Any:
    """The recorder, where the container leaves out what the conventions recommend."""
    recorder.missing |= UNTOLD
    return recorder


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither we nor OpenTelemetry complain, and nothing stays current."""
    monkeypatch.setattr(guard, "REPORTED", guard.Once())
    caplog.set_level(logging.WARNING)
    yield
    said = [record for record in caplog.get_records("call") if record.name.startswith(("otel_llm", "opentelemetry"))]
    assert [f"{record.name}: {record.getMessage()}" for record in said] == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert context.get_current() == {}
