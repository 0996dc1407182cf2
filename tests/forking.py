"""Server and client processes of tests that begin as copies of one that has loaded their modules.

Nearly all that such a process computes in a test is the loading of modules. `Copies.use` lets `subprocess`
start them by asking a template, a process that has loaded the modules once for each worker of the tests, to
copy itself. The copy is a child of whoever asked, and has the arguments, variables, folder and files that it
was given. Other programs are executed; with `FRESH_PROCESSES`, and elsewhere than on Linux, all of them.

`python -m tests.forking NUMBER MODULE… PADDING` is a template; NUMBER is the socket on which it is asked.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import inspect
import io
import json
import os
import platform
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import pytest

FRESH: Final = "FRESH_PROCESSES"
SERVER: Final = "whatsapp_mcp.simulated"
CLIENT: Final = "whatsapp_mcp.client"
LOADED: Final[Mapping[str, Sequence[str]]] = {
    SERVER: (
        "whatsapp_simulator.launcher", "whatsapp_mcp.cli.app", "whatsapp_mcp.cli.serve",
        "whatsapp_mcp.device.leader", "whatsapp_mcp.server.main", "whatsapp_mcp.server.transports",
    ),
    CLIENT: (
        "PIL.Image", "colorlog", "csv", "importlib.metadata", "magic", "multiprocessing.queues",
        "phonenumbers", "whatsapp_mcp.client.__main__", "whatsapp_mcp.client.arguments",
        "whatsapp_mcp.client.fetching", "whatsapp_mcp.client.journaling", "whatsapp_mcp.protobufs.bounded",
    ),
}  # fmt: skip
"""What a template has loaded. A copy would lack the threads of the client library, and loads that itself."""
_ROOT: Final = Path(__file__).parents[1]
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT: Final = 0x8000
_PADDING: Final = 4096
"""Bytes for the arguments of a copy, where the system shows those of a process."""
_VARIABLES: Final = 200
"""How many variables a copy may have."""
_ARGUMENTS_FROM: Final = 45
_VARIABLES_FROM: Final = 47
"""Fields of `/proc/self/stat` behind the name."""
_HIGH: Final = 200
"""Above the numbers of the files that a copy is given."""
_READ_AT_START: Final = (
    "COLUMNS", "FORCE_COLOR", "LANG", "LC_", "LD_", "LINES", "MALLOC_", "NO_COLOR", "PYTHON", "TERM",
)  # fmt: skip
"""Variables that Python and libraries read once."""


@dataclass(frozen=True)
class Request:
    """A process that is wanted.

    Attributes:
        module: What it runs.
        arguments: Those behind the module.
        variables: Its environment.
        safe_path: Whether its folder is left out of `sys.path`.
        folder: Where it works.
        new_session: Whether it leads a session.
        numbers: Those of its files, which are sent in the same order.
        shown: The whole command.
    """

    module: str
    arguments: list[str]
    variables: dict[str, str]
    safe_path: bool
    folder: str = ""
    new_session: bool = False
    numbers: Sequence[int] = ()
    shown: Sequence[str] = ()


class Template:
    """The process that is copied, for whoever asks it.

    Args:
        modules: What it loads.
        variables: Its environment.
    """

    def __init__(self, modules: Sequence[str], variables: Mapping[str, str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._read = _read_at_start(variables)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(number), *modules, "-" * _PADDING],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=_ROOT,
                env={**{f"PADDING_{count}": "-" * 100 for count in range(_VARIABLES)}, **variables},
                pass_fds=(number,),
            )
        atexit.register(self._close)

    def fits(self, variables: Mapping[str, str]) -> bool:
        """Whether a copy with these variables is what a program would be that is executed with them."""
        return _read_at_start(variables) == self._read and len(variables) < _VARIABLES

    def copy(self, request: Request, files: Sequence[int]) -> int:
        """Start a copy; return its number."""
        with self._lock:
            socket.send_fds(self._ours, [json.dumps(asdict(request)).encode()], files)
            return int(self._ours.recv(64))

    def _close(self) -> None:
        self._ours.close()
        self._process.wait()


def _read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(_READ_AT_START) and name != "PYTHONPATH"
    }


def _request(command: Sequence[str], variables: Mapping[str, str]) -> Request | None:
    """What a command asks for, if it is one that templates start."""
    words = [*command]
    given = dict(variables)
    if words and words[0] == "/usr/bin/env":
        words.pop(0)
        while words and "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            given[name] = value
    match words:
        case [sys.executable, "-P", "-m", module, *arguments] if module == CLIENT:
            return Request(module, arguments, given, safe_path=True)
        case [sys.executable, "-m", module, *arguments] if module == SERVER:
            return Request(module, arguments, given, safe_path=False)
        case _:
            return None


class Copies:
    """The templates of a worker of the tests."""

    def __init__(self) -> None:
        self._templates: dict[str, Template] = {}
        self._variables = dict(os.environ)  # before tests change it

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let `subprocess`, and all that is made of it, start copies."""
        if sys.platform != "linux" or platform.machine() not in _CLONE or os.environ.get(FRESH):
            return
        execute: Any = getattr(subprocess.Popen, "_execute_child")  # noqa: B009  typeshed does not know it
        parameters = inspect.signature(execute)

        def start(process: Any, *args: Any, **named: Any) -> None:
            given = parameters.bind(process, *args, **named).arguments
            request = _request_of(given)
            template = request and self._template_for(request)
            if request is None or template is None:
                return execute(process, *args, **named)
            pipes = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
            files = [number if pipe == -1 else pipe for number, pipe in enumerate(pipes)]
            process.pid = template.copy(request, [*files, *given["pass_fds"]])
            process._child_created = True
            ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            return process._close_pipe_fds(*(given[name] for name in ends))

        patch.setattr(subprocess.Popen, "_execute_child", start)

    def _template_for(self, request: Request) -> Template | None:
        """The template of which a copy is what a program would be that is executed."""
        if request.module not in self._templates:
            self._templates[request.module] = Template(LOADED[request.module], self._variables)
        template = self._templates[request.module]
        # A client is started with few variables, and reads none of those.
        return template if request.module == CLIENT or template.fits(request.variables) else None


