"""`whatsapp-mcp archive …`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, NOON, journal
from whatsapp_mcp import settings
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.cli.archive import app
from whatsapp_mcp.device.lock import HostLock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two chats in its archive."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))

    async def fill() -> None:
        async with open_archive(settings.load().account_folder(), write=True) as archive:
            await archive.ingest(
                journal(
                    [
                        ev.message("A1", "hello", name="Ana"),
                        ev.message("B1", chat=BOB, name="Anabel", at=NOON + 9),
                    ]
                )
            )

    anyio.run(fill)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_it_tells_checks_and_packs(home: Path) -> None:
    assert "2 messages in 2 chats" in run("stats")[1]
    assert run("check") == (0, "The archive is whole.\n")
    for command in ("optimize", "rebuild", "redecode"):
        assert run(command)[0] == 0


def test_it_exports_a_chat_by_name(home: Path) -> None:
    target = home / "out.jsonl"
    assert run("export", str(target), "--chat", "ana")[0] == 0
    assert [json.loads(line)["text"] for line in target.read_text().splitlines()] == ["hello"]


def test_it_imports_an_exported_chat(home: Path) -> None:
    source = home / "_chat.txt"
    source.write_text("[14/11/2023, 10:00:00] Ana: earlier\n")
    code, said = run("import", str(source))
    assert code == 1
    assert "--chat" in said
    assert run("import", str(source), "--chat", ANA)[1] == "1 new, 0 known already, 0 skipped.\n"


def test_it_purges_only_what_it_is_told(home: Path) -> None:
    assert run("purge", "--yes")[0] == 2
    assert run("purge", "--before", "someday", "--yes")[0] == 2
    assert run("purge", "--chat", "nobody", "--yes")[0] == 1
    assert run("purge", "--chat", ANA, "--yes")[1] == "1 messages deleted.\n"
    assert run("purge", "--all", "--yes")[1] == "1 messages deleted.\n"


def test_it_writes_nothing_while_a_server_holds_the_account(home: Path) -> None:
    lock = HostLock(settings.load().account_folder().host_lock)
    assert lock.acquire()
    try:
        code, said = run("purge", "--all", "--yes")
        assert code == 1
        assert "is running" in said
        assert run("stats")[0] == 0
    finally:
        lock.release()
