"""Files that are read in the background: how soon their words are found, and what that costs everything else.

A server with all readers (documents, words in pictures, speech by PocketSphinx) on the simulated WhatsApp,
which runs in this process; the archive is read here, as a follower does. Measured are

* the seconds from the sending of a PDF, a screenshot and a voice note until a search finds their words,
* receiving and searching with a thousand files to be read and with reading switched off, in turn,
* the most memory of the reading process,
* what is lost when the reading process is killed again and again.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.history import whatsapp
from benchmarks.verdicts import Verdict, amount, judged, timed
from tests.archive import events as ev
from tests.device.server_process import server_process
from tests.media.document_files import pdf, shown
from tests.media.footage import written
from tests.media.speech_samples import VOICE_NOTE, WORDS
from whatsapp_mcp.archive import ReadingArchive, open_archive, recording
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.models import ConnectionState, ContactUpdate, FilesStatus
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

FOUND_WITHIN: Final = 10.0
SLOWER: Final = 1.05
"""Times the same without reading."""
BACKLOG: Final = amount(1_000, 40)
BURST: Final = amount(500, 20)
SEARCHES: Final = amount(300, 10)
KILLS: Final = amount(10, 1)
LIMIT: Final = 300.0
_ANN: Final = "15550000001@s.whatsapp.net"
_BEN: Final = "15550000002"
_EACH: Final = 0.01
_SETTLE: Final = amount(6.0, 1.0)
"""Seconds after a change of the settings: the reading under way has ended, or the next ones have begun."""


@dataclass(frozen=True)
class Running:
    """A server that runs, and what it is asked with."""

    ben: Person
    wa: WhatsApp
    devices: Accessor[Device]
    archive: ReadingArchive
    pid: int

    async def files(self) -> FilesStatus:
        """Return the progress of reading files."""
        async with self.devices.use() as device:
            files = (await device.do(control.status)).files
        assert files is not None
        return files

    async def found(self, words: str, count: int = 1) -> None:
        """Wait until a search finds so many messages."""
        while len((await self.archive.search(words, limit=count)).items) < count:  # noqa: ASYNC110
            await anyio.sleep(_EACH)


def configure(home: Path, *, read: bool) -> None:
    """Write the settings; they take effect at once."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(
        f'[policy]\nmode = "open"\n[voice]\nengine = "pocketsphinx"\n[media]\nread = {str(read).lower()}\n',
        encoding="utf-8",
    )


FILES: Final = (
    ("document", "pdf", "application/pdf", pdf([shown("The deposit is 900 euros.")])),
    ("image", "png", "image/png", written("Your train leaves at 14:05", "Platform 7, coach 21")),
    ("audio", "ogg", "audio/ogg; codecs=opus", VOICE_NOTE),
)
"""Files that are read: message field, extension, media type and content of each."""
_LONG: Final = written(
    *(f"{number}. a line of a long conversation, {number * 7} words" for number in range(24))
)
"""A screenshot of the backlog: reading it takes about as long as a person's real ones do."""
SEARCHED: Final = {"PDF": "deposit euros", "screenshot": "train platform coach", "voice note": WORDS}
_IN_BACKLOG: Final = ("deposit euros", "long conversation", WORDS)


def _message(number: int) -> tuple[Any, str, bytes]:
    """A message of the backlog; the ending of its file, and the file."""
    field, ending, mime_type, content = FILES[number % len(FILES)]
    content = _LONG if field == "image" else content
    message: Any = E2E.Message()
    part = getattr(message, f"{field}Message")
    part.mimetype, part.fileLength = mime_type, len(content)
    part.directPath, part.mediaKey = "/v/x", b"k" * 32
    if field == "document":
        part.fileName = f"{number}.pdf"
    if field == "audio":
        part.PTT, part.seconds = True, 3
    return message, ending, content


async def fill(home: Path, count: int) -> None:
    """An archive that knows Ann and Ben, and so many files of Ann, which are here and not read."""
    folder = Settings(home=home).account_folder()
    folder.create()
    at = int(time.time()) - 86_400
    made = [_message(number) for number in range(count)]
    async with open_archive(folder, write=True) as archive:
        events = [
            ev.message(f"A{number}", message, chat=_ANN, at=at + number)
            for number, (message, _, _) in enumerate(made)
        ]
        await archive.ingest(ev.journal(events))
        known = {_ANN: "Ann", f"{_BEN}@s.whatsapp.net": "Ben"}
        await archive.write(
            recording.record_contacts, [ContactUpdate(jid, saved_name=name) for jid, name in known.items()]
        )
        for number, (_, ending, content) in enumerate(made):
            path = folder.media / f"{number}.{ending}"
            path.write_bytes(content)
            await archive.write(recording.record_media_path, f"A{number}", str(path))


@asynccontextmanager
async def running(home: Path) -> AsyncGenerator[Running]:
    """A linked server, in a process of its own."""
    async with (
        whatsapp() as wa,
        server_process(home) as process,
        open_device(Settings(home=home)) as (devices, archive, _),
    ):
        shown_code = None
        while shown_code is None:
            async with devices.use() as device:
                if (await device.do(control.status)).leader_pid is not None:
                    shown_code = (await device.do(control.link)).qr
            await anyio.sleep(_EACH)
        await wa.me.scan(shown_code.text)
        state = None
        while state is not ConnectionState.ONLINE:
            async with devices.use() as device:
                state = (await device.do(control.status)).state
            await anyio.sleep(_EACH)
        await wa.me.online()
        yield Running(wa.person("Ben", _BEN), wa, devices, archive, process.pid)


