"""Runs the demo: starts the application under `opentelemetry-instrument`, judges its answer, and prints its trace.

Without OPENAI_API_KEY the application talks to a local stand-in for the API; with it, to the real one (or to what
OPENAI_BASE_URL says). Its own model is always a stand-in: an endpoint costs by the hour. With `--backends` the
telemetry also goes through a Collector to Jaeger and Prometheus, which `otel-llm up` starts. `make demo` sets up an
environment and runs this in it. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
APPLICATION = EXAMPLES / "llm_twin" / "app.py"
TELEMETRY = ROOT / "out" / "demo.jsonl"
ITEMS = ROOT / "out" / "demo-items.db"
VERDICTS = ROOT / "out" / "demo-verdicts.jsonl"
SCRIPTS = Path(sys.executable).parent

START_SECONDS = 20
RUN_SECONDS = 300
ARRIVAL_SECONDS = 60

INSTRUMENTATION = {
    "OTEL_SERVICE_NAME": "llm-twin",
    "OTEL_TRACES_EXPORTER": "otlp_json_file",
    "OTEL_METRICS_EXPORTER": "otlp_json_file",
    "OTEL_LOGS_EXPORTER": "otlp_json_file",
    # Content capture is off by default. The texts of the demo are made up, so they may be shown.
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    "OTEL_LLM_PRICES": str(EXAMPLES / "llm_twin" / "prices.yaml"),
    # The demo has one trace, so all are sampled for evaluation.
    "OTEL_LLM_EVAL_SAMPLE_RATE": "1",
    "OTEL_LLM_EVAL_DATASET": str(ITEMS),
}
#: The telemetry of the judge goes to its standard output.
JUDGE = {"OTEL_TRACES_EXPORTER": "otlp_json_file", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
EVALUATORS = "hallucination,answer_relevance,refusal"
BOUND = "hallucination>0.05"
#: Sends the telemetry to the Collector, in addition to the file.
EXPORTERS = {f"OTEL_{kind}_EXPORTER": "otlp_json_file,otlp" for kind in ("TRACES", "METRICS", "LOGS")}

#: The `otel-llm` command of this environment.
COMMAND = [sys.executable, "-m", "otel_llm.cli"]


class DemoError(Exception):
    """The demo can't continue. The message says why."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the demo.")
    parser.add_argument("--backends", action="store_true", help="send the telemetry to the stack of `otel-llm up` too")
    with_backends: bool = parser.parse_args().backends
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        stack = backends() if with_backends else {}
        with ExitStack() as running:
            settings = sagemaker_settings(running.enter_context(stand_in("sagemaker")))
            if os.environ.get("OPENAI_API_KEY"):
                say(f"Using {os.environ.get('OPENAI_BASE_URL') or 'the OpenAI API'} with the key in OPENAI_API_KEY.")
            else:
                base_url = running.enter_context(stand_in("openai"))
                say(f"No OPENAI_API_KEY: using a local stand-in for the API at {base_url}")
                settings |= openai_settings(base_url)
            run_application(settings | (EXPORTERS | stack["environment"] if stack else {}))
        judge()
        show()
        if stack:
            show_in_jaeger(stack["urls"])
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def say(text: str = "") -> None:
    print(text, flush=True)


