"""The page for operators shows an entry of the log as it is written."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from whatsapp_mcp.server.log import JsonFormatter

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_an_entry_of_the_log_has_the_names_that_the_page_shows() -> None:
    [shown] = re.findall(r"```json\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    record = logging.makeLogRecord(
        {"name": "whatsapp_mcp.device.archiving", "levelname": "WARNING", "msg": "…"}
    )
    assert json.loads(shown).keys() == json.loads(JsonFormatter().format(record)).keys() | {"trace_id"}
