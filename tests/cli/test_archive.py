"""`whatsapp-mcp archive …`, as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from typer.testing import CliRunner

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, NOON, journal
from tests.fixtures import command
from whatsapp_mcp import settings
from whatsapp_mcp.archive import exchange, open_archive, outbox, recording
from whatsapp_mcp.cli.archive import app
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.leader.lock import LeaderLock
from whatsapp_mcp.ledger import AuditEntry, Question, open_ledger
from whatsapp_mcp.models import (
    Caller,
    ContactUpdate,
    ForeignMessage,
    ForeignPage,
    ImportSource,
    ImportState,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder

SECRET = b"purplemonkey"


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
            await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])

    anyio.run(fill)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def schedule(request: SendRequest) -> None:
    async def add() -> None:
        async with open_archive(settings.load().account_folder(), write=True) as archive:
            await archive.write(outbox.add, request)

    anyio.run(add)


def test_it_tells_checks_and_packs(home: Path) -> None:
    assert "2 messages in 2 chats" in run("stats")[1]
    assert "not kept whole" not in run("stats")[1]
    assert run("check") == (0, "The archive is intact.\n")
    for name in ("optimize", "rebuild", "redecode"):
        assert run(name)[0] == 0


def test_it_exports_a_chat_by_name(home: Path) -> None:
    target = home / "out.jsonl"
    assert run("export", str(target), "--chat", "ana")[0] == 0
    assert [json.loads(line)["text"] for line in target.read_text().splitlines()] == ["hello"]


def imported(text: str) -> int:
    """Take a message over from a database of another server; the number of the import."""

    async def take() -> int:
        async with open_archive(settings.load().account_folder(), write=True) as archive:
            begun = await archive.write(exchange.import_begun, ImportSource.LHARRIES, "messages.db", b"file")
            message = ForeignMessage("B1", ANA, None, 1_700_000_000, text=text)
            await archive.import_page(begun.number, ForeignPage((message,), read=1))
            await archive.write(exchange.import_ended, begun.number, ImportState.DONE)
            return begun.number

    return anyio.run(take)


def undo(number: int) -> None:
    async def take_back() -> None:
        async with open_archive(settings.load().account_folder(), write=True) as archive:
            while await archive.write(exchange.import_undone, number):
                pass

    anyio.run(take_back)


def test_the_statistics_tell_what_imports_brought_until_they_are_undone(home: Path) -> None:
    assert "import" not in run("stats")[1]
    number = imported("earlier")
    assert run("stats")[1].splitlines()[-1] == "1 message is from 1 import"
    assert json.loads(run("stats", "--json")[1])["imports"] == 1
    undo(number)
    assert "import" not in run("stats")[1]


def test_it_purges_only_what_it_is_told(home: Path) -> None:
    assert run("purge", "--yes")[0] == 2
    assert run("purge", "--before", "someday", "--yes")[0] == 2
    assert run("purge", "--chat", "nobody", "--yes")[0] == 1
    later = datetime.now(UTC) + timedelta(days=1)
    schedule(SendRequest(ANA, TextContent("see you"), at=later))
    assert run("purge", "--chat", ANA, "--yes")[1] == (
        "1 message deleted. 1 that waited to be sent will not go out.\n"
    )
    assert run("purge", "--all", "--yes")[1] == "1 message deleted.\n"


def test_it_writes_nothing_while_a_server_holds_the_account(home: Path) -> None:
    lock = LeaderLock(settings.load().account_folder())
    assert lock.acquire()
    try:
        code, said = run("purge", "--all")
        assert code == 1
        assert "is running" in said
        assert "Delete" not in said
        assert run("stats")[0] == 0
    finally:
        lock.release()


def test_it_answers_programs_in_json(home: Path) -> None:
    told = json.loads(run("stats", "--json")[1])
    assert (told["messages"], told["chats"]) == (2, 2)
    assert told["first"].startswith("2023-11-14T")
    assert json.loads(run("check", "--json")[1]) == {"faults": []}
    assert json.loads(run("redecode", "--json")[1]) == {"known": 0}
    assert json.loads(run("purge", "--all", "--yes", "--json")[1]) == {"deleted": 2, "cancelled": 0}


@pytest.mark.parametrize(
    ("form", "sign"), [("jsonl", '"text":"hello"'), ("text", "Ana: hello"), ("html", "<h1>")]
)
def test_it_exports_every_form_to_a_file_and_to_stdout(home: Path, form: str, sign: str) -> None:
    target = home / "out"
    assert run("export", str(target), "--format", form)[0] == 0
    done = CliRunner().invoke(app, ["export", "-", "--format", form])
    assert done.exit_code == 0
    assert sign in done.stdout
    assert done.stdout == target.read_text(encoding="utf-8")


def test_a_purge_asks_first(home: Path) -> None:
    refused = CliRunner().invoke(app, ["purge", "--chat", "ana", "--before", "2030-01-01"], input="n\n")
    assert refused.exit_code == 1
    assert "messages of Ana (15550000001@s.whatsapp.net) older than 2030-01-01 00:00" in refused.output
    assert "2 messages" in run("stats")[1]
    agreed = CliRunner().invoke(app, ["purge", "--all"], input="y\n")
    assert "2 messages deleted" in agreed.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_at_the_question_of_a_purge_deletes_nothing(home: Path) -> None:
    with subprocess.Popen(
        command("archive", "purge", "--all"), stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as asking:
        assert asking.stderr is not None
        asked = b""
        while b"[y/N]" not in asked:
            asked += asking.stderr.read(1)
        asking.send_signal(signal.SIGINT)
        assert asking.wait(timeout=60) == 130
    assert "2 messages" in run("stats")[1]


def test_what_only_reads_works_beside_a_server(home: Path) -> None:
    lock = LeaderLock(settings.load().account_folder())
    assert lock.acquire()
    try:
        for arguments in (["stats"], ["check"], ["export", str(home / "out")]):
            assert run(*arguments)[0] == 0, arguments
    finally:
        lock.release()


def test_a_damaged_search_index_is_found_and_built_anew(home: Path) -> None:
    with closing(sqlite3.connect(settings.load().account_folder().archive_db)) as db:
        db.execute("UPDATE fts_data SET block = x'0000000a000000010203' WHERE id > 100")
        db.commit()
    code, said = run("check")
    assert code == 1, said
    assert run("rebuild")[0] == 0
    assert run("check") == (0, "The archive is intact.\n")


def test_an_archive_that_somebody_writes_is_not_called_damaged(home: Path) -> None:
    with closing(sqlite3.connect(settings.load().account_folder().archive_db, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert run("check") == (0, "The archive is intact.\n")


def test_a_damaged_file_is_told_without_a_traceback(home: Path) -> None:
    path = settings.load().account_folder().archive_db
    path.write_bytes(b"no database at all, but longer than its header would be" * 100)
    for arguments in (["check"], ["stats"], ["optimize"], ["export", "-"]):
        code, said = run(*arguments)
        assert code == 1
        assert "not a database" in said, said


def test_a_file_that_cannot_be_written_is_told_without_a_traceback(home: Path) -> None:
    code, said = run("export", str(home / "nowhere" / "out"))
    assert code == 1
    assert "No such file" in said


def test_the_commands_work_as_a_process(home: Path) -> None:
    """`home` is in the environment, so the processes use it too."""
    steps = [
        (["stats"], "2 messages in 2 chats"),
        (["check"], "intact"),
        (["optimize"], "Compacted"),
        (["rebuild"], "rebuilt"),
        (["redecode"], "Nothing of the undecoded events"),
        (["export", "-", "--format", "text"], "Ana: hello"),
        (["purge", "--chat", ANA, "--yes"], "1 message deleted"),
    ]
    for arguments, expected in steps:
        done = subprocess.run(
            command("archive", *arguments), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def test_an_export_ends_quietly_when_its_reader_has_enough(home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            command("archive", "export", "-"), stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_purge_leaves_nothing_in_the_journal_either(home: Path) -> None:
    folder = settings.load().account_folder()
    with Journal(folder.inbox_db) as inbox:
        seq = inbox.append(1, 17, b"purplemonkey")
        inbox.prune(seq)
        assert run("purge", "--all", "--yes")[0] == 0
    for path in folder.path.glob("*.db*"):
        assert b"purplemonkey" not in path.read_bytes(), path.name


def readable(folder: AccountFolder) -> list[str]:
    return [path.name for path in folder.path.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


def test_a_purge_leaves_no_words_in_the_record_of_acts_while_others_have_it_open(home: Path) -> None:
    folder = settings.load().account_folder()
    act = AuditEntry(Caller("stdio:agent", "agent", "send_message"), "send", (ANA,), digest="d1")
    question = Question((f"send {SECRET.decode()}",), "because", "d2", "send", {"text": SECRET.decode()})

    async def purge_beside_another() -> None:
        async with open_ledger(folder) as ledger:
            await ledger.audit.begin(act, text=SECRET.decode(), keep_text=True)
            await ledger.approvals.hold(question, act.caller, datetime.now(UTC))
            for options, left in ((("--before", "2023-01-01"), True), (("--all",), False)):
                code, said = await anyio.to_thread.run_sync(run, "purge", *options, "--yes")
                assert code == 0, said
                assert bool(readable(folder)) is left
            assert ledger.audit.verify() == []

    anyio.run(purge_beside_another)
    assert readable(folder) == []


@pytest.mark.parametrize("form", ["jsonl", "text", "html"])
def test_what_is_exported_is_private_whatever_was_there(home: Path, form: str) -> None:
    target = home / "out.html"
    target.write_text("former")
    target.chmod(0o644)
    with target.open() as kept_open:
        assert run("export", str(target), "--format", form)[0] == 0
        assert kept_open.read() == "former"
    assert target.stat().st_mode & 0o777 == 0o600
    assert "hello" in target.read_text()
    assert [path.name for path in home.glob("*.part")] == []


def test_an_export_that_fails_leaves_the_former_one(home: Path) -> None:
    target = home / "out"
    target.write_text("former")
    assert run("export", str(target), "--chat", "nobody")[0] == 1
    assert target.read_text() == "former"
    code, said = run("export", str(home))
    assert code == 2
    assert "is not a file" in said


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal to be had there")
@pytest.mark.parametrize("form", ["jsonl", "text", "html"])
def test_a_terminal_gets_nothing_that_steers_it(home: Path, form: str) -> None:
    import pty

    said = "\x1b]0;title\x07\x9b2Jhi\u202eevil\r\x7f"

    async def receive() -> None:
        async with open_archive(settings.load().account_folder(), write=True) as archive:
            await archive.ingest(journal([ev.message("E1", said, name="A\x1b[31mna")], after=2))

    anyio.run(receive)
    terminal, inner = pty.openpty()
    done = subprocess.run(
        command("archive", "export", "-", "--format", form), stdout=inner, stderr=subprocess.PIPE, timeout=60,
        check=False,
    )  # fmt: skip
    os.close(inner)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert "evil" in shown
    assert not set(shown) & set("\x1b\x07\x9b\u202e\x7f")