@contextmanager
def stand_in(protocol: str) -> Iterator[str]:
    """Run a local API on a free port during the block. Yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"standin.{protocol}", "--port", "0"],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield first_line(process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> str:
    said: queue.Queue[str] = queue.Queue()
    output = process.stdout
    assert output is not None
    threading.Thread(target=lambda: said.put(output.readline().strip()), daemon=True).start()
    try:
        address = said.get(timeout=START_SECONDS)
    except queue.Empty:
        raise DemoError(f"the stand-in did not start within {START_SECONDS} s") from None
    if not address.startswith("http"):
        raise DemoError(f"the stand-in did not start (it said {address!r}); the reason should stand above")
    return address


def openai_settings(base_url: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": "stand-in", "OPENAI_BASE_URL": base_url, "TWIN_RETIRED_MODEL": "error-404"}


def sagemaker_settings(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "stand-in",
        "AWS_SECRET_ACCESS_KEY": "stand-in",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        # A proxy from the environment must not be used for a local address.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def run_application(settings: dict[str, str]) -> None:
    """Run the application under the OpenTelemetry launcher. The exporter writes to standard output."""
    launcher = SCRIPTS / "opentelemetry-instrument"
    if not launcher.exists():
        raise DemoError(f"{launcher} is missing: run `make demo`, or install this package with the extra `otlp`")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    TELEMETRY.parent.mkdir(parents=True, exist_ok=True)
    for left in ITEMS.parent.glob(f"{ITEMS.name}*"):  # of an earlier run
        left.unlink()
    say(f"\n$ opentelemetry-instrument python {APPLICATION.relative_to(ROOT)} > {TELEMETRY.relative_to(ROOT)}\n")
    with TELEMETRY.open("wb") as telemetry:
        try:
            finished = subprocess.run(
                [launcher, sys.executable, APPLICATION],
                env=inherited | INSTRUMENTATION | settings,
                stdin=subprocess.DEVNULL,
                stdout=telemetry,
                timeout=RUN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DemoError(f"the application did not end within {RUN_SECONDS} s") from None
    if finished.returncode:
        raise DemoError(f"the application failed with exit code {finished.returncode}; the reason should stand above")
    if b'"gen_ai.operation.name"' not in TELEMETRY.read_bytes():
        raise DemoError(f"the application ran, but {TELEMETRY} holds no span of a model call; is otel-llm installed?")


def judge() -> None:
    """Judge the answer, and let a bound be reached: the answers of the stand-ins are made up, so they are in no source.

    The judge is a stand-in too; `--judge openai:gpt-4o-mini` is a real one.
    """
    file = str(ITEMS.relative_to(ROOT))
    command = ["eval", "run", file, "--judge", "stand-in", "--evaluators", EVALUATORS, "--fail-on", BOUND]
    say(f"\n$ otel-llm {' '.join(command[:-1])} '{BOUND}'\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment = inherited | JUDGE | {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}
    done = subprocess.run(
        [*COMMAND, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    lines = done.stdout.splitlines(keepends=True)
    VERDICTS.write_text("".join(line for line in lines if line.startswith("{")))
    say("".join(line for line in lines if not line.startswith("{")).rstrip())
    if done.returncode not in (0, 1):
        raise DemoError("the answer could not be judged; the reason should stand above")
    if done.returncode == 1:
        say("That is the alarm: the exit code is 1, which a cron job or a pipeline reports.")


def show() -> None:
    trace_id, _ = newest_trace()
    files = [str(file.relative_to(ROOT)) for file in (TELEMETRY, VERDICTS)]
    file = " ".join(files)
    say(f"\n$ otel-llm view {file}\n")
    if subprocess.run([*COMMAND, "view", "--trace", trace_id, *files], cwd=ROOT, check=False).returncode:
        raise DemoError("the trace could not be shown; the reason should stand above")
    say("\nCapturing messages is off by default; the demo has it on. To read them:")
    say(f"$ {tool()} view --content {file}")


def tool() -> Path:
    """The path of the command, as a user would type it."""
    command = SCRIPTS / "otel-llm"
    return command.relative_to(ROOT) if command.is_relative_to(ROOT) else command


def backends() -> dict[str, Any]:
    """Start the stack if it is not running. Returns its URLs and the environment variables to reach it."""
    say("$ otel-llm up\n")
    if subprocess.run([*COMMAND, "up"], check=False).returncode:
        raise DemoError("the backends did not start; the reason should stand above")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    asked = subprocess.run([*COMMAND, "status", "--json"], env=inherited, stdout=subprocess.PIPE, check=False)
    if asked.returncode:
        raise DemoError("the backends are not ready; `otel-llm status` says more")
    say()
    return dict(json.loads(asked.stdout))


def show_in_jaeger(urls: dict[str, str]) -> None:
    """Wait until the complete trace is in Jaeger, and print its URL."""
    trace_id, spans = newest_trace()
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while (there := spans_in_jaeger(urls["Jaeger"], trace_id)) < spans:
        if time.monotonic() > deadline:
            raise DemoError(f"only {there} of {spans} spans reached Jaeger within {ARRIVAL_SECONDS} s")
        time.sleep(0.5)
    say(f"\nIn Jaeger, all {spans} spans of it: {urls['Jaeger']}/trace/{trace_id}")
    say(f"Metrics in Prometheus: {urls['Prometheus']}/api/v1/query?query=gen_ai_client_token_usage_sum")
    say(f"The backends run on. To end them:\n$ {tool()} down")


def newest_trace() -> tuple[str, int]:
    """The id of the trace and the number of its spans, according to the file."""
    spans = [
        span["traceId"]
        for line in TELEMETRY.read_text().splitlines()
        for resource in json.loads(line).get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return spans[-1], spans.count(spans[-1])


def spans_in_jaeger(url: str, trace_id: str) -> int:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/api/v3/traces/{trace_id}", timeout=10) as answer:
            found = json.load(answer)["result"]["resourceSpans"]
    except OSError:  # the trace is not there yet
        return 0
    return sum(len(scope["spans"]) for resource in found for scope in resource["scopeSpans"])


if __name__ == "__main__":
    sys.exit(main())
