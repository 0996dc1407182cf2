"""Rules that are changed while servers run hold at once, in each of them and behind the leader's socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import Client

from tests.fixtures import link, mcp_client, said
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.remote import RemoteDevice
from whatsapp_mcp.device.leader.serving import greet
from whatsapp_mcp.device.operations import Device, control, groups, profile, sends
from whatsapp_mcp.errors import Denied, FileNotAllowed
from whatsapp_mcp.models import FileContent, GroupChange, ProfileChange, SendRequest, TextContent
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def at_the_socket(folder: AccountFolder) -> AsyncGenerator[Device]:
    """The leader's device as any program of this user reaches it."""
    stream, secret = await endpoint.connect(folder)
    async with stream, Peer(stream, stream) as peer:
        pid = await greet(peer, secret)
        yield RemoteDevice(folder.name, peer, pid)


def write(home: Path, mode: str, *roots: Path) -> None:
    listed = ", ".join(f"'{root}'" for root in roots)
    text = f'[policy]\nmode = "{mode}"\n[media]\nroots = [{listed}]\n'
    (home / "config.toml").write_text(text, encoding="utf-8")


async def told(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    return "\n".join(block.text for block in result.content if block.type == "text")


async def test_rules_that_change_hold_at_once_in_every_server_and_at_the_socket(
    whatsapp: WhatsApp, home: Path, tmp_path: Path
) -> None:
    ann, folder = whatsapp.person("Ann"), Settings(home=home).account_folder()
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "note.txt").write_text("fine")
    write(home, "open", photos)
    async with mcp_client(whatsapp, home) as leader, mcp_client(whatsapp, home) as follower:
        await link(leader, whatsapp)
        servers = (leader, follower)
        for client in servers:
            assert "sent document" in await told(
                client, "send_file", chat=ann.number, path=str(photos / "note.txt")
            )
            await ann.receives()
        # Own files, by whatever path, and files elsewhere.
        (photos / "hard").hardlink_to(folder.client_db)
        (photos / "soft").symlink_to(folder.archive_db)
        (folder.media / "hard").hardlink_to(home / "config.toml")
        for path in (photos / "hard", photos / "soft", folder.media / "hard", folder.client_db):
            for client in servers:
                assert "FILE_NOT_ALLOWED" in await told(client, "send_file", chat=ann.number, path=str(path))
        async with at_the_socket(folder) as device:
            for path in (folder.client_db, folder.media / "hard", photos / "note.txt", Path("/etc/hostname")):
                content = FileContent("document", str(path), "text/plain")
                with pytest.raises(FileNotAllowed):
                    await device.do(sends.send, SendRequest(str(ann.pn), content))
                with pytest.raises(FileNotAllowed):
                    await device.do(profile.change_profile, ProfileChange(photo=str(path)))
        # A root that is taken back.
        write(home, "open")
        for client in servers:
            text = await told(client, "send_file", chat=ann.number, path=str(photos / "note.txt"))
            assert "FILE_NOT_ALLOWED" in text
        # Read-only.
        write(home, "read_only")
        for client in servers:
            assert "DENIED" in await told(client, "send_message", chat=ann.number, text="hello")
            assert "DENIED" not in await told(client, "list_chats")
        async with at_the_socket(folder) as device:
            request = SendRequest(str(ann.pn), TextContent("hello"))
            for refused in (request, replace(request, idempotency_key="k", wait=0)):
                with pytest.raises(Denied):
                    await device.do(sends.send, refused)
            with pytest.raises(Denied):
                await device.do(groups.change_group, "1@g.us", GroupChange(name="Mine"))
            with pytest.raises(Denied):
                await device.do(control.unlink)
        # A mistake keeps the rules, and is told.
        write(home, "reckless")
        for client in servers:
            assert "DENIED" in await told(client, "send_message", chat=ann.number, text="hello")
            assert "policy.mode" in await told(client, "connection_status")
        # And back.
        write(home, "open")
        assert "policy.mode" not in await told(follower, "connection_status")
        await said(follower, "send_message", chat=ann.number, text="the first to arrive")
        with anyio.fail_after(30):
            assert (await ann.receives()).text == "the first to arrive"
