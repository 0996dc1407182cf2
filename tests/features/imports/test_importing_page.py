"""The page about imports shows what is printed, and each of its examples runs, or is read by its command."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer.main

from tests.docs import command_lines, site
from tests.docs.examples import examples, run
from tests.docs.test_examples import used
from tests.features.imports.backups import gowa, wacli
from whatsapp_mcp.features.imports.command_line import app, report_of
from whatsapp_mcp.features.imports.requests import UnknownVersion
from whatsapp_mcp.features.imports.tools import import_tools
from whatsapp_mcp.server.tools import toolsets

__all__ = ["used"]

PAGE = site.DOCS / "importing.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHELL = [one for one in examples(PAGE) if one.language == "sh"]
READ = [one for one in SHELL if re.search("--key|--undo", one.body)]
"""What needs backups of phones, or an import that can be undone."""
NAMED = (
    "WhatsApp/",
    "exports/",
    "FOLDER/",
    "Library/Application Support/MobileSync/Backup/00008030-001A2B3C4D5E6F70/",
    "WhatsApp Chat with Ana.zip",
    "contacts.vcf",
    "encrypted_backup.key",
    "msgstore.db.crypt15",
)
"""Files and folders that these lines name."""
BRIDGE = """CREATE TABLE chats (jid, name);
CREATE TABLE messages (id, chat_jid, sender, content, timestamp, is_from_me, media_type, filename, url,
media_key, file_sha256, file_enc_sha256, file_length);"""


def test_an_unknown_version_is_told_as_the_page_shows() -> None:
    unknown = UnknownVersion(9999, (("message", ("_id", "chat_row_id", "…")),))
    assert f"{report_of(unknown)}\n```" in TEXT


def test_every_option_of_the_command_is_explained() -> None:
    command = typer.main.get_command(app)
    options = {each for param in command.params for each in param.opts if each.startswith("--")}
    rows = [line for line in TEXT.splitlines() if line.startswith("| `--")]
    explained = {each for row in rows for each in re.findall("--[a-z-]+", row)}
    assert options - {"--account", "--install-completion", "--show-completion"} <= explained


def test_the_page_of_toolsets_counts_what_imports_add() -> None:
    added = [each for name in toolsets.TOOLSETS for each in import_tools(name)]
    row = f"| [importing](importing.md) | {len(added)} | in `chats`: "
    assert row in (site.DOCS / "toolsets.md").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a shell of Unix")
def test_the_examples_run(used: Path) -> None:
    with closing(sqlite3.connect("messages.db")) as bridge:
        bridge.executescript(BRIDGE)
    gowa.storage(Path("chatstorage.db"))
    wacli.store(Path("wacli.db"))
    Path("contacts.vcf").write_text(
        "BEGIN:VCARD\nVERSION:3.0\nFN:Ana Silva\nTEL:+15550001111\nEND:VCARD\n", encoding="utf-8"
    )
    for example in SHELL:
        if example not in READ:
            run(example)


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a shell of Unix")
def test_the_other_lines_are_ones_that_the_command_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in NAMED:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir() if name.endswith("/") else place.touch()
    for example in READ:
        command_lines.read(example.body)
