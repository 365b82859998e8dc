"""Workers on one dataset: each item is judged once, whatever happens to them, and a budget holds."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from evaluating import until
from judged_dataset import an_item, dataset

from otel_llm.evaluation import ResultStore, SQLiteSink
from otel_llm.evaluation.results.verdict import Verdict
from standin.chat import counted
from standin.openai import OpenAIServer
from standin.server import Reply, Request

HERE = Path(__file__).parent
JUDGE = "judged_dataset:TellingJudge"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return clean | {"ASKED": str(tmp_path / "asked"), "PYTHONPATH": str(HERE)}


@contextmanager
def worker(environment: dict[str, str], *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "otel_llm.cli", "eval", *map(str, arguments), "--evaluators", "hallucination"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def asked(environment: dict[str, str]) -> Counter[str]:
    path = Path(environment["ASKED"])
    return Counter(path.read_text().split()) if path.exists() else Counter()


def judged(path: Path) -> Counter[tuple[str | None, str | None, str, str | None]]:
    found = ResultStore(path).read()
    return Counter((one.trace_id, one.span_id, one.name, one.error_type) for one in found)


def test_three_workers_of_which_one_is_killed_judge_each_item_once(tmp_path: Path, environment: dict[str, str]) -> None:
    """Only what was in hand when a worker was killed is paid twice."""
    count, at_once, kills = 300, 4, 3
    path = dataset(tmp_path / "items.db", count)
    run = ("run", path, "--judge", JUDGE, "--concurrency", at_once)
    chance = random.Random(1)
    with worker(environment, *run) as second, worker(environment, *run) as third:
        for _ in range(kills):
            with worker(environment, *run) as killed:
                goal = asked(environment).total() + chance.randrange(10, 40)
                until(lambda goal=goal: asked(environment).total() >= min(goal, count) or killed.poll() is not None)
                killed.send_signal(signal.SIGKILL)
        for one in (second, third):
            code, _, err = ended(one)
            assert code == 0, err
    with worker(environment, *run) as last:
        assert ended(last)[0] == 0
    assert len(judged(path)) == count
    assert set(judged(path).values()) == {1}
    paid = asked(environment)
    assert len(paid) == count
    assert paid.total() - count <= kills * at_once


def test_sigterm_finishes_what_is_in_hand(tmp_path: Path, environment: dict[str, str]) -> None:
    path = dataset(tmp_path / "items.db", 50)
    slow = environment | {"SECONDS_OF_JUDGE": "0.3"}
    with worker(slow, "run", path, "--judge", JUDGE, "--concurrency", 2) as process:
        until(lambda: asked(environment).total() >= 2)
        process.terminate()
        code, _, err = ended(process)
    assert code == 0
    assert "stopped; the next run judges the rest" in err
    assert len(judged(path)) == asked(environment).total() < 50


def prices(tmp_path: Path) -> str:
    table = tmp_path / "prices.json"
    table.write_text(json.dumps({"models": [{"model": "*", "provider": "*", "host": "*", "input": 1, "output": 1}]}))
    return str(table)


def honest(request: Request) -> Reply:
    (nonce,) = re.findall(r"The nonce is ([0-9a-f]{16})\.\n", request.json["messages"][1]["content"])
    told = {"nonce": nonce, "verdicts": {"hallucination": {"reason": "So.", "label": "faithful"}}}
    message = {"role": "assistant", "content": json.dumps(told)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "j", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return Reply(body={**body, "usage": counted(900, 100)})


def test_a_budget_is_kept_and_its_end_is_told(tmp_path: Path, environment: dict[str, str]) -> None:
    path = dataset(tmp_path / "items.db", 20)
    priced = environment | {"OTEL_LLM_PRICES": prices(tmp_path), "OPENAI_API_KEY": "x"}

    def run(server: OpenAIServer, budget: str) -> tuple[int, str]:
        judge = ("--judge", "openai:m", "--base-url", server.base_url, "--concurrency", 1)
        with worker(priced, "run", path, *judge, "--budget", budget) as process:
            code, _, err = ended(process)
        return code, err

    with OpenAIServer() as server:
        server.reply_with(*[honest] * 20)
        code, err = run(server, "0.03/month")
        assert code == 3, err
        assert "the budget of 0.03 USD/month is used up" in err
        first = len(judged(path))
        assert 2 <= first < 20  # each costs 0.001, and what it could cost has to be left before each
        assert run(server, "0.03/month")[0] == 3
        assert len(judged(path)) == first
        assert run(server, "5/month")[0] == 0
    assert len(judged(path)) == 20


def test_a_judge_without_a_price_is_refused_while_there_is_a_budget(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = dataset(tmp_path / "items.db", 1)
    with OpenAIServer() as server:
        judge = ("--judge", "openai:m", "--base-url", server.base_url)
        with worker(environment | {"OPENAI_API_KEY": "x"}, "run", path, *judge, "--budget", "5/day") as process:
            code, _, err = ended(process)
        assert server.requests == []
    assert code == 2
    assert "the price of m is not known" in err


def test_watching_judges_what_comes_and_writes_nothing_while_nothing_does(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = dataset(tmp_path / "items.db", 3)

    def files() -> dict[str, tuple[int, int]]:
        return {one.name: (one.stat().st_size, one.stat().st_mtime_ns) for one in tmp_path.glob("items.db*")}

    with worker(environment, "watch", path, "--judge", JUDGE) as process:
        until(lambda: len(judged(path)) == 3)
        sink = SQLiteSink(path)
        sink.write(an_item(4))
        sink.close()
        until(lambda: len(judged(path)) == 4)
        assert_quiet(files)
        process.terminate()
        code, _, err = ended(process)
    assert code == 0
    assert "waiting for items in" in err
    assert asked(environment).total() == 4


def test_watching_rings_an_alarm(tmp_path: Path, environment: dict[str, str]) -> None:
    path = dataset(tmp_path / "items.db", 1)
    sink = SQLiteSink(path)
    for number in range(2, 12):
        sink.write(an_item(number, answer=f"The number is {number + 500}."))
    sink.close()
    with OpenAIServer() as hook:
        hook.reply_with(Reply(body={}), path="/alarm")
        told = ("--alarm", "hallucination>0.05", "--webhook", f"{hook.url}/alarm")
        with worker(environment, "watch", path, "--judge", JUDGE, *told) as process:
            until(lambda: hook.requests)
            process.terminate()
            _, _, err = ended(process)
        assert hook.requests[0].json["bound"] == "hallucination>0.05"
    assert "ALARM hallucination>0.05" in err


def assert_quiet(files: Callable[[], Any]) -> None:
    """Some looks at the dataset later, nothing is written. A reader may make the empty file of shared memory."""
    before = {name: state for name, state in files().items() if not name.endswith("-shm")}
    time.sleep(5)  # two looks
    assert {name: state for name, state in files().items() if not name.endswith("-shm")} == before


def test_the_verdicts_that_a_killed_worker_did_not_send_are_sent_later(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "d.db")
    verdict = Verdict("tone", "a" * 32, "b" * 16, score=1.0, revision="r")
    assert store.add(verdict, unsent=True)
    assert store.unsent(older_than=60) == []
    assert store.unsent() == [verdict]
    store.sent([verdict])
    assert store.unsent() == []
    assert store.of_trace("a" * 32) == [verdict]
