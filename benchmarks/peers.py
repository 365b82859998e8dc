"""otel-llm beside its public peers: ``python benchmarks/peers.py [--rounds 4] [--calls 300] [--only CASE,CASE]``.

Each peer has an environment of its own (``.venv-peers-*``, made when it is missing), with the same SDKs. Each
measurement is a process of its own on one core, and the processes of all peers take turns. A figure is what a peer adds
to the same call without any, in the least disturbed round, and how far the rounds are apart. A peer that makes no span
has no figure. ``--write`` puts the table and the plot into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter

from peer_report import Figures, plot, table

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_SDKS = ["openai<3", "langchain", "langchain-openai", "langgraph", "boto3", "opentelemetry-sdk", "opentelemetry-distro"]
_GENAI = "opentelemetry-instrumentation-genai-"
_OPENINFERENCE = "openinference-instrumentation-"
_OPENLLMETRY = "opentelemetry-instrumentation-"
#: What is installed beside the SDKs, and the packages whose versions the report names.
PEERS: dict[str, list[str]] = {
    "none": [],
    "official": [f"{_GENAI}openai", f"{_GENAI}langchain"],
    "OpenLLMetry": [f"{_OPENLLMETRY}openai", f"{_OPENLLMETRY}langchain", f"{_OPENLLMETRY}sagemaker"],
    "OpenInference": [f"{_OPENINFERENCE}openai", f"{_OPENINFERENCE}langchain"],
    "openlit": ["opentelemetry-exporter-otlp", "requests", "schedule", "xmltodict"],
    "otel-llm": [str(_ROOT)],
}
#: Installed without dependencies, as pip finds no versions of them all: what is needed of them is above.
_ALONE = {"openlit": "openlit>=1.40"}
#: By the case of ``peer_process.py``: what it is called in the report, and which share of the calls it makes.
CASES = {
    "chat": ("a small chat", 1.0),
    "async": ("the same, async", 1.0),
    "responses": ("responses", 1.0),
    "embeddings": ("embeddings", 1.0),
    "stream20": ("a stream of 20 chunks", 0.3),
    "stream200": ("a stream of 200 chunks", 0.1),
    "chain": ("a LangChain chain", 0.3),
    "agent": ("a LangChain agent, three model calls", 0.1),
    "sagemaker": ("a SageMaker call", 1.0),
}
_CONTENT = {
    True: {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "TRACELOOP_TRACE_CONTENT": "true",
    },
    False: {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "TRACELOOP_TRACE_CONTENT": "false",
        "OPENINFERENCE_HIDE_INPUTS": "true",
        "OPENINFERENCE_HIDE_OUTPUTS": "true",
    },
}
_TIMEOUT = 300


def _python(peer: str, folder: Path) -> Path:
    """The interpreter of the environment of ``peer``, which is made if it is missing."""
    home = folder / f".venv-peers-{peer.lower()}"
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        print(f"making {home.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *_SDKS, *PEERS[peer]], check=True)
        if peer in _ALONE:
            subprocess.run([*install, "--no-deps", _ALONE[peer]], check=True)
        (home / ".ready").touch()
    return python


def _measure(
    python: Path, peer: str, case: str, calls: int, content: bool, core: int | None
) -> dict[str, float] | None:
    asked = [
        str(python),
        "-W",
        "ignore",
        str(_HERE / "peer_process.py"),
        peer,
        case,
        str(calls),
        "on" if content else "off",
    ]
    if core is not None:
        asked = ["taskset", "-c", str(core), *asked]
    env = {**os.environ, **_CONTENT[content], "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    done = subprocess.run(asked, env=env, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        print(f"{peer}, {case}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None


def _start_up_ms(python: Path, peer: str) -> float:
    launcher = python.parent / ("openlit-instrument" if peer == "openlit" else "opentelemetry-instrument")
    command = [str(launcher), str(python), "-c", "pass"] if peer != "none" else [str(python), "-c", "pass"]
    env = {**os.environ, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    began = perf_counter()
    subprocess.run(command, env=env, capture_output=True, timeout=_TIMEOUT, check=False)
    return (perf_counter() - began) * 1000


def _versions(pythons: dict[str, Path]) -> dict[str, str]:
    """The versions of what was compared, and of the SDKs."""
    names = [name.partition("<")[0] for name in _SDKS]
    told = {}
    for peer, python in pythons.items():
        packages = {"none": names, "otel-llm": ["otel-llm"], "openlit": ["openlit"]}.get(peer, PEERS[peer])
        code = "import sys; from importlib.metadata import version\n"
        code += "print(*(f'{name} {version(name)}' for name in sys.argv[1:]), sep=', ')"
        done = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=False)
        told[peer] = done.stdout.strip()
    return told


def _run(
    pythons: dict[str, Path], cases: list[str], rounds: int, calls: int, content: bool, core: int | None
) -> Figures:
    raw: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for number in range(rounds):
        for case in cases:
            share = CASES[case][1] if case in CASES else 1.0
            for peer, python in pythons.items():
                if case == "floor" and peer != "none":
                    continue
                print(f"round {number + 1}: {case}, {peer}", file=sys.stderr)
                told = _measure(python, peer, case, max(int(calls * share), 10), content, core)
                if told is not None:
                    raw[case, peer].append(told)
    return Figures.of(raw)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--calls", type=int, default=300, help="calls of the smallest kind in a process")
    parser.add_argument("--only", default="", help="cases, comma-separated")
    parser.add_argument("--peers", default="", help="peers, comma-separated")
    parser.add_argument("--core", type=int, default=0, help="the core all processes run on; -1 for any")
    parser.add_argument("--environments", type=Path, default=_ROOT)
    parser.add_argument("--no-content", action="store_true", help="measure without content only")
    parser.add_argument("--write", action="store_true", help="put the report into docs/benchmarks.md")
    options = parser.parse_args()
    wanted = [name for name in PEERS if not options.peers or name in ("none", *options.peers.split(","))]
    cases = [case for case in CASES if not options.only or case in options.only.split(",")]
    core = options.core if options.core >= 0 and sys.platform == "linux" else None
    pythons = {peer: _python(peer, options.environments) for peer in wanted}
    parts = []
    for content in (False,) if options.no_content else (False, True):
        figures = _run(pythons, ["floor", *cases], options.rounds, options.calls, content, core)
        titles = {case: CASES[case][0] for case in cases}
        parts.append(table(figures, titles, wanted, content))
        if not content:
            picture = plot(figures, titles, wanted)
    starts = {peer: [_start_up_ms(python, peer) for _ in range(options.rounds)] for peer, python in pythons.items()}
    told = " | ".join(f"{peer}: {min(times):.0f} ms" for peer, times in starts.items())
    parts.append(f"`opentelemetry-instrument python -c pass`, least of {options.rounds}: {told}\n")
    versions = "\n".join(f"- {peer if peer != 'none' else 'SDKs'}: {told}" for peer, told in _versions(pythons).items())
    machine = (
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, {options.rounds} rounds"
    )
    parts.append(f"Versions ({machine}):\n\n{versions}\n")
    report = "\n".join(parts)
    print(report)
    if options.write:
        _write(report, picture)


def _write(report: str, picture: str) -> None:
    page = _ROOT / "docs" / "benchmarks.md"
    start, end = "<!-- peers: begin -->", "<!-- peers: end -->"
    before, _, rest = page.read_text().partition(start)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{start}\n\n![what each adds to a call](benchmarks.svg)\n\n{report}\n{end}{after}")
    (_ROOT / "docs" / "benchmarks.svg").write_text(picture)


if __name__ == "__main__":
    main()
