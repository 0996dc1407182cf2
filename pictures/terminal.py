"""A program in a pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import signal
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

LIMIT: Final = 60.0
"""Seconds in which a program has to show what is waited for."""
STOP_LIMIT: Final = 5.0
QUIET: Final = 0.4
"""Seconds without output after which a screen is complete."""
_UNKNOWN: Final = re.compile(
    rb"\x1b\[[<=>?][\d;:]*[a-zA-Z]*u|\x1b\[[>=][\d;]*[a-zA-Z]|\x1b[P_^].*?\x1b\\|\x1b\[\?[\d;]*\$p", re.DOTALL
)
"""Sequences that pyte would draw: those of keyboards, device control strings, queries of modes."""


class Terminal:
    """The screen of a program, and its keyboard.

    Args:
        columns: Its width in characters.
        lines: Its height.
    """

    def __init__(self, columns: int, lines: int) -> None:
        # Belongs to the packages of `make pictures` alone.
        pyte: Any = importlib.import_module("pyte")
        self.screen: Any = pyte.Screen(columns, lines)
        self.screen.write_process_input = self._reply
        self._render: Any = self.screen.select_graphic_rendition
        self.screen.select_graphic_rendition = self._style
        self._stream: Any = pyte.ByteStream(self.screen)
        self._keyboard = -1
        self._left = b""
        self._changed = anyio.Event()

    @property
    def text(self) -> str:
        """What can be read on the screen."""
        return "\n".join(self.screen.display)

    def feed(self, output: bytes) -> None:
        """Draw what a program has written."""
        output = self._left + output
        # A sequence may be cut by the end of a read.
        cut = output.rfind(b"\x1b", -40)
        whole = (
            len(output) if cut < 0 or re.match(rb"\x1b(\[[^a-zA-Z]*[a-zA-Z]|[^\[P_^])", output[cut:]) else cut
        )
        self._left = output[whole:]
        self._stream.feed(_UNKNOWN.sub(b"", output[:whole]))
        self._changed.set()
        self._changed = anyio.Event()

    def prompt(self, command: str) -> None:
        """Show the line with which somebody starts the program."""
        self.feed(f"\x1b[1;32m$\x1b[0m {command}\r\n".encode())

    def types(self, keys: str) -> None:
        """Press keys."""
        os.write(self._keyboard, keys.encode())

    def pastes(self, text: str) -> None:
        """Paste a text, as a whole."""
        self.types(f"\x1b[200~{text}\x1b[201~")

    def _style(self, *codes: int, **_: Any) -> None:
        self._render(*_faint_as_blinking(codes))

    def _reply(self, data: str) -> None:
        """Answer a question of the program, such as where its cursor is."""
        if self._keyboard >= 0:
            self.types(data)

    async def shows(self, pattern: str) -> None:
        """Wait until a text that fits the pattern is on the screen, and the screen is at rest.

        Raises:
            TimeoutError: It did not come; the message is the screen.
        """
        try:
            with anyio.fail_after(LIMIT):
                while not re.search(pattern, self.text):
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"No {pattern!r} on this screen:\n{self.text}") from None
        await self.rests()

    async def rests(self) -> None:
        """Wait until nothing has been drawn for a moment; spinners never rest, so there is an end to it."""
        with anyio.move_on_after(3 * QUIET):
            while True:
                with anyio.move_on_after(QUIET) as waited:
                    await self._changed.wait()
                if waited.cancelled_caught:
                    return

    @asynccontextmanager
    async def running(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> AsyncGenerator[anyio.abc.Process]:
        """A program on this terminal; it ends with the block.

        Args:
            command: What is run.
            environment: All its variables but the ones of the terminal.
            folder: Its working directory.
        """
        ours, its = os.openpty()
        _resize(its, self.screen.columns, self.screen.lines)
        # The size of the terminal is the terminal's to say.
        kept = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}
        variables = {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        # The terminal has to be the controlling one of a session of its own.
        process = await anyio.open_process(
            ["setsid", "--ctty", *command], env=variables, cwd=folder, stdin=its, stdout=its, stderr=its
        )
        os.close(its)
        self._keyboard = ours
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, ours)
                yield process
                tasks.cancel_scope.cancel()
        finally:
            self._keyboard = -1
            with anyio.CancelScope(shield=True):
                await _stop(process)
            os.close(ours)

    async def _read(self, terminal: int) -> None:
        # Reading a terminal whose program has ended is an input/output error.
        with suppress(OSError):
            while True:
                await anyio.wait_readable(terminal)
                self.feed(os.read(terminal, 65536))


def _faint_as_blinking(codes: Sequence[int]) -> list[int]:
    """Codes of a style, in which faint letters, which pyte does not know, blink, which nothing else does."""
    given, known = iter(codes), list[int]()
    for code in given:
        known += {2: [5], 22: [22, 25]}.get(code, [code])
        if code in (38, 48):  # a colour; its numbers are no codes
            kind = next(given, 5)
            known += [kind, *itertools.islice(given, 3 if kind == 2 else 1)]
    return known


def _resize(terminal: int, columns: int, lines: int) -> None:
    fcntl: Any = importlib.import_module("fcntl")
    termios: Any = importlib.import_module("termios")
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


async def _stop(process: anyio.abc.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with anyio.move_on_after(STOP_LIMIT):
            await process.wait()
            return
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
