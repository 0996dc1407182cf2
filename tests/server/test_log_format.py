"""The log as JSON: one object a line, as redacted as the log for people."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
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
    assert second["message"] == r"two\nlines"


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


def test_a_server_keeps_its_log_in_a_private_file_which_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    body = f"""
from whatsapp_mcp.server import log
log.FILE_LIMIT = 200
log.log_to_stderr("info", "json", __import__("pathlib").Path({str(file)!r}))
for number in range(7):
    logging.getLogger("whatsapp_mcp.test").info("archive: %d events", number)
"""
    script = f"import logging{body}logging.shutdown()"
    subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)

    full = file.with_name("server.log.1")
    written = [line.partition("archive: ")[2] for line in full.read_text().splitlines()]
    rest = [line.partition("archive: ")[2] for line in file.read_text().splitlines()]
    assert [*written, *rest] == [f"{number} events" for number in range(7)][-len(written) - len(rest) :]
    assert (len(written), full.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (4, 0o600, 0o600)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["server.log", "server.log.1"]


def test_an_application_that_does_not_read_standard_error_does_not_hold_up_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    script = f"""
import logging, os, pathlib, sys, time
from whatsapp_mcp.server.log import log_to_stderr
log_to_stderr("info", "text", pathlib.Path({str(file)!r}))
logger = logging.getLogger("whatsapp_mcp.test")
for _ in range(300):
    logger.info("x" * 1000)
logger.info("the end")
print("written", flush=True)
sys.stdin.read()
os._exit(0)
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        deadline = time.monotonic() + 30
        while not file.read_text().endswith("the end\n"):
            assert time.monotonic() < deadline
        process.kill()


def test_a_home_folder_that_is_not_there_is_no_matter(tmp_path: Path) -> None:
    script = f"""
import logging, pathlib
from whatsapp_mcp.server.log import log_to_stderr
log_to_stderr("info", "text", pathlib.Path({str(tmp_path / "gone" / "server.log")!r}))
logging.getLogger("whatsapp_mcp.test").info("said")
logging.shutdown()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert [line.rpartition(": ")[2] for line in done.stderr.splitlines()] == ["said"]


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


@pytest.mark.parametrize("form", ["text", "json"])
def test_addresses_numbers_and_tokens_are_left_out_in_both_forms(form: str) -> None:
    log = lines("\n".join(f'logger.warning("sent to %s", "{secret}")' for secret in SECRETS), form)
    kept = {
        secret: line
        for secret, line in zip(SECRETS, log, strict=True)
        if secret.partition("@")[0].lstrip("+") in line
    }
    assert kept == {}


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
