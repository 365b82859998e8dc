"""The manifests under collector/kubernetes: valid, without a finding of kube-score, and they fit the configuration."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from e2e.programs import CONFIGURATION, ROOT, binary
from e2e.test_validate import PIECES, load, merge

KUSTOMIZATIONS = [
    CONFIGURATION,
    CONFIGURATION / "kubernetes" / "monitoring",
    CONFIGURATION / "kubernetes" / "autoscaling",
]
#: Kinds that operators define.
CUSTOM = {"Instrumentation", "PodMonitor", "PrometheusRule", "ScaledObject"}
#: What an exporter writes to files, and the setting that limits how many.
ROTATIONS = {"file/events": "COLLECTOR_EVENT_FILES", "file/evaluation": "COLLECTOR_EVALUATION_FILES"}
OURS = {"app.kubernetes.io/name": "otel-llm-agent"}, {"app.kubernetes.io/name": "otel-llm-gateway"}


def resources(directory: Path) -> list[dict[str, Any]]:
    """What the kustomization in ``directory`` lists."""
    listed = load(directory / "kustomization.yaml")["resources"]
    return [document for file in listed for document in yaml.safe_load_all((directory / file).read_text())]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [document for each in KUSTOMIZATIONS for document in resources(each) if document["kind"] in kinds]


def workloads() -> list[dict[str, Any]]:
    found = of_kind("DaemonSet", "StatefulSet")
    assert len(found) == 2
    return found


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(container)


def settings_of(workload: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container_of(workload)["env"]}


def configuration_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The merged configuration that it loads."""
    merged: dict[str, Any] = {}
    for argument in container_of(workload)["args"]:
        merge(merged, load(PIECES / Path(argument.removeprefix("--config=")).name))
    return merged


def exporters_of(workload: dict[str, Any]) -> dict[str, Any]:
    """Those that a pipeline uses."""
    merged = configuration_of(workload)
    used = {name for pipeline in merged["service"]["pipelines"].values() for name in pipeline["exporters"]}
    return {name: exporter for name, exporter in merged["exporters"].items() if name in used}


def test_every_manifest_is_listed() -> None:
    listed = {
        directory / file for directory in KUSTOMIZATIONS for file in load(directory / "kustomization.yaml")["resources"]
    }
    found = set((CONFIGURATION / "kubernetes").rglob("*.yaml"))
    assert listed == {path for path in found if path.name != "kustomization.yaml"}


