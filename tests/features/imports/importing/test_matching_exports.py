"""A folder of exported chats: each is matched to its chat by what its file is called and who wrote in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOW
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.features.imports import sentences
from whatsapp_mcp.features.imports.importing.matching import match_exports
from whatsapp_mcp.media import open_worker
from whatsapp_mcp.models import ContactUpdate, ExportMatch
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

SAID = "[14/11/2023, 22:13:20] Ana: hi\n[14/11/2023, 22:13:21] Max: yes\n"


def packed(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", text)


async def test_each_export_of_a_folder_is_matched(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    packed(folder / "WhatsApp Chat - Ana.zip", SAID)
    packed(folder / "WhatsApp Chat - Club.zip", SAID)
    (folder / "WhatsApp Chat with Ana.txt").write_text(SAID.replace("Ana", "Bob"))
    (folder / "notes.txt").write_text("nothing of WhatsApp\n")
    (folder / "photo.jpg").write_bytes(b"jpeg")
    broken = folder / "WhatsApp Chat - Ana (2).zip"
    packed(broken, SAID * 50)
    content = bytearray(broken.read_bytes())
    content[45:70] = b"\xff" * 25
    broken.write_bytes(content)
    (folder / "link.zip").symlink_to(folder / "WhatsApp Chat - Ana.zip")
    account = AccountFolder("default", tmp_path / "accounts" / "default")
    async with (
        open_archive(account, write=True, now=lambda: NOW) as archive,
        open_worker(says=sentences.SAID) as worker,
    ):
        await archive.write(recording.set_own, ev.ME, ev.MY_LID, "Max")
        await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
        found = await match_exports(archive, worker, folder)
    assert found == (
        ExportMatch("WhatsApp Chat - Ana (2).zip", None, (ANA,)),
        ExportMatch("WhatsApp Chat - Ana.zip", ANA, (ANA,)),
        ExportMatch("WhatsApp Chat - Club.zip", None, (ANA,)),
        ExportMatch("WhatsApp Chat with Ana.txt", None, (ANA,)),
    )
