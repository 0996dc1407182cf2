"""`python -m tests.client.confined FOLDER`: confines itself as a client does, then tries what stdin asks.

Each line is a JSON list: what to try, and its argument. The answer is the name of the error, or null.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from whatsapp_mcp.client.confinement import confine


def _listen(_: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))


ATTEMPTS: Final[dict[str, Callable[[str], object]]] = {
    "read": lambda path: Path(path).read_bytes(),
    "list": os.listdir,
    "write": lambda path: Path(path).write_text("written", encoding="utf-8"),
    "remove": os.unlink,
    "run": lambda program: subprocess.run([program], check=True),
    "listen": _listen,
    "signal": lambda process: os.kill(int(process), 0),
}


def main(folder: Path) -> None:
    """Answer until the input ends."""
    confine(folder)
    for line in sys.stdin:
        what, argument = json.loads(line)
        try:
            ATTEMPTS[what](argument)
        except OSError as error:
            print(json.dumps(type(error).__name__))
        else:
            print("null")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
