"""Every configuration under collector/ is what its program takes, or says which component is missing."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.programs import CONFIGURATION, ROOT, binary
from otel_llm import semconv

PIECES = CONFIGURATION / "otelcol"

#: Every arrangement that the files and the documentation name.
ARRANGEMENTS = {
    "agent": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger"],
    "agent, Jaeger and Tempo": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger", "tempo"],
    "agent, tokens": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger", "auth-bearer"],
    "agent, passwords": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger", "auth-basic"],
    "agent, OpenID Connect": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger", "auth-oidc"],
    "agent, a header for the backend": [
        "common",
        "ingest",
        "spans",
        "keep-all",
        "evaluation",
        "jaeger",
        "auth-headers",
    ],
    "agent, mutual TLS": ["common", "ingest", "spans", "keep-all", "evaluation", "jaeger", "auth-mtls"],
    "agent, sampling": ["common", "ingest", "spans", "sampling", "evaluation", "jaeger"],
    "agent of a fleet": ["common", "ingest", "spans", "to-kafka"],
    "agent of a fleet, events to a log store": ["common", "ingest", "spans", "to-kafka", "events-otlp"],
    "gateway": ["common", "from-kafka", "sampling", "evaluation", "jaeger"],
    "gateway, Jaeger and Tempo": ["common", "from-kafka", "sampling", "evaluation", "jaeger", "tempo"],
    "gateway, evaluation to Kafka": ["common", "from-kafka", "sampling", "evaluation", "evaluation-kafka", "jaeger"],
    "gateway, contrib": ["common", "from-kafka-contrib", "sampling", "evaluation", "jaeger"],
    "gateway without Kafka": ["common", "from-agents", "sampling", "evaluation", "jaeger"],
    "gateway, evaluation to ClickHouse": [
        *["common", "from-kafka", "sampling", "evaluation", "evaluation-clickhouse", "jaeger"]
    ],
    "agent without Kafka": ["common", "ingest", "spans-contrib", "to-gateways"],
    "agent, contrib's normaliser": [
        *["common", "ingest", "spans-contrib", "foreign-contrib", "keep-all", "evaluation", "jaeger"]
    ],
}

#: What only the contrib distribution can load, and for want of which component.
NOT_LOADABLE = {
    "gateway, evaluation to ClickHouse": "clickhouse",
    "agent without Kafka": "loadbalancing",
    "agent, contrib's normaliser": "gen_ai_normalizer",
}

COMPOSE = [CONFIGURATION / "compose.yaml", CONFIGURATION / "compose.fleet.yaml"]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def manifests() -> list[tuple[Path, dict[str, Any]]]:
    return [
        (path, document)
        for path in sorted((CONFIGURATION / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


def test_every_piece_is_in_an_arrangement() -> None:
    assert {path.stem for path in PIECES.glob("*.yaml")} == {
        piece for pieces in ARRANGEMENTS.values() for piece in pieces
    }


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_the_collector_takes_it(arrangement: str, tmp_path: Path) -> None:
    command = [binary("otelcol"), "validate", *(f"--config={PIECES / p}.yaml" for p in ARRANGEMENTS[arrangement])]
    needed = {"COLLECTOR_DATA": str(tmp_path), "COLLECTOR_OIDC_ISSUER": "https://issuer.example"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **needed})
    missing = set(re.findall(r"unknown type: \"(\w+)\"", done.stderr))
    assert missing == ({NOT_LOADABLE[arrangement]} if arrangement in NOT_LOADABLE else set()), done.stderr
    assert (done.returncode == 0) == (arrangement not in NOT_LOADABLE), done.stderr


@pytest.mark.parametrize("arrangement", NOT_LOADABLE)
def test_what_is_not_loadable_names_only_what_it_defines(arrangement: str) -> None:
    """What `validate` would say of references, for the arrangements that it can't read."""
    merged: dict[str, Any] = {}
    for piece in ARRANGEMENTS[arrangement]:
        merge(merged, load(PIECES / f"{piece}.yaml"))
    connectors = merged.get("connectors", {}).keys()
    for pipeline in merged["service"]["pipelines"].values():
        for kind, use in (("receivers", connectors), ("processors", ()), ("exporters", connectors)):
            assert set(pipeline.get(kind, ())) <= merged.get(kind, {}).keys() | set(use)
    assert set(merged["service"]["extensions"]) <= merged["extensions"].keys()


def merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    """As the Collector merges several files: maps by key, the rest by the last."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def test_redaction_passes_by_nothing_that_holds_words() -> None:
    """The keys it ignores are names of ours or of the core conventions, and none is content."""
    ingest = load(PIECES / "ingest.yaml")
    ignored = set(ingest["processors"]["redaction"]["ignored_keys"])
    ours = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    content = {
        *(semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS, semconv.TOOL_DEFINITIONS),
        *(semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT, semconv.RETRIEVAL_QUERY_TEXT),
        *(semconv.RETRIEVAL_DOCUMENTS, semconv.LLM_PROMPT_TEMPLATE, semconv.LLM_LANGCHAIN_METADATA),
    }
    foreign = ("service.", "telemetry.", "deployment.")
    assert {key for key in ignored - ours if not key.startswith(foreign)} == set()
    assert ignored & content == set()


def test_jaeger_takes_its_configuration(tmp_path: Path) -> None:
    settings = {"JAEGER_DATA_DIR": str(tmp_path), "JAEGER_UI_CONFIG": str(CONFIGURATION / "config-ui.json")}
    done = subprocess.run(
        [binary("jaeger"), "validate", f"--config={CONFIGURATION / 'jaeger.yaml'}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **settings},
    )
    assert done.returncode == 0, done.stderr


def test_links_in_jaeger_are_of_attributes_that_we_send() -> None:
    ours = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    ui = json.loads((CONFIGURATION / "config-ui.json").read_text())
    for link in ui["linkPatterns"]:
        used = set(re.findall(r"#\{([\w.]+)\}", link["url"] + link["text"])) | (
            {link["key"]} if "key" in link else set()
        )
        assert used <= ours, link
    assert any(link["type"] == "traces" for link in ui["linkPatterns"])


@pytest.mark.parametrize("command", [["check", "config", "prometheus.yaml"], ["test", "rules", "rules_test.yaml"]])
def test_prometheus_takes_its_configuration(command: list[str]) -> None:
    """The rules' own tests are among them."""
    directory = CONFIGURATION / "prometheus"
    done = subprocess.run([binary("promtool"), *command], cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_what_the_fleet_adds(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yaml"
    config.write_text(json.dumps({"scrape_config_files": [str(CONFIGURATION / "prometheus.fleet.yaml")]}))
    done = subprocess.run([binary("promtool"), "check", "config", config], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_collector_is_scraped_under_the_job_that_alerts_name() -> None:
    configured = load(CONFIGURATION / "prometheus" / "prometheus.yaml")["scrape_configs"]
    configured += load(CONFIGURATION / "prometheus.fleet.yaml")["scrape_configs"]
    scraped = {
        target
        for job in configured
        for group in job["static_configs"]
        if group.get("labels", {}).get("job", job["job_name"]) == "collector"
        for target in group["targets"]
    }
    services = {name: service for path in COMPOSE for name, service in load(path)["services"].items()}
    collectors = {n for n, s in services.items() if any("/etc/otelcol/" in str(a) for a in s.get("command", ()))}
    assert scraped == {f"{name}:8888" for name in collectors}


def test_every_alert_is_tried_firing_and_not_firing() -> None:
    rules = load(CONFIGURATION / "prometheus" / "rules.yaml")
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    tests = load(CONFIGURATION / "prometheus" / "rules_test.yaml")["tests"]
    tried = {(t["alertname"], bool(t["exp_alerts"])) for test in tests for t in test.get("alert_rule_test", ())}
    assert tried == {(alert, fires) for alert in alerts for fires in (True, False)}


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_mounts_what_is_there_with_least_privileges(path: Path) -> None:
    services, volumes = load(path)["services"], load(path)["volumes"]
    known = load(COMPOSE[0])["services"]
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source, _, *mode = volume.split(":")
            if source.startswith("."):
                assert (path.parent / source).exists(), volume
                assert mode == ["ro"], f"{name} may write to {volume}"
            else:
                assert source in volumes, volume
        for argument in service.get("command", ()):
            if found := re.fullmatch(r"--config=/etc/otelcol/(.+)", argument):
                assert (PIECES / found[1]).exists(), argument
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} is open to the network: {port}"
        assert set(service.get("depends_on", ())) <= services.keys() | known.keys()
        if "build" in service:
            context = path.parent / service["build"]["context"]
            assert (context / "go.mod").exists()
            assert (context / service["build"]["dockerfile"]).exists()
        elif name not in known or path == COMPOSE[0]:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), f"{name}: not pinned"
        if path == COMPOSE[0] or name not in known:
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
            if name != "volumes-owner":
                assert not service["user"].startswith("0:"), f"{name} runs as root"


def test_compose_runs_arrangements_that_are_checked() -> None:
    """Each Collector of the compose files and of Kubernetes loads an arrangement of the list above."""
    commands = [
        service["command"] for path in COMPOSE for service in load(path)["services"].values() if "command" in service
    ]
    commands += [
        container["args"]
        for _, document in manifests()
        if document["kind"] in ("DaemonSet", "StatefulSet")
        for container in document["spec"]["template"]["spec"]["containers"]
    ]
    loaded = [
        [found[1] for argument in command if (found := re.fullmatch(r"--config=/etc/otelcol/(.+)\.yaml", argument))]
        for command in commands
    ]
    assert sum(map(bool, loaded)) == 5 + 1
    assert [pieces for pieces in loaded if pieces and pieces not in ARRANGEMENTS.values()] == []


def test_environment_names_are_those_that_the_configurations_read() -> None:
    """A misspelt variable in a compose file or a manifest would silently leave the default."""
    text = "".join(path.read_text() for path in [*PIECES.glob("*.yaml"), *CONFIGURATION.glob("*.yaml")])
    read = set(re.findall(r"\$\{(?:env:)?([A-Z_]+)[:}]", text))
    ours = ("COLLECTOR_", "EVENTS_", "JAEGER_", "TEMPO_", "KAFKA_BROKERS")
    environments = [s.get("environment", {}) for p in COMPOSE for n, s in load(p)["services"].items() if n != "kafka"]
    environments += [
        {entry["name"]: entry["value"] for entry in container["env"]}
        for _, document in manifests()
        if document["kind"] in ("DaemonSet", "StatefulSet")
        for container in document["spec"]["template"]["spec"]["containers"]
    ]
    assert {name for each in environments for name in each if name.startswith(ours)} <= read


def test_images_are_built_of_what_is_there() -> None:
    """Every path that a Dockerfile copies exists."""
    for dockerfile, context in (
        (CONFIGURATION / "Dockerfile", ROOT / "backends" / "collector"),
        (CONFIGURATION / "kubernetes" / "Dockerfile.autoinstrumentation", ROOT),
    ):
        for line in dockerfile.read_text().splitlines():
            if line.startswith("COPY ") and "--from" not in line:
                *sources, _ = line.split()[1:]
                assert [source for source in sources if not (context / source).exists()] == [], dockerfile
