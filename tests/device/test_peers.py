"""A local user with another uid cannot use the leader's socket, even where its file modes would allow it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from whatsapp_mcp.device.leader.endpoint import connect, listening
from whatsapp_mcp.processes.admission import Guest
from whatsapp_mcp.settings import AccountFolder

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="no unix sockets there"),
]
NOBODY = 65534
CLIENT = """
import os, socket, sys
os.setgroups([]); os.setgid({user}); os.setuid({user})
with socket.socket(socket.AF_UNIX) as peer:
    peer.settimeout(20)
    try:
        peer.connect({path!r})
        print(peer.recv(100).decode() or "closed")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[AccountFolder]:
    """The folder of an account whose leader greets everybody that it serves."""
    account = AccountFolder("default", tmp_path / "accounts" / "default")
    account.create()

    async def greet(stream: ByteStream, _guest: Guest, _secret: str) -> None:
        await stream.send(b"hello")

    async with listening(account, greet):
        yield account


async def as_user(user: int, path: Path) -> str:
    """What a process of this user hears at the socket."""
    script = CLIENT.format(user=user, path=str(path))
    done = await anyio.run_process([sys.executable, "-c", script], stdin=subprocess.DEVNULL)
    return done.stdout.decode().strip()


async def test_the_socket_and_its_folder_are_private(folder: AccountFolder) -> None:
    assert stat.S_IMODE(folder.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.socket.parent.stat().st_mode) == 0o700
    assert folder.socket.parent.stat().st_uid == os.getuid()
    stream, _ = await connect(folder)
    async with stream:
        assert await stream.receive() == b"hello"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become others")
async def test_another_user_cannot_connect(folder: AccountFolder) -> None:
    assert await as_user(NOBODY, folder.socket) == "PermissionError"
    assert await as_user(0, folder.socket) == "hello"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become others")
async def test_another_user_who_can_connect_is_not_served(folder: AccountFolder) -> None:
    # A way to the socket that no file mode closes.
    open_way = Path("/tmp") / f"whatsapp-mcp-test-{os.getpid()}.sock"
    folder.socket.chmod(0o666)
    open_way.hardlink_to(folder.socket)
    try:
        assert await as_user(NOBODY, open_way) == "closed"
    finally:
        open_way.unlink()
        folder.socket.chmod(0o600)
