"""`python -m tests.media.confined WALLS FOLDER PORT`: a decoding process that does what it must not.

It is confined, and stands for one that was taken over: it closes a descriptor to get a free one. WALLS are
those that are there: `all`, `landlock` or `seccomp`. The answer is JSON: for each act the name of its error,
or null.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whatsapp_mcp.media import child

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH = 16


def _called(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as opened:
        opened.connect(address)


def _fork() -> None:
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)


def _run() -> None:
    _, status = os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], {}), 0)
    if status:
        raise PermissionError("it could not load its libraries")


def _no_landlock(files: object, *, network: int, scopes: int) -> int:
    return 0


def _no_seccomp(*, sizes: bool = False) -> bool:
    return False


def _in(thread_go: threading.Event, act: Callable[[], object]) -> Callable[[], None]:
    """The act, done by a thread that is started now and waits."""
    errors: list[OSError] = []

    def wait_and_act() -> None:
        thread_go.wait()
        try:
            act()
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=wait_and_act)
    thread.start()

    def go() -> None:
        thread_go.set()
        thread.join()
        if errors:
            raise errors[0]

    return go


def acts(folder: Path, port: int) -> dict[str, Callable[[], object]]:
    """What a process that was taken over might do."""
    file, parent, group = folder / "file", os.getppid(), os.getpgid(os.getppid())

    def read() -> None:
        os.close(os.open(file, os.O_RDONLY))

    return {
        "open a file": read,
        "open a file in an earlier thread": _in(threading.Event(), read),
        "make a file": lambda: os.close(os.open(folder / "new", os.O_WRONLY | os.O_CREAT)),
        "list a folder": lambda: os.listdir(folder),
        "connect to loopback": lambda: _connect(socket.AF_INET, ("127.0.0.1", port)),
        "connect to a socket without a file": lambda: _connect(socket.AF_UNIX, f"\0whatsapp-mcp-{port}"),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        "truncate": lambda: os.truncate(file, 0),
        "rename": lambda: os.rename(file, folder / "other"),
        "link": lambda: os.symlink("/etc", folder / "link"),
        "make a folder": lambda: os.mkdir(folder / "folder"),
        "delete": lambda: os.unlink(file),
        "signal its parent": lambda: os.kill(parent, 0),
        "signal its parent's group": lambda: os.killpg(group, 0),
        "run a program": _run,
        "fork": _fork,
        "change rights": lambda: os.chmod(folder, 0o755),
        "look at a file": lambda: os.stat(file),
        "trace its parent": lambda: _called(_LIBC.ptrace(_PTRACE_ATTACH, parent, 0, 0)),
        "change limits of its parent": lambda: resource.prlimit(parent, resource.RLIMIT_CORE),
        "live on without its parent": lambda: _called(_LIBC.prctl(1, 0, 0, 0, 0)),
    }


def main(walls: str, folder: Path, port: int) -> None:
    """Be confined, act, answer."""
    if walls == "landlock":
        child.compute_only = _no_seccomp
    if walls == "seccomp":
        child.apply_landlock = _no_landlock
    ways = acts(folder, port)
    outcomes: dict[str, str | None] = {}
    child.confine()
    os.close(0)
    for name, act in ways.items():
        try:
            act()
        except OSError as error:
            outcomes[name] = type(error).__name__
        else:
            outcomes[name] = None
    print(json.dumps(outcomes))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
