"""An encrypted account at work: neither words nor names nor numbers are readable in its files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from tests.fixtures import call, command, environment, link, mcp_client, said, until
from whatsapp_mcp import settings
from whatsapp_mcp.device.retention import IDLE, seal_idle
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_simulator import WhatsApp

pytest.importorskip("sqlcipher3")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the simulator's clients"),
]

OF_THE_LIBRARY = "client.db"
"""What its name begins with belongs to the client library, which cannot encrypt it."""


def with_key(home: Path) -> Path:
    """A home whose settings name a key file; returns that."""
    key = home.parent / "key"
    with (home / "config.toml").open("a", encoding="utf-8") as file:
        file.write(f'[encryption]\nkey_file = "{key}"\n[server]\ntoolsets = "all"\n')
    return key


def run(whatsapp: WhatsApp, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command of `whatsapp-mcp` answers, which must not fail."""
    return subprocess.run(
        command(*arguments),
        env=environment(whatsapp, home),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def readable(folder: AccountFolder, *words: str) -> list[str]:
    """The files of an account in which one of these words stands, but for those of the client library."""
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    return [
        f"{word} in {path.relative_to(folder.path)}"
        for path in files
        for word in words
        if not path.name.startswith(OF_THE_LIBRARY) and word.encode() in path.read_bytes()
    ]


def content(path: str) -> bytes:
    return Path(path).read_bytes()


async def test_an_encrypted_account_works_and_its_files_say_nothing(whatsapp: WhatsApp, home: Path) -> None:
    with_key(home)
    folder = Settings(home=home).account_folder()
    folder.create()
    await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "enable")
    ann = whatsapp.person("Annabella")
    async with mcp_client(whatsapp, home) as client, mcp_client(whatsapp, home) as other:
        await link(client, whatsapp)
        await ann.says("the zucchini is ripe")
        await until(other, lambda page: bool(page["messages"]), "list_messages")
        await call(client, "send_message", chat=ann.number, text="then the aubergine too")
        assert (await ann.receives()).text == "then the aubergine too"
        assert "zucchini" in await said(other, "search_messages", query="zucchini")
        words = ("zucchini", "aubergine", "Annabella", ann.number.lstrip("+"))
        assert readable(folder, *words) == []
    assert readable(folder, *words) == []


async def test_an_account_is_encrypted_and_made_plain_with_all_that_it_holds(
    whatsapp: WhatsApp, home: Path
) -> None:
    key = with_key(home)
    folder = Settings(home=home).account_folder()
    ann = whatsapp.person("Annabella")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await ann.says("the zucchini is ripe")
        await until(client, lambda page: bool(page["messages"]), "list_messages")
        refused = await anyio.run_process(
            command("encryption", "enable"), env=environment(whatsapp, home), check=False
        )
        assert b"server of this account is running" in refused.stderr
    assert readable(folder, "zucchini", "Annabella") != []

    await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "enable")
    assert readable(folder, "zucchini", "Annabella", ann.number.lstrip("+")) == []
    former = key.read_bytes()
    await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "change-key")
    assert key.read_bytes() != former
    async with mcp_client(whatsapp, home) as client:
        assert "zucchini" in await said(client, "search_messages", query="zucchini")
        await ann.says("and the pumpkin")
        await until(client, lambda page: len(page["messages"]) == 2, "list_messages")

    await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "disable")
    key.unlink()
    async with mcp_client(whatsapp, home) as client:
        found = await said(client, "list_messages")
        assert "pumpkin" in found
        assert "zucchini" in found


async def test_downloads_and_exports_are_sealed_and_readable_when_they_are_asked_for(
    whatsapp: WhatsApp, home: Path
) -> None:
    with_key(home)
    folder = settings.load(home).account_folder()
    folder.create()
    await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "enable")
    ann = whatsapp.person("Annabella")
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await ann.says("the zucchini is ripe")
        await ann.says(whatsapp.media.attach("document", b"all about the aubergine", fileName="a.txt"))
        page = await until(client, lambda page: len(page["messages"]) == 2, "list_messages")
        ref = next(each["ref"] for each in page["messages"] if each["kind"] == "document")
        downloaded = (await call(client, "download_media", message=ref))["path"]
        assert content(downloaded) == b"all about the aubergine"
        exported = (await call(client, "export_chat", chat=ann.number))["path"]
        assert b"zucchini" in content(exported)

        assert seal_idle(folder, time.time() + IDLE + 60) == 2
        assert readable(folder, "zucchini", "aubergine", "Annabella", ann.number.lstrip("+")) == []
        assert (await call(client, "download_media", message=ref))["path"] == downloaded
        assert content(downloaded) == b"all about the aubergine"
        opened = str(home.parent / "opened.txt")
        await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "open", exported, opened)
        assert b"zucchini" in content(opened)
        assert seal_idle(folder, time.time() + IDLE + 60) == 1
    await anyio.to_thread.run_sync(run, whatsapp, home, "archive", "purge", "--all", "--yes")
    assert folder.files_to_seal() == []


async def test_without_the_right_key_tools_say_so_and_nothing_changes(whatsapp: WhatsApp, home: Path) -> None:
    key = with_key(home)
    folder = Settings(home=home).account_folder()
    folder.create()
    await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "enable")
    before = {path: path.read_bytes() for path in folder.path.glob("*.db")}
    kept = key.read_bytes()
    for content in (b"another key\n", None):
        key.unlink()
        if content is not None:
            key.write_bytes(content)
            key.chmod(0o600)
        async with mcp_client(whatsapp, home) as client:
            answer = await client.call_tool("list_chats", {})
            assert answer.is_error
            assert "The account is encrypted" in str(answer.content)
    assert {path: path.read_bytes() for path in folder.path.glob("*.db")} == before
    key.write_bytes(kept)
    key.chmod(0o600)
    assert "opens it" in (await anyio.to_thread.run_sync(run, whatsapp, home, "encryption", "status")).stdout
