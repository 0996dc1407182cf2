"""Every write is an operation, and the same operations in the same order give the same archive."""

from __future__ import annotations

import ast
import inspect
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from tests.archive import events as ev
from tests.archive import kept_operations
from tests.archive.events import ANA, journal
from tests.archive.recorded import Recording, path_of, recorded_archive, run
from tests.archive.replaying import contents, digests, replay
from tests.tables import for_each
from whatsapp_mcp import archive as room
from whatsapp_mcp.archive import Archive, ReadingArchive, WriteOperation, open_archive, outbox, recording
from whatsapp_mcp.archive.operations import OPERATIONS
from whatsapp_mcp.errors import SendUnknown
from whatsapp_mcp.models import SendRequest, TextContent
from whatsapp_mcp.settings import AccountFolder

ROOM = Path(room.__file__).parent
CARE = {"check", "optimize", "merge_index", "rebuild", "clear_sent_files", "needed_files", "is_snapshot_due"}
OUTSIDE = {*CARE, "snapshot", "finish_purges", "wait_ended"}
"""Methods that look after the files, and change no answer."""
STEPS = {"apply", "catch_up", "write", "purge", "store_imported_file"}
"""Methods that make operations of other names."""


@pytest.mark.anyio
async def test_the_same_operations_give_the_same_archive_elsewhere_and_at_another_time(
    tmp_path: Path,
) -> None:
    there, recorder = path_of(tmp_path, "there"), Recording()
    async with recorded_archive(there, recorder) as archive:
        await run(archive, there)
    names = {WriteOperation.from_json(line).name for line in recorder.lines}
    assert names == OPERATIONS.keys()
    assert recorder.numbers == [*range(1, len(recorder.numbers) + 1)]
    here = path_of(tmp_path, "here")
    other = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu"}
    command = [sys.executable, "-m", "tests.archive.replaying", str(here.path)]
    with anyio.fail_after(120):
        done = await anyio.run_process(command, input=b"\n".join(recorder.lines), env=other)
    assert json.loads(done.stdout) == digests(there)


@pytest.mark.anyio
async def test_operations_say_and_do_what_they_did_while_their_version_is_the_same(tmp_path: Path) -> None:
    made, operations = kept_operations.kept()
    assert await kept_operations.replayed(operations, tmp_path) == made, (
        "another version would make another archive of this log: let VERSION of archive/operations.py grow, "
        "and run python -m tests.archive.kept_operations"
    )
    assert {WriteOperation.from_json(line).name for line in operations} == OPERATIONS.keys()


@pytest.mark.anyio
async def test_a_refusal_is_an_outcome_that_leaves_nothing_but_its_number(tmp_path: Path) -> None:
    there, recorder = path_of(tmp_path, "there"), Recording()
    request = SendRequest(ANA, TextContent("hi"))
    async with recorded_archive(there, recorder) as archive:
        await archive.write(outbox.add, request)
        before = contents(there)
        with pytest.raises(SendUnknown):
            await archive.write(outbox.add, request)
    after = contents(there)
    assert dict(after.pop("meta"))["operation"] == "2"
    del before["meta"]
    assert after == before
    here = path_of(tmp_path, "here")
    await replay(here, recorder.lines)
    assert digests(here) == digests(there)


@pytest.mark.anyio
async def test_both_files_tell_the_last_operation_that_wrote_to_them(
    archive: Archive, folder: AccountFolder
) -> None:
    await archive.ingest(journal([ev.message("A1")]))
    await archive.write(recording.record_timer, ANA, 60)
    found = contents(folder)
    assert (dict(found["meta"])["operation"], found["applied"]) == ("2", [(0, 1)])
    await archive.ingest(journal([ev.message("A2")], after=1))
    assert contents(folder)["applied"] == [(0, 3)]


@pytest.mark.anyio
async def test_what_could_not_be_committed_was_not_applied(archive: Archive, folder: AccountFolder) -> None:
    await archive.write(recording.record_timer, ANA, 60)
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON chats BEGIN SELECT raise(ABORT, 'full'); END")
        before = contents(folder)
        with pytest.raises(sqlite3.IntegrityError):
            await archive.write(recording.record_timer, ANA, 120)
        assert contents(folder) == before
        db.execute("DROP TRIGGER full")
    await archive.write(recording.record_timer, ANA, 120)
    assert dict(contents(folder)["meta"])["operation"] == "2"


