"""`import_messages`: what it asks of the leader, what it tells, and what it refuses by itself."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from mcp import Client

from tests.server.conftest import ANN_LEE, CLUB
from tests.server.everything import Everything
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from tests.server.test_hostile_words import assert_fenced
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.features.imports.import_tool import import_messages
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, ImportStep
from whatsapp_mcp.models import ExportMatch, ImportReport, ImportSource, ImportState, Unreadable
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts, build, spec_of

pytestmark = pytest.mark.anyio


@dataclass
class Importing(FakeDevice):
    """A device whose imports are as a test says."""

    running: tuple[ImportProgress, ...] = ()
    begun: list[ImportRequest] = field(default_factory=list[ImportRequest])
    becomes: ImportProgress | None = None

    async def begin_import(self, request: ImportRequest) -> int:
        self._act("begin_import")
        self.begun.append(request)
        if self.becomes:
            self.running = (replace(self.becomes, path=request.path, chat=request.chat), *self.running)
        return 7

    async def imports(self, ticket: int = 0) -> tuple[ImportProgress, ...]:
        return tuple(one for one in self.running if ticket in {0, one.ticket})


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path.with_name(f"{tmp_path.name}-shared")
    folder.mkdir()
    return folder


@pytest.fixture
def backup(shared: Path) -> Path:
    """A backup of yesterday."""
    path = shared / "msgstore.db"
    path.write_bytes(b"SQLite format 3\0")
    before = (NOON - timedelta(days=1)).timestamp()
    os.utime(path, (before, before))
    return path


@pytest.fixture
def device() -> Importing:
    return Importing()


@pytest.fixture
async def client(archive: Archive, tmp_path: Path, device: Importing, shared: Path) -> AsyncIterator[Client]:
    source = FakeSource(device, archive, tmp_path, roots=(shared,))
    async with Client(create(source, "all", structured=True)) as opened:
        yield opened


DONE = ImportProgress(
    7,
    "msgstore.db",
    ImportState.DONE,
    NOON,
    numbers=(3,),
    source=ImportSource.ANDROID,
    ended=NOON,
    report=ImportReport(1200, 30, unreadable={Unreadable.NO_TIME: 2}),
)
RUNNING = replace(
    DONE, state=ImportState.RUNNING, ended=None, step=ImportStep.MESSAGES, done=12_000, total=1_000_000
)


async def test_what_an_import_brought_is_told_with_how_the_user_undoes_it(
    client: Client, device: Importing, backup: Path
) -> None:
    device.becomes = DONE
    text, data = await answer(client, "import_messages", path=str(backup))
    assert device.begun == [ImportRequest(str(backup))]
    assert text == (
        "done: 1,200 new messages, 30 known already. Not taken over: 2 without a possible time. "
        "The user can undo it: `whatsapp-mcp archive import --undo 3`."
    )
    assert (data["state"], data["numbers"], data["new"]) == ("done", [3], 1200)


async def test_a_call_with_the_same_path_tells_how_far_it_is_and_begins_nothing(
    client: Client, device: Importing, backup: Path
) -> None:
    device.running = (replace(RUNNING, path=str(backup)),)
    text, data = await answer(client, "import_messages", path=backup.name)
    assert device.begun == []
    assert "running: it has looked at 12,000 of 1,000,000 messages (1 %)" in text
    assert (data["done"], data["total"]) == (12_000, 1_000_000)


async def test_what_is_done_is_told_again_until_the_file_is_another(
    client: Client, device: Importing, backup: Path
) -> None:
    device.running = (replace(DONE, path=str(backup)),)
    device.becomes = DONE
    assert "done: " in (await answer(client, "import_messages", path=str(backup)))[0]
    assert device.begun == []
    later = (NOON + timedelta(hours=1)).timestamp()
    os.utime(backup, (later, later))
    await answer(client, "import_messages", path=str(backup))
    assert len(device.begun) == 1


@pytest.mark.parametrize("state", [ImportState.FAILED, ImportState.CANCELLED])
async def test_what_was_not_done_is_told_for_a_minute_and_then_begun_anew(
    client: Client, device: Importing, backup: Path, state: ImportState
) -> None:
    ended = replace(DONE, path=str(backup), state=state, error="It is damaged.")
    device.running = (ended,)
    text, data = await answer(client, "import_messages", path=str(backup))
    assert "why: It is damaged." in text
    assert (data["state"], data["reason"], device.begun) == (state.value, "It is damaged.", [])
    device.running = (replace(ended, ended=NOON - timedelta(minutes=2)),)
    device.becomes = DONE
    await answer(client, "import_messages", path=str(backup))
    assert len(device.begun) == 1


async def test_an_exported_chat_is_imported_into_the_chat_that_is_meant(
    client: Client, device: Importing, shared: Path
) -> None:
    export = shared / "WhatsApp Chat.txt"
    export.write_text("[24/11/2019, 12:00:00] Ann: Hello\n")
    device.becomes = replace(DONE, file=export.name)
    await answer(client, "import_messages", path=str(export), chat="Boat club", me="Max")
    await answer(client, "import_messages", path=str(export), chat="Ann Lee")
    assert device.begun == [ImportRequest(str(export), CLUB, "Max"), ImportRequest(str(export), ANN_LEE)]


async def test_exports_whose_chats_are_not_certain_are_listed_with_what_they_may_be(
    client: Client, device: Importing, shared: Path
) -> None:
    asks = (ExportMatch("Pay me: now.zip", None, (CLUB, ANN_LEE)), ExportMatch("Else.zip"))
    device.becomes = replace(DONE, file="exports", asks=asks)
    (shared / "exports").mkdir()
    text, data = await answer(client, "import_messages", path=str(shared / "exports"))
    assert "“Boat club”, Ann Lee: Pay me: now.zip\nunknown: Else.zip\n</messages" in text
    assert "Ask the user" in text
    assert data["asks"] == ["Pay me: now.zip", "Else.zip"]


async def test_nothing_outside_the_allowed_folders_is_imported(
    client: Client, device: Importing, shared: Path, tmp_path: Path
) -> None:
    outside = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    outside.mkdir()
    (outside / "book.vcf").write_text("BEGIN:VCARD\n")
    (shared / "book.vcf").symlink_to(outside / "book.vcf")
    downloaded = tmp_path / "accounts" / "default" / "media" / "book.vcf"
    downloaded.parent.mkdir(parents=True, exist_ok=True)
    downloaded.write_text("BEGIN:VCARD\n")
    for path in (outside / "book.vcf", shared / "book.vcf", downloaded):
        error = await refusal(client, "import_messages", path=str(path))
        assert error["code"] == "FILE_NOT_ALLOWED"
        assert "`whatsapp-mcp archive import`" in error["action"]
    assert (await refusal(client, "import_messages", path=str(shared / "no.db")))[
        "code"
    ] == "INVALID_ARGUMENT"
    assert device.begun == []


async def test_nothing_is_imported_before_the_user_has_said_yes(
    client: Client, device: Importing, backup: Path
) -> None:
    device.fails = ApprovalRequired("Ask first.", approval="abc")
    assert (await refusal(client, "import_messages", path=str(backup)))["code"] == "APPROVAL_REQUIRED"
    assert device.begun == []


async def test_a_server_that_ended_meanwhile_is_told(client: Client, device: Importing, backup: Path) -> None:
    text, data = await answer(client, "import_messages", path=str(backup))
    assert data["state"] == "interrupted"
    assert "Call again: it goes on where it was." in text


async def test_an_agent_of_one_chat_is_not_offered_it(archive: Archive, tmp_path: Path) -> None:
    source = FakeSource(Importing(), archive, tmp_path, Policy.in_mode("standard"), chat=ANN_LEE)
    async with Client(create(source, "all")) as client:
        assert "import_messages" not in {tool.name for tool in (await client.list_tools()).tools}


async def test_nobody_elses_words_pass_for_ours(tmp_path: Path) -> None:
    def good(world: Everything) -> dict[str, str]:
        return {"path": world.shared("chat.txt", ""), "chat": "Ann"}

    await assert_fenced(spec_of(import_messages), good, tmp_path)


async def test_what_is_not_given_is_as_good_as_left_out() -> None:
    (tool,) = build((import_messages,), Accounts({}))
    model = tool.fn_metadata.arg_model
    without = model.model_validate({"path": "/a"})
    assert model.model_validate({"path": "/a", "chat": "", "me": None}) == without
