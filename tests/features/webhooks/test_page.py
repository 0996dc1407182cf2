"""The page about webhooks: its settings, its events, and its function that checks a signature."""

from __future__ import annotations

import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.features.webhooks.receiver import KEY, SECRET
from whatsapp_mcp.features.webhooks.settings import WebhookEvent, WebhookSettings
from whatsapp_mcp.features.webhooks.signing import signed
from whatsapp_mcp.server.render import EventData
from whatsapp_mcp.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def test_the_page_lists_every_setting() -> None:
    assert re.findall(r"^\| `(\w+)` \| (?:\||`|all)", PAGE, re.MULTILINE) == [*WebhookSettings.model_fields]


def test_the_page_lists_every_event() -> None:
    section = PAGE.partition("## Events")[2].partition("## Checking")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert named == ["type", *get_args(WebhookEvent), "missed"]


def test_the_example_of_the_settings_loads(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    settings = Settings.model_validate({"home": tmp_path, **tomllib.loads(block)})
    assert settings.webhooks[0].name == "n8n"


def test_the_example_of_an_event_has_the_fields_that_events_have() -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert set(json.loads(block)) - {"account"} <= set(EventData.__annotations__)


def test_the_function_of_the_page_checks_a_signature() -> None:
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    verify = names["verify"]
    now = int(time.time())
    verify(SECRET, signed("msg_1", now, b"{}", [b"x" * 24, KEY]), b"{}")
    with pytest.raises(ValueError, match="not signed"):
        verify(SECRET, signed("msg_1", now, b"{}", [KEY]), b"{ }")
    with pytest.raises(ValueError, match="too old"):
        verify(SECRET, signed("msg_1", now - 301, b"{}", [KEY]), b"{}")
