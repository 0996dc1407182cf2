"""The page of the command line: exit codes, what `link --json` writes, and a question that waits."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from whatsapp_mcp.cli.agents.answering import described
from whatsapp_mcp.cli.connection.report import JsonReport
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import NotLinked
from whatsapp_mcp.models import Approval, ApprovalState

AT = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_exit_code_is_on_the_page_and_no_other() -> None:
    section = PAGE.partition("## Exit codes")[2].partition("##")[0]

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(ExitCode)


def test_what_link_writes_for_programs_is_said_once_and_as_it_is() -> None:
    section = PAGE.partition("## Linking")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (`\w+`(?:, `\w+`)*) \|", section, re.MULTILINE)
    said = {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in rows}
    out = StringIO()
    report = JsonReport(out)
    anything: Any = SimpleNamespace(
        text="", expires_at=AT, account="", number="", name="", percent=1, messages=1
    )
    report.qr(anything)
    report.code("", AT)
    report.linked(anything)
    report.history(anything)
    report.synced(1, 1)
    report.failed(NotLinked("No phone is linked to this account."))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    written = {line["event"]: {*line} - {"event"} for line in lines}
    assert said == written
    assert PAGE.count("`expires_at`") == 2


def test_a_question_that_waits_looks_as_the_page_shows() -> None:
    until = AT + timedelta(hours=1)
    question = ("To +15550009999 (not in the address book)", "Send this text:", "See you at 8")
    reason = "the recipient is not in the address book"
    approval = Approval(
        "k7mq2x", ApprovalState.OPEN, "send_message", "claude-code", question, reason, AT, until
    )
    assert f"```text\n{described(approval, UTC)}\n```" in PAGE
