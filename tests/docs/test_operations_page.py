"""The page for operators names every metric, as it is."""

from __future__ import annotations

from pathlib import Path

from whatsapp_mcp.node.replicas import REPLICA_METRICS
from whatsapp_mcp.node.status import FLEET_METRICS
from whatsapp_mcp.server.metrics import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_metric_has_its_row() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `whatsapp_")]
    expected = [
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {metric.says} |"
        for metric in (*METRICS, *FLEET_METRICS, *REPLICA_METRICS)
    ]
    assert rows == expected
