"""The backup of the page is taken beside a running server, and restores what was said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.docs import site
from tests.docs.examples import examples
from tests.fixtures import call, command, environment, link, mcp_client, said, until
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio
PAGE = site.DOCS / "backup.md"
BACKUP, CHECK = (one.body for one in examples(PAGE) if one.language == "sh")
LIMIT = 60.0
TABLE = re.findall(r"^\| (`.+?) \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("sqlite3") is None, reason="a shell and sqlite3")
async def test_a_backup_taken_while_messages_come_restores_them_and_the_same_phone_links_again(
    whatsapp: WhatsApp, tmp_path: Path
) -> None:
    home = tmp_path / ".local" / "share" / "whatsapp-mcp"
    home.mkdir(parents=True)
    (home / "config.toml").write_text("timezone = 'UTC'\n", encoding="utf-8")
    ann = whatsapp.person("Ann Byrne")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await ann.says("before the backup")
        await until(client, lambda page: len(page["chats"]) == 1, "list_chats", within=LIMIT)
        await said(client, "list_messages", chat=ann.number)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(talk, ann)
            await back_up(tmp_path)
    home.rename(tmp_path / "lost")
    (tmp_path / "whatsapp-backup").rename(home)

    checked = await anyio.run_process(
        command(*CHECK.split()[1:]), env=environment(whatsapp, home), check=False
    )
    assert checked.returncode == 0, checked.stdout
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await ann.says("after it was restored")
        await until(client, heard, "list_messages", within=LIMIT, chat=ann.number)
        found = await call(client, "list_messages", chat=ann.number, limit=200)
    texts = [message["text"] for message in found["messages"]]
    assert texts.count("before the backup") == 1
    assert texts.count("after it was restored") == 1


def heard(page: Mapping[str, Any]) -> bool:
    """Whether what was said after restoring is there."""
    return "after it was restored" in str(page)


async def talk(person: Person) -> None:
    """Messages that come while the backup is taken."""
    for number in range(20):
        await person.says(f"meanwhile {number}")


async def back_up(home_of_the_person: Path) -> None:
    """Run the script of the page, which has nothing to say."""
    done = await anyio.run_process(
        ["bash", "-euo", "pipefail", "-c", BACKUP],
        env={**os.environ, "HOME": str(home_of_the_person)},
        stderr=subprocess.STDOUT,
    )
    assert done.stdout == b""


def test_the_table_says_of_every_database_and_key_of_an_account_whether_it_is_copied(tmp_path: Path) -> None:
    folder = AccountFolder("NAME", tmp_path)
    named = " ".join(file for file, _ in TABLE)
    files = [*folder.databases, folder.client_db, folder.approval_key, folder.media]
    names = [file.relative_to(folder.path).as_posix() for file in files]
    assert [name for name in names if f"`accounts/NAME/{name}" not in named] == []


def test_the_script_copies_what_the_table_says() -> None:
    for files, answer in TABLE:
        for name in re.findall(r"(\w+)(?:\.\w+)?/?`", files):
            if answer == "yes":
                assert name in BACKUP, name
            elif "no" in answer:
                assert name not in BACKUP, name
