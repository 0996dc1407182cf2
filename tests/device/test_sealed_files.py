"""Files of an encrypted account are kept and handed out, though they are sealed."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.letters import LETTER, known, letter, met
from tests.devices import direct
from whatsapp_mcp.device.operations import files
from whatsapp_mcp.device.retention import IDLE, seal_idle
from whatsapp_mcp.files.vault import KeySource, Vault
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    """An encrypted account whose files are not read by themselves."""
    path = tmp_path / "accounts" / "default"
    (tmp_path / "config.toml").write_text("[media]\nread = false\n", encoding="utf-8")
    made = AccountFolder("default", path, Vault(path, KeySource(file=tmp_path / "key")))
    made.create()
    made.vault.create()
    made.vault.set_step(None)
    return made


async def test_a_sealed_file_is_handed_out_without_a_second_fetch(
    wa: WhatsApp, linked: Leader, folder: AccountFolder
) -> None:
    ann = await known(wa, linked.archive, "Ann")
    await ann.says(letter(wa))
    kept = 0
    with anyio.fail_after(30):
        while not kept:
            kept = await linked.archive.kept_bytes()
            await anyio.sleep(0.05)
    assert seal_idle(folder, time.time() + 2 * IDLE) == 1
    assert [path.suffix for path in folder.media.iterdir()] == [".sealed"]
    ref = (await met(linked.archive, lambda found: len(found) == 1))[0].ref
    assert await anyio.Path(await direct(linked.device).do(files.download, ref)).read_bytes() == LETTER
    assert len(wa.media.requests) == 1
    assert LETTER not in folder.archive_db.read_bytes()
