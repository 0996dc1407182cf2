"""The pages for operators name every metric of a fleet, and show an entry of the log as it is written."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from whatsapp_fleet.node.replicas import REPLICA_METRICS
from whatsapp_fleet.node.status import FLEET_METRICS
from whatsapp_mcp.server.log import JsonFormatter

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "".join((DOCS / page).read_text(encoding="utf-8") for page in ("operations.md", "fleet/operations.md"))


def test_every_metric_of_a_fleet_has_its_row() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `whatsapp_")]
    expected = [
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {metric.says} |"
        for metric in (*FLEET_METRICS, *REPLICA_METRICS)
    ]
    assert rows == expected


def test_an_entry_of_the_log_has_the_names_that_the_page_shows() -> None:
    [shown] = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    record = logging.makeLogRecord(
        {"name": "whatsapp_mcp.device.archiving", "levelname": "WARNING", "msg": "…"}
    )
    assert json.loads(shown).keys() == json.loads(JsonFormatter().format(record)).keys() | {"trace_id"}
