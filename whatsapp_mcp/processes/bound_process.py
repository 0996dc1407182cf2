"""`python -m whatsapp_mcp.processes.bound_process PARENT DROPPED COMMAND…`: on Linux, ends with it.

PARENT is the process id of whoever starts it. The kernel kills the program when that process is gone, however
it ended (`PR_SET_PDEATHSIG` of prctl(2), kept over execve(2)). DROPPED names the variables that were
for this module alone, with commas between them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main(parent: str, dropped: str, *command: str) -> None:
    """Become the command.

    Raises:
        OSError: It cannot be started.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(1)  # it ended before the kernel was told
    for name in dropped.split(","):
        os.environ.pop(name, None)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
