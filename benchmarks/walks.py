"""The number of files and functions of the package that run for one send, one incoming message and one list.

It counts with `sys.setprofile` in the server and its client process together, warmed up, against the
simulated WhatsApp. `python -m benchmarks.walks --names` prints the names. A function counts if it runs in
each of five rounds, which excludes background tasks that happen to wake; lambdas, generator expressions and
the simulator are not counted.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio

import whatsapp_mcp
from benchmarks.sends import confirm, link, online, served, simulator
from benchmarks.verdicts import amount
from whatsapp_mcp.settings import HOME_VARIABLE

ROUNDS: Final = amount(5, 1)
WARM_UP: Final = amount(3, 1)
QUIET: Final = 0.4
"""Seconds after which all work of a round has ended."""
FOLDER_VARIABLE: Final = "WALKS_FOLDER"
"""The folder where a process writes its functions on `SIGUSR1`, to a file named after its process id."""
COUNTED: Final = f"""
import os, signal, sys, threading

seen = set()

def note(frame, event, argument):
    if event == "call":
        seen.add(frame.f_code)

def tell(number, frame):
    lines = [f"{{code.co_filename}}\\t{{code.co_qualname}}\\t{{code.co_name}}" for code in tuple(seen)]
    seen.clear()
    path = os.path.join(os.environ["{FOLDER_VARIABLE}"], str(os.getpid()))
    with open(path + ".new", "w") as file:
        file.write("\\n".join(lines))
    os.replace(path + ".new", path)

signal.signal(signal.SIGUSR1, tell)
open(os.path.join(os.environ["{FOLDER_VARIABLE}"], str(os.getpid())), "w").close()
threading.setprofile(note)
sys.setprofile(note)
"""
CLIENT: Final = f"""
{COUNTED}
from whatsapp_mcp.client import __main__ as program
program.confine = lambda *_, **__: 0  # it notes its functions elsewhere
program.main()
"""
SERVER: Final = f"""
{COUNTED}
from functools import partial
from whatsapp_mcp.server import main, runtime
from whatsapp_simulator.launcher import client_program

def load_opener():
    from whatsapp_mcp.device.leader import open_device

    noted = "{FOLDER_VARIABLE}=" + os.environ["{FOLDER_VARIABLE}"]
    program = ("/usr/bin/env", noted, sys.executable, "-P", "-c", {CLIENT!r})
    return partial(open_device, program=client_program(os.environ, program))

runtime._load_opener = load_opener
main.serve(main.ServeOptions())
"""

Functions = frozenset[tuple[str, str]]
"""The file and qualified name of each function."""


async def functions_run(folder: Path) -> Functions:
    """The functions that ran in all processes since the last call."""
    package = Path(whatsapp_mcp.__file__).parent
    found: set[tuple[str, str]] = set()
    for file in sorted(folder.iterdir()):  # noqa: ASYNC240  small and local
        file.unlink()
        os.kill(int(file.name), signal.SIGUSR1)
        with anyio.fail_after(10):
            while not file.exists():  # noqa: ASYNC110  a signal handler writes it
                await anyio.sleep(0.01)
        for line in file.read_text().splitlines():
            path, qualified, name = line.split("\t")
            if name.startswith("<") or not Path(path).is_relative_to(package):
                continue
            found.add((Path(path).relative_to(package).as_posix(), qualified))
    return frozenset(found)


async def walk(folder: Path, act: Callable[[int], Awaitable[Any]]) -> Functions:
    """The functions that run each time that `act` is called."""
    rounds: list[Functions] = []
    for number in range(WARM_UP + ROUNDS):
        await functions_run(folder)
        await act(number)
        await anyio.sleep(QUIET)
        rounds.append(await functions_run(folder))
    return frozenset.intersection(*rounds[WARM_UP:])


async def nothing(number: int) -> None:
    """Do nothing: only background work runs."""


async def measure(home: Path, folder: Path) -> dict[str, Functions]:
    """The functions of each walk, by its name."""
    async with simulator() as (whatsapp, variables):
        ann = await whatsapp("person", name="Ann")
        environment = {**variables, HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"}
        await link(whatsapp, environment)
        await confirm(environment, ann)
        environment[FOLDER_VARIABLE] = str(folder)
        async with served(environment, "-c", SERVER) as client:
            await online(client)

            async def call(tool: str, **arguments: Any) -> None:
                result = await client.call_tool(tool, arguments)
                assert not result.is_error, result.content

            return {
                "idle": await walk(folder, nothing),
                "send_message": await walk(
                    folder, lambda at: call("send_message", chat=ann["number"], text=f"Message {at}")
                ),
                "incoming message": await walk(
                    folder, lambda at: whatsapp("says", who="Ann", text=f"Answer {at}")
                ),
                "list_chats": await walk(folder, lambda _: call("list_chats")),
            }


async def run(names: bool) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        walks = await measure(Path(home), Path(folder))
    for name, functions in walks.items():
        files = sorted({file for file, _ in functions})
        print(f"{name:20}{len(files):4} files {len(functions):5} functions")
        for file in files if names else ():
            print(f"    {file}: {', '.join(sorted(each for where, each in functions if where == file))}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walks", description=__doc__)
    parser.add_argument("--names", action="store_true", help="print the functions of each file too")
    anyio.run(run, parser.parse_args().names)


if __name__ == "__main__":
    main()