async def measure_finding(folder: Path, rounds: int) -> bool:
    """Send one file of each kind at a time, and wait for its words."""
    configure(folder, read=True)
    await fill(folder, 0)
    taken: dict[str, list[float]] = {name: [] for name in SEARCHED}
    async with running(folder) as server:
        for number in range(1, rounds + 1):
            for name, kind, (_, ending, mime_type, content) in zip(
                SEARCHED, ("document", "image", "voice"), FILES, strict=True
            ):
                fields: dict[str, Any] = {"fileName": f"x.{ending}"} if kind == "document" else {}
                fields |= {"seconds": 3} if kind == "voice" else {}
                message = server.wa.media.attach(kind, content, mimetype=mime_type, **fields)
                began = time.perf_counter()
                await server.ben.says(message)
                await server.found(SEARCHED[name], number)
                taken[name].append(time.perf_counter() - began)
    print(f"{'seconds until its words are found':40}{'first':>8}{'median':>8}{'worst':>8}")
    for name, times in taken.items():
        print(f"{name:40}{times[0]:8.2f}{statistics.median(times):8.2f}{max(times):8.2f}")
    return _verdict("the worst of all", max(max(times) for times in taken.values()), FOUND_WITHIN)


async def _received(server: Running, burst: int) -> float:
    """Messages a second, from the sending of a burst to its last message in the archive."""
    word = f"last{random.randbytes(6).hex()}"
    began = time.perf_counter()
    for number in range(burst - 1):
        await server.ben.says(f"message {number} of a burst")
    await server.ben.says(word)
    await server.found(word)
    return burst / (time.perf_counter() - began)


async def _searched(server: Running) -> float:
    """Median seconds of a search."""
    times: list[float] = []
    for number in range(SEARCHES):
        began = time.perf_counter()
        await server.archive.search(("burst", "message")[number % 2], limit=20)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def measure_cost(folder: Path, rounds: int, backlog: int) -> bool:
    """Receive and search in turn with and without reading."""
    configure(folder, read=False)
    await fill(folder, backlog)
    rates: dict[bool, list[float]] = {False: [], True: []}
    waits: dict[bool, list[float]] = {False: [], True: []}
    most = 0
    async with running(folder) as server:
        await _received(server, BURST)
        for number in range(2 * rounds):
            read = (number % 2 == 1) != (number // 2 % 2 == 1)  # A B B A
            configure(folder, read=read)
            await anyio.sleep(_SETTLE)
            rates[read].append(await _received(server, BURST))
            waits[read].append(await _searched(server))
            most = max(most, (await server.files()).reader_bytes or 0)
        configure(folder, read=True)
        left = (await server.files()).to_read
    print(f"{backlog} files to be read, {left} of them left at the end; memory up to {most / 1e6:.0f} MB")
    print(f"{'':28}{'without':>12}{'with reading':>14}")
    off, on = (statistics.median(rates[read]) for read in (False, True))
    print(f"{'messages received a second':28}{off:12.0f}{on:14.0f}")
    quiet, busy = (statistics.median(waits[read]) * 1000 for read in (False, True))
    print(f"{'ms of a search':28}{quiet:12.2f}{busy:14.2f}")
    passed = _verdict("times slower to receive", off / on, SLOWER)
    passed &= _verdict("times slower to search", busy / quiet, SLOWER)
    return passed and left > 0


def _reading_processes(leader: int) -> list[int]:
    """The reading processes of a server (Linux)."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == leader and b"media.readers" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


async def measure_kills(folder: Path, backlog: int) -> bool:
    """Kill the reading process at random moments of a backlog; then let it be done."""
    configure(folder, read=True)
    await fill(folder, backlog)
    killed: set[int] = set()
    async with running(folder) as server:
        with anyio.fail_after(LIMIT):
            while len(killed) < KILLS and (await server.files()).to_read > 0:
                await anyio.sleep(random.uniform(0.2, 2.0))
                for pid in _reading_processes(server.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.add(pid)
            while (await server.files()).to_read > 0:  # noqa: ASYNC110
                await anyio.sleep(1)
        messages = [
            message
            for words in _IN_BACKLOG
            for message in (await server.archive.search(words, limit=backlog)).items
        ]
    lost = backlog - len({message.ref for message in messages})
    print(f"{len(killed)} times killed with {backlog} files to be read")
    return _verdict("files lost", lost, 0, judged)


def _verdict(what: str, value: float, limit: float, judge: Callable[[bool], Verdict] = timed) -> bool:
    verdict = judge(value <= limit)
    print(f"{verdict}  {what:36}{value:8.2f}   at most {limit:g}")
    return bool(verdict)


async def run(rounds: int, backlog: int) -> bool:
    """Measure everything."""
    print(f"{datetime.now().astimezone():%Y-%m-%d %H:%M}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        passed = await measure_finding(folder / "finding", rounds)
        passed &= await measure_cost(folder / "cost", rounds, backlog)
        return await measure_kills(folder / "kills", backlog // 20) and passed


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=amount(6, 1))
    parser.add_argument("--backlog", type=int, default=BACKLOG)
    arguments, _ = parser.parse_known_args()
    raise SystemExit(not anyio.run(run, arguments.rounds, arguments.backlog))


if __name__ == "__main__":
    main()
