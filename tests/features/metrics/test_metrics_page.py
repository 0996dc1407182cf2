"""The page about metrics names each one, as it is."""

from __future__ import annotations

from pathlib import Path

from whatsapp_mcp.features.metrics import METRICS

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_every_metric_has_its_row() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `whatsapp_")]
    expected = [
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {metric.says} |"
        for metric in METRICS
    ]
    assert rows == expected
