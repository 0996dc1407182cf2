"""Homes as a version left them: `python -m tests.upgrading.homes VERSION` makes that of the present code.

Run it before a version is released, and commit the file: later versions are tested with it. What is in a
home is in `STORED`; the people are invented, the account lives on a simulated WhatsApp.
"""

from __future__ import annotations

import functools
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from mcp import Client

from tests.fixtures import command, environment, link, mcp_client, said
from whatsapp_simulator import WhatsApp

FOLDER: Final = Path(__file__).parent
PRESENT: Final = "present"
"""Stands for the code as it is, whose home is made when it is asked for."""
SEED: Final = 23
"""The simulated WhatsApp of the homes: with it, their devices are linked again."""
CONFIG: Final = """\
[server]
toolsets = "core,messages,chats,planning"

[policy]
mode = "standard"

[policy.budgets]
gap_seconds = 0
"""
PICTURE: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "08d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""A PNG of one pixel."""


class Stored(NamedTuple):
    """What every home holds, as this version's makers wrote it."""

    friend: str
    group: str
    said: str
    answered: str
    later: str
    reaction: str
    token: str


STORED: Final = Stored(
    friend="Ann Byrne",
    group="Boat club",
    said="The mast is at the yard since Tuesday.",
    answered="I will bring the rope.",
    later="Do not forget the varnish.",
    reaction="👍",
    token="workflow",
)


def home_of(version: str, target: Path) -> Path:
    """Unpack the home of a version."""
    packed = present_home() if version == PRESENT else (FOLDER / f"{version}.tar.xz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="data")
    return target / "home"


@functools.cache
def present_home() -> bytes:
    """The packed home of this code, which a process makes once for all tests that it runs."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "tests.upgrading.homes", PRESENT, folder]
        subprocess.run(program, check=True, capture_output=True, timeout=120)
        return Path(folder, f"{PRESENT}.tar.xz").read_bytes()


def versions() -> list[str]:
    """The versions whose homes are kept, and the present one."""
    return [*sorted(path.name.removesuffix(".tar.xz") for path in FOLDER.glob("*.tar.xz")), PRESENT]


async def fill(whatsapp: WhatsApp, home: Path) -> None:
    """Live through a little of everything that is stored."""
    ann = whatsapp.person(STORED.friend)
    club = whatsapp.group(STORED.group, [ann])
    whatsapp.me.app_state.name_contact(ann, STORED.friend)
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await whatsapp.me.hand_over()
        await ann.says(STORED.said, club)
        await ann.says(whatsapp.media.attach("image", PICTURE, caption="the mast"))
        await shows(client, STORED.friend, "search_contacts", query=STORED.friend)
        await shows(client, "mast", "search_messages", query="yard")
        listed = await shows(client, "the mast", "list_messages", kind="image")
        [picture] = re.findall(r"^#\d+", listed, re.MULTILINE)
        await said(client, "download_media", message=picture)
        await said(client, "send_message", chat=STORED.friend, text=STORED.answered)
        await said(client, "react", message=picture, emoji=STORED.reaction)
        await said(client, "send_message", chat=STORED.friend, text=STORED.later, at="300d")
    run(whatsapp, home, "token", "create", STORED.token, "--scope", "read")


async def shows(client: Client, word: str, tool: str, **arguments: Any) -> str:
    """The answer of a reading tool once it has the word.

    Raises:
        TimeoutError: It had not within 20 seconds.
    """
    with anyio.fail_after(20):
        while word not in (text := await said(client, tool, **arguments)):  # noqa: ASYNC110
            await anyio.sleep(0.05)
    return text


def run(whatsapp: WhatsApp, home: Path, *arguments: str) -> str:
    """Run a command of the program; return what it printed."""
    return subprocess.run(
        command(*arguments),
        env=environment(whatsapp, home),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def pack(home: Path, target: Path) -> None:
    """Pack what a server left, without what it makes again, and nothing of this machine."""
    with tarfile.open(target, "w:xz", preset=9) as packed:
        for path in sorted(home.rglob("*")):
            if path.is_socket() or path.name == "reserve" or "logs" in path.relative_to(home).parts:
                continue
            member = packed.gettarinfo(path, arcname=str(Path("home") / path.relative_to(home)))
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            packed.addfile(member, io.BytesIO(path.read_bytes()) if path.is_file() else None)


async def _live(home: Path) -> None:
    async with WhatsApp(seed=SEED) as whatsapp:
        await fill(whatsapp, home)


def make(version: str, target: Path = FOLDER) -> None:
    """Make the home that this code leaves, under the number of a version."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        (home / "config.toml").write_text(CONFIG, encoding="utf-8")
        anyio.run(_live, home)
        packed = target / f"{version}.tar.xz"
        pack(home, packed)
        print(f"{packed.name}: {packed.stat().st_size:,} bytes")
        for path in sorted(home.rglob("*")):
            print(path.relative_to(home), path.stat().st_size if path.is_file() else "")


if __name__ == "__main__":
    make(sys.argv[1], *map(Path, sys.argv[2:]))
