"""What was written years before linking is imported beside a running server, and found by an agent."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.features.imports.backups import android, encrypting, iphone
from tests.fixtures import command, environment, link, mcp_client
from tests.server.fakes import text_of
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 60.0
IN_2019 = 1_560_000_000
KEY = bytes(range(32))


@dataclass
class Rig:
    """A home whose settings allow a folder, on a simulated WhatsApp."""

    whatsapp: WhatsApp
    home: Path
    shared: Path

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self.shared.mkdir()
        roots = f"[media]\nroots = [{json.dumps(str(self.shared))}]\n"
        (self.home / "config.toml").write_text(f'timezone = "UTC"\n[server]\ntoolsets = "all"\n{roots}')
        self.ann = self.whatsapp.person("Ann")

    async def run(self, *arguments: str, code: int = 0) -> str:
        """A command, as a person types it; what it prints."""
        with anyio.fail_after(LIMIT):
            done = await anyio.run_process(
                command(*arguments),
                env=environment(self.whatsapp, self.home),
                stdin=subprocess.DEVNULL,
                check=False,
            )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout.decode() + done.stderr.decode()

    def android(self, said: Sequence[tuple[str, str | None]]) -> Path:
        """A backup of 2019 of Ann's chat: (text, None for what the owner wrote)."""
        path = self.shared / "msgstore.db"
        ann = str(self.ann.pn)
        with android.Backup(path) as backup:
            for number, (text, mine) in enumerate(said):
                backup.message(ann, f"3A{number:08}", text, from_me=int(mine is None))
        return path


@pytest.fixture
def rig(whatsapp: WhatsApp, home: Path, tmp_path: Path) -> Rig:
    return Rig(whatsapp, home, tmp_path / "shared")


async def told(client: Client, tool: str, **arguments: Any) -> str:
    with anyio.fail_after(LIMIT):
        return text_of((await client.call_tool(tool, arguments)).content)


SAID = (("Shall we rent the red boat?", "Ann"), ("Yes, for the whole summer", None))


async def test_what_was_written_in_2019_is_found_after_an_import_that_the_person_allowed(rig: Rig):
    backup = rig.android(SAID)
    async with mcp_client(rig.whatsapp, rig.home) as client:
        await link(client, rig.whatsapp)
        number = rig.ann.number
        asked = await told(client, "import_messages", path=str(backup))
        assert "APPROVAL_REQUIRED" in asked
        (waiting,) = json.loads(await rig.run("approve", "--list", "--json"))
        assert str(backup) in "\n".join(waiting["question"])
        await rig.run("approve", waiting["id"], "--yes")

        done = await told(client, "import_messages", path=str(backup))
        assert done.startswith("done: 2 new messages, 0 known already")

        listed = await told(client, "list_messages", chat=number, since="2019-01-01", until="2019-12-31")
        assert "Shall we rent the red boat?" in listed
        assert "me (imported): Yes, for the whole summer" in listed
        found = await told(client, "search_messages", query="whole summer", chat=number)
        assert "the **whole** **summer**" in found or "**whole summer**" in found


async def test_the_command_imports_and_undoes_beside_a_running_server(rig: Rig):
    backup = rig.android(SAID)
    async with mcp_client(rig.whatsapp, rig.home) as client:
        await link(client, rig.whatsapp)
        number = rig.ann.number
        nothing = await rig.run("archive", "import", str(backup), "--dry-run")
        assert "2 new messages" in nothing
        assert "dry run" in nothing
        assert "red boat" not in await told(client, "list_messages", chat=number)

        told_of = await rig.run("archive", "import", str(backup))
        assert "2 new messages, 0 known already" in told_of
        assert "red boat" in await told(client, "list_messages", chat=number)
        assert "0 new messages, 2 known already" in await rig.run("archive", "import", str(backup))

        listed = json.loads(await rig.run("archive", "import", "--list", "--json"))
        assert [one["numbers"] for one in listed] == [[2], [1], []]
        assert {one["state"] for one in listed} == {"done"}
        for one in (2, 1):
            await rig.run("archive", "import", "--undo", str(one), "--yes")
        assert "red boat" not in await told(client, "list_messages", chat=number)


async def test_an_encrypted_backup_with_its_folder_is_imported_without_a_server(rig: Rig):
    plain = rig.android(SAID)
    folder = rig.shared / "WhatsApp"
    (folder / "Databases").mkdir(parents=True)
    (folder / "Media" / "WhatsApp Images").mkdir(parents=True)
    content = plain.read_bytes()
    (folder / "Databases" / "msgstore.db.crypt15").write_bytes(encrypting.encrypted(content, KEY))
    wrong = await rig.run("archive", "import", str(folder), "--key", "00" * 32, code=1)
    assert "Error: " in wrong
    assert "00" * 32 not in wrong
    assert "2 new messages" in await rig.run("archive", "import", str(folder), "--key", KEY.hex())
    kept = [path for path in rig.home.rglob("*") if path.is_file()]
    assert KEY.hex().encode() not in b"".join(path.read_bytes() for path in kept)
    assert KEY not in b"".join(path.read_bytes() for path in kept)
    assert not [path for path in kept if "import" in path.name]


async def test_a_phone_that_was_exchanged_for_another_has_both_its_pasts(rig: Rig):
    ann = str(rig.ann.pn)
    rig.android(SAID)
    with iphone.ChatStorage(rig.shared / "ChatStorage.sqlite") as storage:
        chat = storage.chat(ann, "Ann")
        storage.message(chat, "3A00000000", IN_2019, text="Shall we rent the red boat?")
        storage.message(chat, "3A0000AAAA", IN_2019 + 100_000_000, text="And the blue one")
    await rig.run("archive", "import", str(rig.shared / "msgstore.db"))
    second = await rig.run("archive", "import", str(rig.shared / "ChatStorage.sqlite"))
    assert "1 new message, 1 known already" in second
    exported = await rig.run("archive", "export", "-", "--format", "text")
    assert exported.count("red boat") == 1
    assert "blue one" in exported


async def test_a_version_that_is_not_known_is_printed_for_a_report(rig: Rig):
    with android.Backup(rig.shared / "msgstore.db") as backup:
        backup.execute("ALTER TABLE message RENAME COLUMN key_id TO key")
        backup.execute("PRAGMA user_version = 99")
    said = await rig.run("archive", "import", str(rig.shared / "msgstore.db"), code=1)
    assert "user_version 99\n" in said
    assert re.search(r"^message\(.*\bkey\b.*\)$", said, re.MULTILINE)
