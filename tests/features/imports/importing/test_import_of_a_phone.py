"""A local backup of an iPhone, imported whole: from its folder to messages with their files."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.features.imports.backups.iphone import ChatStorage, Receipts, quote
from tests.features.imports.backups.phone import phone_backup
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.features.imports.importing import Importer, Imports
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.models import ImportSource, ImportState, MessageKind
from whatsapp_mcp.settings import CurrentSettings, Settings

pytestmark = pytest.mark.anyio

AT = 1_600_000_000
ANA = "15550000001@s.whatsapp.net"
PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 300


def phone(folder: Path, password: str | None) -> Path:
    """A backup with a question, an answer and a picture."""
    with ChatStorage(folder / "phone.sqlite") as storage:
        chat = storage.chat(ANA, "Ana Example")
        receipts = Receipts(reactions=[("R1", ANA, "👍", AT * 1000)])
        storage.message(chat, "3A0000000001", AT, text="Coming?", receipts=receipts.blob())
        storage.message(
            chat, "3A0000000002", AT + 60, text="Yes", isfromme=1, media={"metadata": quote("3A0000000001")}
        )
        media = {"medialocalpath": "Media/a/b.jpg", "filesize": len(PICTURE), "vcardstring": "image/jpeg"}
        storage.message(chat, "3A0000000003", AT + 120, kind=1, media=media)
        storage.message(
            chat, "3A0000000004", AT + 180, kind=1, media=media | {"medialocalpath": "Media/none.jpg"}
        )
    files = {"ChatStorage.sqlite": storage.path, "Message/Media/a/b.jpg": PICTURE}
    return phone_backup(folder / "backup", files, password=password)


async def imported(home: Path, request: ImportRequest) -> ImportProgress:
    """Import as a leader does."""
    settings = Settings(home=home)
    folder = settings.account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        imports = Imports(archive, SystemClock(), Importer(folder, archive, CurrentSettings(settings)))
        ticket = await imports.begin_import(request)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(imports.run)
            with anyio.fail_after(60):
                while not (await imports.imports(ticket))[0].is_over:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()
        (found,) = await imports.imports(ticket)
        if found.state is ImportState.DONE:
            first, second, third, _ = (await archive.messages(oldest_first=True)).items
            assert [one.emoji for one in first.reactions] == ["👍"]
            assert second.quote is not None
            assert (third.kind, third.media is not None) == (MessageKind.IMAGE, True)
            source = await archive.media_source(third.ref)
            assert source.path is not None
            assert await anyio.Path(source.path).read_bytes() == PICTURE
        return found


@pytest.mark.parametrize("password", [None, "correct horse"])
async def test_messages_come_with_what_belongs_to_them_and_with_their_files(
    tmp_path: Path, password: str | None
) -> None:
    backup = phone(tmp_path, password)
    found = await imported(tmp_path / "home", ImportRequest(str(backup), key=password))
    assert (found.state, found.source) == (ImportState.DONE, ImportSource.IPHONE)
    assert (found.report.new, found.report.files) == (4, 1)
    account = Settings(home=tmp_path / "home").account_folder().path
    assert not [path for path in account.iterdir() if "import" in path.name]


async def test_a_password_that_is_missing_is_asked_for_by_name(tmp_path: Path) -> None:
    found = await imported(tmp_path / "home", ImportRequest(str(phone(tmp_path, "correct horse"))))
    assert found.state is ImportState.FAILED
    assert found.error is not None
    assert "its password is needed" in found.error
