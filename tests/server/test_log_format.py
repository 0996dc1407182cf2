"""The log as JSON: one object a line, as redacted as the log for people."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from whatsapp_mcp.server.log import JsonFormatter

SCRIPT = """
import logging
from whatsapp_mcp.server.log import log_to_stderr
log_to_stderr("info", {form!r})
logger = logging.getLogger("whatsapp_mcp.test")
{body}
logging.shutdown()
"""


def lines(body: str, form: str = "json") -> list[str]:
    """What a process writes to its log."""
    script = SCRIPT.format(form=form, body=body)
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return run.stderr.splitlines()


def test_each_entry_is_one_object_on_one_line() -> None:
    first, second = map(
        json.loads, lines('logger.info("archive: %d events", 3); logger.warning("two\\nlines")')
    )
    assert {name: first[name] for name in ("level", "logger", "message")} == {
        "level": "info",
        "logger": "whatsapp_mcp.test",
        "message": "archive: 3 events",
    }
    assert first["time"].endswith("Z")
    assert second["message"] == "two\nlines"


def test_an_exception_is_in_its_entry_without_its_text() -> None:
    body = """
try:
    raise ValueError("Meet me at eight")
except ValueError:
    logger.exception("call: failed")
"""
    [entry] = map(json.loads, lines(body))
    assert "ValueError" in entry["message"]
    assert "Meet me" not in entry["message"]


def test_the_log_for_people_is_the_default_form() -> None:
    [line] = lines('logger.warning("plain")', "text")
    assert line.endswith("WARNING whatsapp_mcp.test: plain")


SECRETS = [
    "15550001111@s.whatsapp.net",
    "120363000000000001@g.us",
    "123456789012345@lid",
    "15550001111:12@s.whatsapp.net",
    "+15550001111",
    "wamcp_Zm9vYmFyYmF6cXV4",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", ["text", "json"])
def test_addresses_numbers_and_tokens_are_left_out_in_both_forms(secret: str, form: str) -> None:
    [line] = lines(f'logger.warning("sent to %s", "{secret}")', form)
    assert secret not in line
    assert secret.partition("@")[0].lstrip("+") not in line


def record(message: str) -> logging.LogRecord:
    """An entry as it is queued."""
    return logging.LogRecord("whatsapp_mcp.test", logging.WARNING, __file__, 1, message, None, None)


def test_the_span_that_an_entry_belongs_to_is_named() -> None:
    entry = record("outbox: refused")
    entry.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert json.loads(JsonFormatter().format(entry))["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("text", ["plain", "\u2028line\rend", 'end"} {"level": "info'])
def test_no_text_ends_its_line_or_its_object(text: str) -> None:
    written = JsonFormatter().format(record(text))
    assert len(written.splitlines()) == 1
    parsed: dict[str, Any] = json.loads(written)
    assert parsed["message"] == text
