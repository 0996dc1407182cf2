"""The page for operators of a fleet names every metric of nodes and replicas, as it is."""

from __future__ import annotations

from pathlib import Path

from whatsapp_fleet.node.replicas import REPLICA_METRICS
from whatsapp_fleet.node.status import FLEET_METRICS

PAGE = Path(__file__).parents[2] / "docs" / "fleet" / "operations.md"


def test_every_metric_has_its_row() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `whatsapp_")]
    expected = [
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {metric.says} |"
        for metric in (*FLEET_METRICS, *REPLICA_METRICS)
    ]
    assert rows == expected