@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_manifests_are_valid(directory: Path) -> None:
    for document in resources(directory):
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_kube_score_finds_nothing() -> None:
    files = sorted((CONFIGURATION / "kubernetes").glob("*.yaml"))
    done = subprocess.run(
        [binary("kube-score"), "score", "--output-format=ci", "--exit-one-on-warning", *files],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("apps/v1/") > 20


def test_pods_are_unprivileged_and_mount_what_they_load() -> None:
    generated = load(CONFIGURATION / "kustomization.yaml")
    configured = {Path(file).stem for file in generated["configMapGenerator"][0]["files"]}
    for document in workloads():
        spec = document["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec["automountServiceAccountToken"]
        container = container_of(document)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"].keys() == {"cpu", "memory", "ephemeral-storage"}
        assert {Path(argument.removeprefix("--config=")).stem for argument in container["args"]} <= configured
        volumes = {volume["name"] for volume in spec["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", ())}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_what_is_kept_on_disk_fits_the_volume() -> None:
    """All queues and files at their limits, and a fifth for what the queues' database has beside them."""
    for document in workloads():
        settings, needed = settings_of(document), 0
        for name, exporter in exporters_of(document).items():
            if "storage" in exporter.get("sending_queue", {}):
                needed += int(settings["COLLECTOR_QUEUE_BYTES"]) * 6 // 5
            if name in ROTATIONS:
                needed += (int(settings[ROTATIONS[name]]) + 1) * exporter["rotation"]["max_megabytes"] << 20
        assert needed
        claims = document["spec"].get("volumeClaimTemplates", ())
        sizes = [claim["spec"]["resources"]["requests"]["storage"] for claim in claims]
        volumes = document["spec"]["template"]["spec"]["volumes"]
        sizes += [volume["emptyDir"]["sizeLimit"] for volume in volumes if "emptyDir" in volume]
        (size,) = sizes
        assert needed < int(size.removesuffix("Gi")) << 30, document["metadata"]["name"]


def test_nothing_ends_in_a_file_of_a_pod() -> None:
    """Neither traces for evaluation nor events: nobody could read them there, and they would go with the volume."""
    for document in workloads():
        assert [name for name in exporters_of(document) if name.startswith("file")] == []
    agent, gateway = sorted(workloads(), key=lambda document: str(document["kind"]))
    assert configuration_of(agent)["service"]["pipelines"]["logs"]["exporters"] == ["otlp_http/events"]
    assert configuration_of(gateway)["service"]["pipelines"]["traces/evaluation"]["exporters"] == ["kafka/evaluation"]


def test_agents_run_wherever_applications_do_and_are_reached_from_elsewhere() -> None:
    (agent,) = of_kind("DaemonSet")
    assert agent["spec"]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    (service,) = (one for one in of_kind("Service") if one["spec"]["selector"] == OURS[0])
    assert service["spec"]["trafficDistribution"] == "PreferSameNode"
    assert service["spec"].get("internalTrafficPolicy", "Cluster") == "Cluster"


def test_probes_ask_different_things() -> None:
    for document in workloads():
        container = container_of(document)
        asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert asked["startupProbe"] == asked["readinessProbe"] == {"path": "/", "port": "health"}
        assert asked["livenessProbe"] == {"path": "/metrics", "port": "telemetry"}
        assert {"health", "telemetry"} <= {port["name"] for port in container["ports"]}


def test_pods_have_a_priority_class() -> None:
    (known,) = of_kind("PriorityClass")
    for document in workloads():
        assert document["spec"]["template"]["spec"]["priorityClassName"] == known["metadata"]["name"]


def test_network_policies_let_through_what_is_configured() -> None:
    """Each port that is served may be reached, each backend that is named may be asked, and nothing else."""
    policies = {tuple(p["spec"]["podSelector"]["matchLabels"].items()): p["spec"] for p in of_kind("NetworkPolicy")}
    for document in workloads():
        policy = policies.pop(tuple(document["spec"]["selector"]["matchLabels"].items()))
        served = {port["containerPort"] for port in container_of(document)["ports"] if port["name"] != "health"}
        assert served == {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
        asked = {
            int(found[1])
            for value in settings_of(document).values()
            if (found := re.search(r"^(?:http://)?[a-z]+:(\d+)", value))
        }
        assert asked | {53} == {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert policies == {}


def test_both_pages_of_every_collector_are_scraped() -> None:
    monitors = {monitor["metadata"]["name"]: monitor["spec"] for monitor in of_kind("PodMonitor")}
    own, applications = monitors["otel-llm-collectors"], monitors["otel-llm-applications"]
    for document in workloads():
        labels, container = document["spec"]["template"]["metadata"]["labels"], container_of(document)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert own["selector"]["matchLabels"].items() <= labels.items()
        assert ports["telemetry"] == 8888
        scraped = applications["selector"]["matchLabels"].items() <= labels.items()
        assert scraped == ("applications" in ports) == ("prometheus" in exporters_of(document))
    (endpoint,) = own["podMetricsEndpoints"]
    assert endpoint == {"port": "telemetry", "relabelings": [{"targetLabel": "job", "replacement": "collector"}]}
    (endpoint,) = applications["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["honorLabels"]) == ("applications", True)


def test_the_operator_has_the_same_rules() -> None:
    (rules,) = of_kind("PrometheusRule")
    assert rules["spec"] == load(CONFIGURATION / "prometheus" / "rules.yaml"), "run `make rules`"


def test_gateways_are_scaled_by_their_lag_up_to_the_partitions() -> None:
    (scaled,) = of_kind("ScaledObject")
    (gateway,) = of_kind("StatefulSet")
    assert scaled["spec"]["scaleTargetRef"]["name"] == gateway["metadata"]["name"]
    assert scaled["spec"]["minReplicaCount"] == gateway["spec"]["replicas"]
    (trigger,) = scaled["spec"]["triggers"]
    (metric,) = re.findall(r"otelcol_\w+", trigger["metadata"]["query"])
    assert "kafka_delayed_commit" in configuration_of(gateway)["receivers"]
    assert f'"{metric}"' in (ROOT / "backends" / "collector" / "delayedcommit" / "metrics.go").read_text()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_kustomize_puts_the_manifests_together(directory: Path) -> None:
    done = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout) if document["kind"] != "ConfigMap"]
    assert sorted(kinds) == sorted(document["kind"] for document in resources(directory))
