"""`audit` tells what was done and read, and whether the record is whole."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whatsapp_mcp.cli.app import app
from whatsapp_mcp.ledger import AuditEntry, open_ledger
from whatsapp_mcp.models import Caller
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
AGENT = Caller("stdio:agent", "agent", "send_message")
ANN = "15550001111@s.whatsapp.net"


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AccountFolder:
    """An account in which an agent read two messages and sent one, and yesterday tried to."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    found = AccountFolder("default", tmp_path / "accounts" / "default")
    found.path.mkdir(parents=True)
    now = datetime.now(UTC) - timedelta(days=2)
    async with open_ledger(found, lambda: now) as ledger:
        await ledger.audit.note(AuditEntry(AGENT, "send", (ANN,), verdict="deny", outcome="DENIED"))
        now = datetime.now(UTC)
        ledger.audit.read(
            AuditEntry(Caller("stdio:agent", "agent", "list_messages"), "messages", (ANN,), (1, 2))
        )
        await ledger.audit.flush()
        sent = AuditEntry(AGENT, "send", (ANN,), rule='mode = "standard"')
        ledger.audit.end(await ledger.audit.begin(sent, text="hello"), sent)
    return found


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["audit", *arguments])
    return done.exit_code, done.output


async def test_it_tells_a_person_what_happened_lately(folder: AccountFolder) -> None:
    code, said = run()
    lines = said.splitlines()
    assert code == 0
    assert len(lines) == 3
    assert "list_messages  in 15550001111@s.whatsapp.net  2 messages" in lines[0]
    assert 'send_message  to 15550001111@s.whatsapp.net  allow by mode = "standard"  begun' in lines[1]
    assert "#4 (of #3)" in lines[2]
    assert lines[2].endswith("done")


async def test_it_tells_a_program_everything_since_a_time(folder: AccountFolder) -> None:
    code, said = run("--json", "--since", "3d", "--verify")
    told = json.loads(said)
    assert code == 0
    assert [(row["kind"], row["outcome"]) for row in told["rows"]] == [
        ("act", "DENIED"),
        ("reading", "done"),
        ("act", "begun"),
        ("outcome", "done"),
    ]
    assert told["rows"][1]["refs"] == [1, 2]
    assert told["faults"] == []
    assert "hello" not in said


async def test_it_fails_where_the_record_was_changed(folder: AccountFolder) -> None:
    assert run("--verify")[0] == 0
    with closing(sqlite3.connect(folder.ledger_db, isolation_level=None)) as db:
        db.execute("UPDATE audit SET verdict = 'allow' WHERE seq = 1")
    code, said = run("--verify")
    assert code == 1
    assert "Row 1: the row was changed." in said


async def test_an_account_that_no_agent_used_has_nothing_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    (tmp_path / "accounts" / "default").mkdir(parents=True)
    assert run() == (0, "")
    assert not (tmp_path / "accounts" / "default" / "ledger.db").exists()


async def test_what_is_no_time_is_refused(folder: AccountFolder) -> None:
    assert run("--since", "whenever")[0] == 2
