"""Pictures of commands in a terminal."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import anyio

from pictures.drawing import Frame, draw, write_moving, write_still
from pictures.terminal import Terminal
from pictures.world import Account, account, command, demo

_STEP: Final = re.compile(rb"(?=\r\n\x1b\[1m)|(?=\x1b\[36m\xe2\x86\x92)")
"""Where the demo thinks, and where it calls a tool."""
_END: Final = re.compile(rb"\r\n[^\r\n]*What next\?")
"""What follows names the folder in which the program is."""
_TO_READ: Final = 0.008
"""Seconds for each new character."""
_SHORTEST, _LONGEST, _LAST = 0.7, 2.6, 6.0
_TO_SCAN, _TO_NOTE = 2.5, 2.5
_DEMO_LIMIT: Final = 150


async def linking(browser: Any, folder: Path) -> None:
    """The QR code of `whatsapp-mcp link`."""
    with tempfile.TemporaryDirectory() as place:
        async with account(Path(place)) as here:
            terminal = Terminal(92, 38)
            terminal.prompt("whatsapp-mcp link")
            async with terminal.running(command("link"), here.variables, here.home):
                await terminal.shows("Valid for")
                write_still(folder / "linking.png", await draw(browser, terminal))


async def linked_in(browser: Any, here: Account, terminal: Terminal) -> list[Frame]:
    """`whatsapp-mcp link` from the QR code to the end of the history."""
    terminal.prompt("whatsapp-mcp link")
    async with terminal.running(command("link"), here.variables, here.home):
        await terminal.shows("Valid for")
        code = await draw(browser, terminal, 1)
        await here.link()
        await terminal.shows("Ready: ")
        return [Frame(code, _TO_SCAN), Frame(await draw(browser, terminal, 1), _TO_NOTE)]


async def story(browser: Any, folder: Path) -> None:
    """What `whatsapp-mcp demo` prints, at the pace of somebody who skims it."""
    output = _END.split(await _printed(demo()))[0]
    terminal = Terminal(100, 30)
    terminal.prompt("whatsapp-mcp demo")
    frames: list[Frame] = []
    for part in _STEP.split(output):
        terminal.feed(part)
        seconds = min(_LONGEST, max(_SHORTEST, len(part) * _TO_READ))
        frames.append(Frame(await draw(browser, terminal, scale=1), seconds))
    write_moving(folder / "demo.gif", [*frames[:-1], Frame(frames[-1].png, _LAST)])


class _Recorder(Terminal):
    """A terminal that keeps what was written to it."""

    output = b""

    def feed(self, output: bytes) -> None:
        self.output += output
        super().feed(output)


async def _printed(program: list[str]) -> bytes:
    """What a program writes to a terminal."""
    terminal = _Recorder(100, 30)
    async with terminal.running(program, os.environ, Path.cwd()) as process:
        with anyio.fail_after(_DEMO_LIMIT):
            await process.wait()
        await terminal.rests()
    return terminal.output
