"""Where processes of one user meet, by the rules of each system."""

from __future__ import annotations

import json
import stat
import struct
import sys
from pathlib import Path

import anyio
import pytest

from tests.tables import for_each
from whatsapp_mcp.system import LoopbackPort, MeetingPlace, System, UnixSocket, meeting_place
from whatsapp_mcp.system.sockets import user_of_xucred

pytestmark = pytest.mark.anyio

ONLY_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no unix sockets there")
KINDS = [pytest.param(UnixSocket, marks=ONLY_POSIX), LoopbackPort]


def no_socket() -> Path:
    raise AssertionError("a system without unix sockets is not asked for one")


async def test_only_windows_meets_at_a_port(tmp_path: Path) -> None:
    socket, file = tmp_path / "s.sock", tmp_path / "port.json"
    for system in (System.LINUX, System.MACOS):
        there = meeting_place(lambda: socket, file, system)
        assert (type(there), there.path) == (UnixSocket, socket)
    there = meeting_place(no_socket, file, System.WINDOWS)
    assert (type(there), there.path) == (LoopbackPort, file)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_finds_the_file_is_heard_and_holds_the_secret(
    tmp_path: Path, kind: type[MeetingPlace]
) -> None:
    there = kind(tmp_path / "place")
    secret = there.new_secret()
    async with await there.listen(secret) as listener, anyio.create_task_group() as tasks:

        async def answer(stream: anyio.abc.ByteStream) -> None:
            async with stream:
                await stream.send(b"mine" if there.is_same_user(stream) else b"foreign")

        tasks.start_soon(listener.serve, answer)
        stream, shown = await kind(tmp_path / "place").connect()
        async with stream:
            assert (await stream.receive(), shown) == (b"mine", secret)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("kind", KINDS)
async def test_where_nobody_listens_nobody_is_reached(tmp_path: Path, kind: type[MeetingPlace]) -> None:
    with pytest.raises(OSError):  # noqa: PT011  whatever the system says of it
        await kind(tmp_path / "place").connect()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_is_private_and_new_each_time(tmp_path: Path, kind: type[MeetingPlace]) -> None:
    there = kind(tmp_path / "place")
    first, second = there.new_secret(), there.new_secret()
    assert first != second
    assert len(first) == 64
    async with await there.listen(first):
        assert first in there.secret_path.read_text()
        if sys.platform != "win32":
            assert stat.S_IMODE(there.secret_path.stat().st_mode) == 0o600


async def test_a_port_is_of_loopback(tmp_path: Path) -> None:
    there = LoopbackPort(tmp_path / "place")
    async with await there.listen(there.new_secret()) as listener:
        address = listener.extra(anyio.abc.SocketAttribute.local_address)
        assert address == ("127.0.0.1", json.loads(there.path.read_text())["port"])


@ONLY_POSIX
async def test_an_older_leader_that_has_written_no_secret_is_reached(tmp_path: Path) -> None:
    there = UnixSocket(tmp_path / "place")
    async with await there.listen(""):
        there.secret_path.unlink()
        stream, shown = await there.connect()
        await stream.aclose()
    assert shown == ""


@for_each("written", ["", "[]", "{}", '{"port": "x", "secret": ""}', '{"port": null}'])
async def test_a_file_that_names_no_port_is_as_if_nobody_listened(tmp_path: Path, written: str) -> None:
    (tmp_path / "place").write_text(written)
    with pytest.raises(OSError, match="cannot be read"):
        await LoopbackPort(tmp_path / "place").connect()


async def test_macos_tells_the_user_of_the_other_end() -> None:
    """`struct xucred` of sys/ucred.h: version, user, number of groups, padding, groups."""
    assert user_of_xucred(struct.pack("=IIhh16I", 0, 501, 1, 0, 20, *[0] * 15)) == 501
    assert user_of_xucred(struct.pack("=IIhh16I", 1, 501, 1, 0, 20, *[0] * 15)) is None
    assert user_of_xucred(b"") is None
