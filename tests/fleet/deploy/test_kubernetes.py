"""The manifests of `deploy/kubernetes`: valid by the schemas of Kubernetes, and with few rights."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from tests.tables import for_each
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.settings import parse

FOLDER: Final = Path(__file__).parents[3] / "deploy" / "kubernetes"
KUSTOMIZATION: Final = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
OLDEST: Final = "1.31"
OF_OPERATORS: Final = ("cert-manager.io/", "postgresql.cnpg.io/")
"""API groups that Kubernetes itself does not know."""


def manifests() -> Iterator[dict[str, Any]]:
    for name in KUSTOMIZATION["resources"]:
        yield from yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))


ALL: Final = [*manifests()]
WORKLOADS: Final = {
    one["metadata"]["name"]: one for one in manifests() if one["kind"] in {"StatefulSet", "Deployment"}
}
workloads = pytest.mark.parametrize(
    "workload", [pytest.param(one, id=name) for name, one in WORKLOADS.items()]
)


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    return workload["spec"]["template"]["spec"]


def container(workload: dict[str, Any]) -> dict[str, Any]:
    [found] = pod(workload)["containers"]
    return found


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@for_each("manifest", ALL)
@for_each("version", [OLDEST, kubernetes_validate.latest_version()])
def test_a_manifest_is_valid(manifest: dict[str, Any], version: str) -> None:
    if manifest["apiVersion"].startswith(OF_OPERATORS):
        assert manifest["kind"] in {"Cluster", "Certificate", "Issuer"}
        return
    kubernetes_validate.validate(manifest, version, strict=True)


def test_every_file_is_part_of_it() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files


def test_no_manifest_holds_a_secret() -> None:
    assert "Secret" not in {one["kind"] for one in manifests()}
    for workload in WORKLOADS.values():
        for variable in container(workload)["env"]:
            is_secret = variable["name"] == "WHATSAPP_MCP_DATABASE"
            assert ("secretKeyRef" in variable.get("valueFrom", {})) == is_secret


@workloads
def test_a_container_is_probed_and_limited(workload: dict[str, Any]) -> None:
    found = container(workload)
    ports = {port["name"] for port in found["ports"]}
    for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        asked = found[f"{probe}Probe"]["httpGet"]
        assert asked["path"] == path
        assert asked["port"] in ports
    assert {"cpu", "memory"} <= found["resources"]["requests"].keys()
    assert "memory" in found["resources"]["limits"]


@workloads
def test_a_container_has_as_few_rights_as_it_needs(workload: dict[str, Any]) -> None:
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(workload)["securityContext"]["runAsNonRoot"] is True
    assert pod(workload)["securityContext"]["runAsUser"] == 10001
    assert pod(workload)["automountServiceAccountToken"] is False


@workloads
def test_what_a_pod_mounts_is_there(workload: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod(workload)["volumes"]}
    claims = {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container(workload)["volumeMounts"]} == volumes.keys() | claims
    name = workload["metadata"]["name"]
    assert named("ConfigMap", volumes["config"]["configMap"]["name"])["data"].keys() == {"config.toml"}
    assert volumes["tls"]["secret"]["secretName"] == named("Certificate", name)["spec"]["secretName"]


@workloads
def test_the_settings_are_ones_and_name_what_is_mounted(workload: dict[str, Any], tmp_path: Path) -> None:
    text = named("ConfigMap", workload["metadata"]["name"])["data"]["config.toml"]
    parse(tmp_path, text, model=FleetSettings)
    mounts = {mount["mountPath"] for mount in container(workload)["volumeMounts"]}
    settings = tomllib.loads(text)
    for key in ("certificate", "key", "authority"):
        assert str(Path(settings["node"][key]).parent) in mounts
    for section, key, port in (
        ("node", "listen", "peers"),
        ("node", "status", "status"),
        ("server", "port", "http"),
    ):
        served = settings.get(section, {}).get(key)
        declared = {one["name"]: one["containerPort"] for one in container(workload)["ports"]}
        if served is not None:
            assert declared[port] == int(str(served).rpartition(":")[2])


@workloads
def test_one_pod_at_a_time_is_taken_away(workload: dict[str, Any]) -> None:
    name = workload["metadata"]["name"]
    assert named("PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1
    assert workload["spec"]["selector"] == named("PodDisruptionBudget", name)["spec"]["selector"]
    assert workload["spec"]["template"]["metadata"]["labels"] == named("Service", name)["spec"]["selector"]


def test_a_node_is_reached_at_the_name_that_its_certificate_is_for() -> None:
    environment = {one["name"]: one.get("value") for one in container(WORKLOADS["node"])["env"]}
    address = environment["WHATSAPP_MCP_NODE__ADDRESS"]
    assert address is not None
    [pattern] = named("Certificate", "node")["spec"]["dnsNames"]
    assert address.replace("$(POD)", "*").partition(":")[0] == pattern
    service = WORKLOADS["node"]["spec"]["serviceName"]
    assert pattern == f"*.{service}.{KUSTOMIZATION['namespace']}.svc"


def test_a_certificate_of_the_fleet_is_for_one_use() -> None:
    uses = {
        one["metadata"]["name"]: one["spec"]["usages"]
        for one in manifests()
        if one["kind"] == "Certificate" and one["spec"]["issuerRef"]["name"] == "fleet"
    }
    assert uses.pop("node") == ["digital signature", "server auth"]
    assert all(each == ["digital signature", "client auth"] for each in uses.values())


def test_nodes_let_the_certificates_of_replicas_call_alone(tmp_path: Path) -> None:
    names = [
        name
        for one in manifests()
        if one["kind"] == "Certificate" and "client auth" in one["spec"].get("usages", [])
        for name in one["spec"]["dnsNames"]
    ]
    settings = parse(tmp_path, named("ConfigMap", "node")["data"]["config.toml"], model=FleetSettings)
    assert isinstance(settings, FleetSettings)
    assert sorted(settings.node.replicas) == sorted(names)


def test_replicas_believe_few_addresses(tmp_path: Path) -> None:
    for one in manifests():
        if one["kind"] == "ConfigMap":
            settings = parse(tmp_path, one["data"]["config.toml"], model=FleetSettings)
            assert all(ip_network(each).num_addresses <= 16 for each in settings.server.trusted_proxies)


def test_the_admin_api_and_the_figures_are_not_published() -> None:
    [rule] = named("Ingress", "whatsapp-mcp")["spec"]["rules"]
    for path in rule["http"]["paths"]:
        assert not f"{path['path'].rstrip('/')}/".startswith(("/admin/", "/metrics/"))
        assert path["path"] != "/"


def test_commits_wait_for_a_standby_and_no_other_one_is_promoted() -> None:
    synchronous = named("Cluster", "postgres")["spec"]["postgresql"]["synchronous"]
    assert synchronous == {"method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True}


def test_replicas_are_reached_through_the_ingress_and_nodes_by_the_fleet_alone() -> None:
    for name in ("node", "replica"):
        policy = named("NetworkPolicy", name)["spec"]
        assert policy["podSelector"] == WORKLOADS[name]["spec"]["selector"]
        assert all(rule.get("from") for rule in policy["ingress"])