def _request_of(given: Mapping[str, Any]) -> Request | None:
    """What `subprocess` was asked for, if a template can start it."""
    command: Any = given["args"]
    usual = all(given[name] in {None, -1} for name in ("gid", "gids", "uid", "umask", "process_group"))
    if given["shell"] or given["preexec_fn"] or given["executable"] or not usual:
        return None
    if not isinstance(command, list | tuple) or not all(isinstance(word, str) for word in command):  # pyright: ignore[reportUnknownVariableType]
        return None
    request = _request(command, os.environ if given["env"] is None else given["env"])  # pyright: ignore[reportUnknownArgumentType]
    return request and Request(
        request.module,
        request.arguments,
        request.variables,
        request.safe_path,
        os.fspath(given["cwd"] or Path.cwd()),
        given["start_new_session"],
        [0, 1, 2, *given["pass_fds"]],
        [*command],  # pyright: ignore[reportUnknownArgumentType]
    )


class _FirstVariables:
    """The environment where this process got it at its start: there Go reads it, and the system shows it."""

    def __init__(self) -> None:
        self._at = ctypes.c_void_p.in_dll(ctypes.PyDLL(None), "environ").value

    def set(self, variables: Mapping[str, str]) -> None:
        """Put these there."""
        start, end = _memory(_VARIABLES_FROM)
        texts = [os.fsencode(f"{name}={value}") + b"\0" for name, value in variables.items()]
        whole = b"".join(texts)
        assert self._at is not None
        assert len(whole) <= end - start
        ctypes.memmove(start, whole.ljust(end - start, b"\0"), end - start)
        places = [start + sum(map(len, texts[:count])) for count in range(len(texts))]
        pointers = (ctypes.c_void_p * (len(places) + 1))(*places, None)
        ctypes.memmove(self._at, pointers, ctypes.sizeof(pointers))


def _memory(field: int) -> tuple[int, int]:
    """Where something of this process begins and ends that the system shows."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(fields[field]), int(fields[field + 1])


def _copy() -> int:
    """Copy this process as a further child of its parent; 0 in the copy, as `os.fork` has it."""
    python: Any = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock between these calls
    python.PyOS_BeforeFork()
    number = python.syscall(_CLONE[platform.machine()], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if number == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if number < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return number


def _become(request: Request, files: Sequence[int]) -> None:
    """Give this process what was asked for, but for what Python keeps of it."""
    high = [fcntl.fcntl(file, fcntl.F_DUPFD, _HIGH) for file in files]
    for number, file in zip(request.numbers, high, strict=True):
        os.dup2(file, number)
    kept = sorted(request.numbers)
    for number, following in zip(kept, [*kept[1:], max(high) + 1], strict=True):
        os.closerange(number + 1, following)
    if request.new_session:
        os.setsid()
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.variables)
    time.tzset()
    start, end = _memory(_ARGUMENTS_FROM)
    shown = b"\0".join(os.fsencode(word) for word in request.shown)[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def _start_python(request: Request, path: Sequence[str]) -> None:
    """Do what Python does at its start."""
    others = [entry for entry in request.variables.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [*([] if request.safe_path else [request.folder]), *others, *path]
    sys.argv[:] = [request.module, *request.arguments]
    unbuffered = bool(request.variables.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        former: TextIO = getattr(sys, name)
        file = io.FileIO(number, "w" if number else "r", closefd=False)
        raw: Any = io.BufferedReader(file) if not number else file if unbuffered else io.BufferedWriter(file)
        lines = number == 2 or file.isatty()
        stream = io.TextIOWrapper(raw, former.encoding, former.errors, None, lines, unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.modules.pop("sitecustomize", None)
    importlib.invalidate_caches()
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")


def _serve() -> str:
    """Make copies until nobody can ask for any more; return in each copy, with the module to run."""
    first_variables = _FirstVariables()
    number, *modules, _ = sys.argv[1:]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    del sys.path[0]
    for module in modules:
        importlib.import_module(module)
        if module.endswith(".__main__"):
            del sys.modules[module]  # it is run
    path = [entry for entry in sys.path if entry not in given]
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(number)) as asking:
        while True:
            message, files, _, _ = socket.recv_fds(asking, 1 << 20, 64)
            if not message:
                sys.exit()
            request = Request(**json.loads(message))
            copied = _copy()
            if copied == 0:
                break
            for file in files:
                os.close(file)
            asking.send(str(copied).encode())
    _become(request, files)
    first_variables.set(request.variables)
    _start_python(request, path)
    return request.module


if __name__ == "__main__":
    runpy.run_module(_serve(), run_name="__main__", alter_sys=True)
