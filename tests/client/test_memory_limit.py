"""A file that unpacks to gigabytes ends the client process, not the machine, and the account goes on."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from unittest.mock import Mock

import anyio
import pytest

from tests.server.linked import LIMIT, linked_account
from whatsapp_simulator import kinds

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process can write"),
]
MEMORY = 1_800_000
"""KiB that the client process has at most: what it may take, and what its libraries have mapped."""


def bomb() -> bytes:
    """What unpacks to four gigabytes: one block, again and again. Its end is never reached."""
    packer = zlib.compressobj(1)
    first = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * 255


def clients() -> dict[int, int]:
    """The client processes of this process, and the memory that each has."""
    found: dict[int, int] = {}
    for task in Path("/proc/self/task").iterdir():
        for pid in map(int, (task / "children").read_text().split()):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                status = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            memory = [int(line.split()[1]) for line in status if line.startswith("VmRSS:")]
            if b"--generation" in command and memory:
                found[pid] = memory[0]
    return found


async def test_history_that_unpacks_to_gigabytes_ends_the_client_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, most = bomb(), 0
    with anyio.fail_after(3 * LIMIT):
        async with linked_account(tmp_path / "home") as linked:
            (before,) = clients()
            past = linked.wa.me.history
            past.add(linked.ann, kinds.text("old"), linked.ann, at=1_700_000_000)
            with monkeypatch.context() as patch:
                patch.setattr(zlib, "compress", Mock(return_value=packed))
                await past.send("recent")
            while before in (now := clients()):
                most = max(most, now[before])
                await anyio.sleep(0.02)
            await linked.ann.says("still here?")
            await linked.archived(lambda chat: chat.last_message_at is not None, str(linked.ann.pn))
    assert most < MEMORY
