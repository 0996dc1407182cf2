"""What the client library's database tells of sends that were never answered.

Before the library encrypts a message that carries a `messageSecret`, it commits the secret together with the
message's id to `client.db` (whatsmeow, `send.go`; the order of commit and frame was traced with neonize
0.5.2). So a secret that is found there tells the id of the message, and one that is not tells that no frame
went out, once the client that had it can send no more. The client process ends itself when the library
could not store a secret (`client/library.py`).

The last commit of `client.db` may be undone when the machine loses its power, and the file goes with a
logout: then nothing follows from a secret that is not there.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.device.keys import StoredDevice

_QUERY: Final = "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ? ORDER BY rowid DESC LIMIT 1"
_BOOT_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
_MAC_BOOT: Final = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
_NOT_TOLD: Final = "-"
_LOCK_LIMIT: Final = 2.0


@cache
def boot() -> str:
    """What names the running boot of the machine; `-` where the system does not tell."""
    try:
        if sys.platform == "darwin":
            return subprocess.run(_MAC_BOOT, capture_output=True, check=True, text=True).stdout.strip()
        return _BOOT_FILE.read_text(encoding="ascii").strip()
    except (OSError, subprocess.SubprocessError):
        return _NOT_TOLD


class Traces:
    """Finds out what became of a message that was handed to a client.

    Args:
        path: `client.db`.
        device: The device whose keys are stored there.
        generation: The number of the current client.
        ended: Whether the client of a number is gone and a later one is logged in.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: Callable[[], StoredDevice | None],
        generation: Callable[[], int],
        ended: Callable[[int], bool],
    ) -> None:
        self._path = path
        self._device = device
        self._generation = generation
        self._ended = ended

    def handed_to(self) -> str:
        """What is kept with a message that is handed over now: boot, device and client."""
        device = self._device()
        return f"{boot()} {device.registration if device else _NOT_TOLD} {self._generation()}"

    def is_here(self, handed_to: str) -> bool:
        """Whether the client of then is still the current one."""
        return handed_to == self.handed_to()

    def is_over(self, handed_to: str) -> bool:
        """Whether nothing that was handed over then can still go out."""
        return self._ended(int(handed_to.rpartition(" ")[2]))

    def would_tell(self, handed_to: str) -> bool:
        """Whether the database would hold the secret of everything that has gone out since then."""
        then, now = handed_to.split()[:2], self.handed_to().split()[:2]
        return then == now and _NOT_TOLD not in then

    async def message_id(self, secret: bytes) -> str | None:
        """The id under which the library has stored a message's secret, just before it sent the message.

        Raises:
            sqlite3.Error: The database cannot be read, or is not there.
        """
        return await anyio.to_thread.run_sync(self._look_up, secret)

    def _look_up(self, secret: bytes) -> str | None:
        # Opened for writing: what a killed client left half done is rolled back first.
        uri = f"{self._path.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_LIMIT)) as db:
            row = db.execute(_QUERY, (secret,)).fetchone()
        return str(row[0]) if row else None
