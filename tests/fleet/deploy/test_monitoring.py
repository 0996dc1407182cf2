"""The files for operators fit the program: what expressions name is there, and the runbook has each alert."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from tests.tables import for_each
from whatsapp_fleet.node.replicas import REPLICA_METRICS
from whatsapp_fleet.node.status import FLEET_METRICS
from whatsapp_mcp import errors
from whatsapp_mcp.features.metrics import ACCOUNT, METRICS
from whatsapp_mcp.models import ConnectionState

ROOT = Path(__file__).parents[3]
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("docs/operations.md", "docs/fleet/operations.md")
}
PAGE = "".join(PAGES.values())
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "whatsapp-mcp.json").read_text(encoding="utf-8"))
PANELS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OF_PROMETHEUS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Metrics that are not ours: of the scrape itself, and of the library."""
TARGET = {"job", "instance"}
"""Labels that Prometheus adds."""
CODES = {
    kind.code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.WhatsAppError)
}
VALUES = {
    "state": set(ConnectionState) | {"active", "drained", "quarantined", "moved"},
    "status": {"scheduled", "queued", "sending", "unknown", "sent", "failed"},
    "outcome": CODES | {"OK", "CANCELLED", "INTERNAL"},
}
"""What the labels that expressions choose by can hold."""


def exposed() -> dict[str, frozenset[str]]:
    """The labels of each series, by its name."""
    found: dict[str, frozenset[str]] = {}
    for metric in METRICS:
        account = () if metric.name == "build_info" else (ACCOUNT,)
        labels = frozenset({*account, *metric.labels, *TARGET})
        if metric.kind == "histogram":
            found[f"{metric.full_name}_bucket"] = labels | {"le"}
            found |= {f"{metric.full_name}_{part}": labels for part in ("sum", "count")}
        else:
            found[metric.full_name] = labels
    return found | {
        metric.full_name: frozenset({*metric.labels, *TARGET})
        for metric in (*FLEET_METRICS, *REPLICA_METRICS)
    }


def selectors(expression: str) -> Iterator[Any]:
    """What an expression reads: each with its name and its matchers."""

    def note(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression), note)
    yield from found


def faults(expression: str) -> list[str]:
    """What an expression names that no server exposes."""
    series, found = exposed(), list[str]()
    for selector in selectors(expression.replace("$account", ".*")):
        if selector.name in OF_PROMETHEUS:
            continue
        labels = series.get(selector.name)
        if labels is None:
            found.append(selector.name)
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in labels:
                found.append(f"{selector.name} has no label {matcher.name}")
            known = VALUES.get(matcher.name)
            found += [value for value in matcher.value.split("|") if known is not None and value not in known]
    return found


@for_each("alert", ALERTS)
def test_an_alert_reads_what_there_is(alert: dict[str, Any]) -> None:
    assert faults(alert["expr"]) == []


@for_each("expression", PANELS)
def test_a_panel_reads_what_there_is(expression: str) -> None:
    assert faults(expression) == []


def test_an_alert_names_in_words_only_labels_that_it_has() -> None:
    for alert in ALERTS:
        given = {label for name in exposed() if name in alert["expr"] for label in exposed()[name]} | TARGET
        named = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
        assert named <= given, alert["alert"]


def test_every_alert_has_its_section_in_the_runbook_and_the_runbook_no_other() -> None:
    sections = re.findall(r"^### (WhatsApp\w+)$", PAGE, re.MULTILINE)
    assert sections == [alert["alert"] for alert in ALERTS]
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert anchor == alert["alert"].lower()
        assert f"\n### {alert['alert']}\n" in PAGES[page]


def test_every_section_of_the_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for section in PAGE.split("\n### WhatsApp")[1:]:
        body = section.partition("\n## ")[0]
        for part in ("**Means.**", "**Look at.**", "**Do.**"):
            assert part in body, (section.splitlines()[0], part)


def test_severities_are_those_that_the_page_explains() -> None:
    assert {alert["labels"]["severity"] for alert in ALERTS} == {"page", "ticket"}
    for severity in ("page", "ticket"):
        assert f"`{severity}`" in PAGE


def test_the_configuration_loads_the_alerts_and_scrapes_the_job_they_name() -> None:
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    configuration = yaml.safe_load(text)
    assert configuration["rule_files"] == ["alerts.yml"]
    scraped = configuration["scrape_configs"]
    jobs = set(re.findall(r'job="([^"]+)"', json.dumps([ALERTS, DASHBOARD]).replace('\\"', '"')))
    assert jobs == {job["job_name"] for job in scraped}
    assert {job.get("metrics_path", "/metrics") for job in scraped} == {"/metrics"}


def test_panels_have_names_and_numbers_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
