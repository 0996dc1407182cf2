"""The home folder of a node: one process at a time, and the run that the last one had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from whatsapp_fleet.settings import HostPort
from whatsapp_mcp.device.leader import LockFile
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.settings import make_private
from whatsapp_mcp.system import write_private

LOCK: Final = "node.lock"
_RUN: Final = "node.json"


class FormerRun(NamedTuple):
    """The run of this home's last process.

    Attributes:
        run: Its name.
        listened: Where it listened, as seen from its machine.
        machine: On which machine: the folder may lie on another one by now.
    """

    run: str
    listened: HostPort
    machine: str


class NodeHome:
    """Files of a node in its home folder, beside its accounts.

    Args:
        home: The home folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While the body runs, no other node uses the home folder.

        Raises:
            InvalidArgument: One does.
        """
        make_private(self._home)
        lock = LockFile(self._home / LOCK)
        if not lock.acquire():
            raise InvalidArgument(
                f"A node uses the home folder {self._home} already (process {lock.holder()}).",
                "End it, or give this node a home folder of its own.",
            )
        try:
            yield
        finally:
            lock.release()

    def former(self) -> FormerRun | None:
        """The run that was remembered last; None where there is none, or the file says nothing."""
        try:
            known = json.loads((self._home / _RUN).read_bytes())
            return FormerRun(str(known["run"]), HostPort.parse(known["listened"]), str(known["machine"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, former: FormerRun) -> None:
        """Note the run of this process before it begins.

        Raises:
            InvalidArgument: It cannot be written.
        """
        known = json.dumps({**former._asdict(), "listened": str(former.listened)})
        try:
            write_private(self._home / _RUN, known.encode(), synced=True)
        except OSError as error:
            raise InvalidArgument(
                f"The node cannot write to its home folder {self._home}: {cause(error)}.",
                "Make room on its disk, or set its rights, and start the node again.",
            ) from error
