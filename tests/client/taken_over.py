"""`python taken_over.py --folder …`: a client process that somebody has taken over.

It is started as a client is, confines itself as one does, and then tries what `tries.json` in its folder
lists: [what, argument]. What became of each it writes to `outcomes.json`: the name of an error, or null.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from whatsapp_mcp.client.confinement import confine
from whatsapp_mcp.client.pipes import read_storage, take_aside

_PTRACE_SEIZE: Final = 0x4206


def _or_error(answer: int) -> None:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _fork(_: str) -> None:
    if os.fork() == 0:
        os._exit(0)


def _thread(_: str) -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _listen(port: str) -> None:
    with socket.socket() as listening:
        if port != "unbound":
            listening.bind(("127.0.0.1", int(port)))
        listening.listen()


def _connect(family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
    with socket.socket(family) as connecting:
        connecting.connect(address)


def _append(path: str) -> None:
    with open(path, "ab") as file:
        file.write(b"taken over")


def _ptrace(pid: str) -> None:
    _or_error(_C.ptrace(_PTRACE_SEIZE, int(pid), None, None))


def _read_memory(pid: str) -> None:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(1 << 20)
        memory.read(1)


def _read_vm(pid: str) -> None:
    class Part(ctypes.Structure):
        _fields_ = (("at", ctypes.c_void_p), ("size", ctypes.c_size_t))

    room = ctypes.create_string_buffer(1)
    here = Part(ctypes.addressof(room), 1)
    _or_error(_C.process_vm_readv(int(pid), ctypes.byref(here), 1, ctypes.byref(here), 1, 0))


def _watch(path: str) -> None:
    descriptor = _C.inotify_init()
    _or_error(descriptor)
    _or_error(_C.inotify_add_watch(descriptor, path.encode(), 0xFFF))


def _own_socket(pid: str) -> None:
    with socket.socket() as signalling:
        fcntl.ioctl(signalling, 0x8901, int(pid).to_bytes(4, sys.byteorder))


def _bind(kind: int, protocol: int, address: str) -> None:
    with socket.socket(socket.AF_INET, kind, protocol) as bound:
        bound.bind((address, 0))


def _map_device(device: str) -> None:
    descriptor = os.open(device, os.O_RDWR)
    mmap.mmap(descriptor, 1 << 20).close()


def _beside(path: str, name: str) -> str:
    return os.path.join(os.getcwd(), f"{name}-{Path(path).name}")


_C = ctypes.CDLL(None, use_errno=True)
ATTEMPTS: Final[dict[str, Callable[[str], object]]] = {
    "read": lambda path: Path(path).read_bytes(),
    "list": os.listdir,
    "append": _append,
    "truncate": lambda path: os.truncate(path, 0),
    "chmod": lambda path: os.chmod(path, 0o777),
    "touch": os.utime,
    "remove": os.unlink,
    "take": lambda path: os.rename(path, _beside(path, "taken")),
    "hard link": lambda path: os.link(path, _beside(path, "linked")),
    "soft link": lambda path: os.symlink(path, _beside(path, "soft")),
    "make": lambda path: Path(path, "planted").touch(),
    "run": lambda program: subprocess.run([program], check=True),
    "spawn": lambda program: os.posix_spawn(program, [program], {}),
    "become": lambda program: os.execv(program, [program]),
    "fork": _fork,
    "thread": _thread,
    "listen": _listen,
    "unix socket": lambda path: _connect(socket.AF_UNIX, path),
    "abstract socket": lambda name: _connect(socket.AF_UNIX, f"\0{name}"),
    "network": lambda port: _connect(socket.AF_INET, ("127.0.0.1", int(port))),
    "environment": lambda pid: Path(f"/proc/{pid}/environ").read_bytes(),
    "descriptors": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    "memory": _read_memory,
    "memory at once": _read_vm,
    "trace": _ptrace,
    "signal": lambda pid: os.kill(int(pid), 0),
    "signal a group": lambda pid: os.killpg(os.getpgid(int(pid)), 0),
    "signal a thread": lambda pid: _or_error(_C.syscall(*_TGKILL, int(pid), int(pid), 0)),
    "signal itself": lambda _: os.kill(os.getpid(), 0),
    "handle": lambda pid: os.pidfd_open(int(pid)),
    "limits": lambda pid: _or_error(_C.prlimit(int(pid), 0, None, ctypes.create_string_buffer(16))),
    "io_uring": lambda _: _or_error(_C.syscall(425, 1, ctypes.create_string_buffer(256))),
    "watch": _watch,
    "priority": lambda pid: os.setpriority(
        os.PRIO_PROCESS, int(pid), os.getpriority(os.PRIO_PROCESS, int(pid))
    ),
    "affinity": lambda pid: os.sched_setaffinity(int(pid), os.sched_getaffinity(int(pid))),
    "scheduler": lambda pid: os.sched_setscheduler(int(pid), os.SCHED_OTHER, os.sched_param(0)),
    "signal by a pipe": lambda pid: fcntl.fcntl(sys.stderr, fcntl.F_SETOWN, int(pid)),
    "choose the signal of a pipe": lambda _: fcntl.fcntl(sys.stderr, fcntl.F_SETSIG, signal.SIGKILL),
    "signal by a socket": _own_socket,
    "bind a datagram port": lambda address: _bind(socket.SOCK_DGRAM, 0, address),
    "bind a multipath port": lambda address: _bind(socket.SOCK_STREAM, 262, address),
    "netlink": lambda protocol: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, int(protocol)).close(),
    "resolve": lambda name: socket.getaddrinfo(name, 443),
    "memory file": lambda _: os.close(os.memfd_create("planted")),
    "shared memory": lambda _: mmap.mmap(-1, 1 << 20).close(),
    "shared memory of a device": _map_device,
    "namespace": lambda _: _or_error(_C.unshare(0x10000000)),
}
_TGKILL: Final = (234 if os.uname().machine == "x86_64" else 131,)


def outcome(what: str, argument: str) -> str | None:
    """The name of the error that an attempt ends with; None if it succeeds."""
    try:
        ATTEMPTS[what](argument)
    except OSError as error:
        return type(error).__name__
    return None


def main() -> None:
    """Try everything, and wait for the leader to end this."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    folder = parser.parse_known_args()[0].folder
    incoming, _ = take_aside()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    storage = read_storage(incoming)
    confine(folder, storage.certificates, unix_sockets=storage.unix_sockets)
    tries = json.loads(Path("tries.json").read_bytes())
    outcomes = [outcome(what, argument) for what, argument in tries]
    Path("outcomes.json").write_text(json.dumps([outcomes, dict(os.environ)]), encoding="utf-8")
    sys.exit()


if __name__ == "__main__":
    main()
