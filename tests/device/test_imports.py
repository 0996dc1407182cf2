"""Imports while the account is in use: one after the other, followed while they run."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.imports import Imports
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.models import ImportProgress
from whatsapp_mcp.settings import CurrentSettings, Settings

pytestmark = pytest.mark.anyio
ANN = "15550000001@s.whatsapp.net"
CHAT = """\
[24/11/2026, 12:00:00] Ann: Hello
[24/11/2026, 12:01:00] Ann: \u200e<attached: note.txt>
[24/11/2026, 12:02:00] Max: Hi Ann
"""


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        yield opened


@pytest.fixture
async def imports(archive: Archive, tmp_path: Path) -> AsyncIterator[Imports]:
    """Those of a leader that runs."""
    made = Imports(archive, CurrentSettings(Settings(home=tmp_path)), SystemClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        yield made
        tasks.cancel_scope.cancel()


def export(folder: Path, text: str = CHAT) -> str:
    """An exported chat with a file."""
    path = folder / "WhatsApp Chat with Ann.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("_chat.txt", text)
        packed.writestr("note.txt", "a note")
    return str(path)


async def ended(imports: Imports) -> ImportProgress:
    with anyio.fail_after(30):
        while imports.all[0].ended is None:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    return imports.all[0]


async def test_an_exported_chat_is_imported_with_its_files(
    imports: Imports, archive: Archive, tmp_path: Path
):
    await imports.begin(export(tmp_path), ANN, "Max")
    done = await ended(imports)

    assert (done.messages, done.files, done.error) == (3, 1, None)
    chat = await archive.chat(ANN)
    assert chat is not None
    assert chat.last_message is not None
    assert chat.last_message.text == "Hi Ann"


async def test_another_import_waits_until_the_first_is_done(imports: Imports, tmp_path: Path):
    path = export(tmp_path)
    await imports.begin(path, ANN, "Max")
    with pytest.raises(Busy, match="running"):
        await imports.begin(path, ANN, "Max")
    await ended(imports)

    await imports.begin(path, ANN, "Max")

    assert ((await ended(imports)).duplicates, len(imports.all)) == (3, 2)


async def test_what_fails_says_why_and_the_next_one_runs(imports: Imports, tmp_path: Path):
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK nonsense")
    await imports.begin(str(broken), ANN, None)
    failed = await ended(imports)
    assert failed.error

    await imports.begin(export(tmp_path), ANN, "Max")

    assert (await ended(imports)).error is None


@pytest.mark.parametrize("path", ["", "chat.zip", "/nowhere/chat.zip", "/tmp"])
async def test_what_is_no_file_is_refused(imports: Imports, path: str):
    with pytest.raises(InvalidArgument, match="no such file"):
        await imports.begin(path, ANN, None)


async def test_an_exported_chat_needs_the_chat_that_it_is(imports: Imports, tmp_path: Path):
    with pytest.raises(InvalidArgument, match="does not name its chat"):
        await imports.begin(export(tmp_path), None, None)