@pytest.mark.anyio
async def test_the_feed_has_the_time_of_the_operation(folder: AccountFolder) -> None:
    at = datetime(2024, 5, 1, tzinfo=UTC)
    async with open_archive(folder, write=True, now=lambda: at) as archive:
        await archive.ingest(journal([ev.message("A1")]))
        await archive.write(outbox.add, SendRequest(ANA, TextContent("hi")))
        assert {change.at for change in await archive.changes(0)} == {at}
        assert (await archive.outbox_get(1)).created_at == at


@for_each("module", sorted({call.__module__ for call in OPERATIONS.values()}))
def test_what_applies_an_operation_decodes_nothing(module: str) -> None:
    assert "decode_event" not in inspect.getsource(sys.modules[module])


def test_an_operation_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no operation"):
        WriteOperation.from_json(b'[1, "drop_everything", 1, "{}"]')
    with pytest.raises(ValueError, match="send_id"):
        WriteOperation.from_json(b'[1, "outbox_failed", 1, "{\\"reason\\": \\"?\\"}"]')
    with pytest.raises(ValueError, match="another version"):
        WriteOperation.from_json(b'[2, "set_own", "of a form that is not known yet"]')


def methods(protocol: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}


READS = methods(ReadingArchive) | {
    "outbox_get",
    "outbox_held",
    "outbox_last_sent",
    "outbox_scheduled",
    "outbox_unsettled",
    "outbox_album",
    "outbox_result",
}
WRITES = sorted(methods(Archive) - READS)


@for_each("name", WRITES)
def test_what_may_be_written_is_an_operation(name: str) -> None:
    assert name in OPERATIONS or name in OUTSIDE | STEPS


# Nothing else is written, and nothing else is read.


@pytest.mark.anyio
async def test_what_is_written_outside_of_an_operation_is_the_search_index_alone(tmp_path: Path) -> None:
    folder, said = path_of(tmp_path, "there"), list[str]()
    async with recorded_archive(folder, Recording()) as archive:
        connection: sqlite3.Connection = vars(archive)["_committer"].db
        connection.set_trace_callback(said.append)
        await run(archive, folder)
        await archive.rebuild()
        connection.set_trace_callback(None)
    written = [*outside(said)]
    assert len(said) > 1_000
    assert {statement for statement in written if " fts" not in statement.replace("'", " ")} == set()


WRITING = {"INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER"}


def outside(said: list[str]) -> Iterator[str]:
    """Statements that write to the archive in a transaction that does not begin with an operation."""
    inside = False
    for statement in said:
        first = " ".join(statement.split())
        if first.startswith("--"):
            continue  # of a trigger, or of the index itself
        if first.startswith(("BEGIN", "COMMIT", "ROLLBACK TRANSACTION")) or first == "ROLLBACK":
            inside = False
        elif first.startswith("INSERT INTO meta VALUES ('operation', 1)"):
            inside = True
        elif not inside and first.split()[0] in WRITING:
            yield first


HIDDEN = {"time", "random", "secrets", "uuid", "os", "mimetypes", "tempfile", "shutil", "platform", "socket"}
CALLS = {
    "open",
    "now",
    "today",
    "utcnow",
    "read_bytes",
    "read_text",
    "write_bytes",
    "stat",
    "exists",
    "iterdir",
}
EDGES = {
    "connections.py": "deadlines of reads, and the files themselves",
    "full_text.py": "how long a scan may take",
    "search_query.py": "a read's moment, unless it is given",
    "file_copies.py": "files beside the databases",
    "database_files.py": "files that are copied before an upgrade, or quarantined",
    "recovery.py": "damaged files and the new ones, while no archive is open",
    "exporting.py": "files that are written",
    "import_turns.py": "the clock that gives operations their time",
    "prepared_imports.py": "files and times of other archives, before the operation",
    "access.py": "the clock that gives operations their time",
    "archive.py": "the clock that gives operations their time",
    "log_writer.py": "the clock that gives operations their time",
    "snapshots.py": "copies of both databases, and where they lie",
    "purge.py": "files that go with messages, after the operation",
}
"""Modules that may read a clock or a file, and why: none of it while an operation is applied."""
APPLIED = sorted(path for path in ROOM.rglob("*.py") if path.name not in EDGES and path.name != "__init__.py")
DECODING = sorted((ROOM.parent / "decoding").glob("*.py"))


@for_each("path", [*APPLIED, *DECODING])
def test_no_clock_no_chance_and_no_file_is_read(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)]
    for node in found:
        if isinstance(node, ast.Import):
            assert not {name.name.partition(".")[0] for name in node.names} & HIDDEN
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).partition(".")[0] not in HIDDEN
        else:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in CALLS
