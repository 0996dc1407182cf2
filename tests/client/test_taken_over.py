"""What somebody gets who has taken over a client process: its own folder and the network, on Linux."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from whatsapp_mcp.device.connection import in_folder, state
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, AccountSettings, Settings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"},
        reason="Landlock and the filter are for Linux on these",
    ),
]
PROGRAM = (sys.executable, str(Path(__file__).with_name("taken_over.py")))
OF_THE_HOME = ("config.toml", "http-token", "server.log", "tokens/app.json")
OF_AN_ACCOUNT = (
    "archive.db",
    "archive.db-wal",
    "raw.db",
    "ledger.db",
    "page.json",
    "approval.key",
    "link.json",
    "host.json",
    "link.png",
    "leader.lock",
    "client.log",
    "media/41.jpg",
    "media/outgoing/5f1c.pdf",
    "exports/Ann.txt",
    "agent/notes.json",
)
ON_FILES = ("read", "append", "truncate", "chmod", "touch", "remove", "take", "hard link")
ON_FOLDERS = ("list", "make", "chmod", "watch")
ON_PROCESSES = (
    "environment",
    "descriptors",
    "memory",
    "memory at once",
    "trace",
    "signal",
    "signal a group",
    "signal a thread",
    "handle",
    "limits",
    "priority",
    "affinity",
    "scheduler",
    "signal by a pipe",
    "signal by a socket",
)


def filled_home(folder: Path) -> Settings:
    """A home folder with two accounts, in which every file says so."""
    settings = Settings(home=folder)
    places = [folder / name for name in OF_THE_HOME]
    for account in map(settings.account_folder, ("default", "other")):
        account.create()
        places += [account.path / name for name in OF_AN_ACCOUNT]
    places.append(settings.account_folder("other").client_db)
    places.append(settings.account_folder("other").sending / "5f1c")
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("secret", encoding="utf-8")
    return settings


async def outcomes(
    account: AccountFolder, tries: list[tuple[str, str]]
) -> tuple[list[str | None], dict[str, str]]:
    """What became of attempts in a process that a leader has started as its client, and its environment."""
    (account.client / "tries.json").write_text(json.dumps(tries), encoding="utf-8")

    async def no_notice(method: str, params: Params, generation: int) -> None:
        """Nobody listens."""

    def report(event: state.ClientEvent) -> None:
        """Nobody is told."""

    client = Client(1, account, AccountSettings(), in_folder(account).client, report, no_notice, PROGRAM)
    with anyio.fail_after(60):
        await client.run()
    found, environment = json.loads((account.client / "outcomes.json").read_bytes())
    return found, environment


@contextmanager
def neighbour() -> Iterator[int]:
    """Another process of this user."""
    program = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


async def test_it_gets_no_other_file_of_its_account_or_another_and_learns_no_name(tmp_path: Path) -> None:
    settings = filled_home(tmp_path / "home")
    account = settings.account_folder()
    given = account.sending / "boat"
    given.write_bytes(b"boat")
    files = [path for path in settings.home.rglob("*") if path.is_file() and path != given]
    folders = [path for path in (settings.home, *settings.home.rglob("*")) if path.is_dir()]
    its_own = {account.client, account.received}
    tries = [(what, str(path)) for path in files for what in ON_FILES]
    tries += [(what, str(path)) for path in folders if path not in its_own for what in ON_FOLDERS]
    tries += [("soft link", str(account.archive_db)), ("hard link", str(given)), ("append", str(given))]
    modes = [path.stat().st_mode for path in (*folders, *files)]
    found, _ = await outcomes(account, tries)
    assert [tried for tried, error in zip(tries, found, strict=True) if error is None] == []
    assert {path.read_text(encoding="utf-8") for path in files} == {"secret"}
    assert [path.stat().st_mode for path in (*folders, *files)] == modes


async def test_it_works_in_its_own_folder_and_reads_what_it_is_given_to_send(tmp_path: Path) -> None:
    account = filled_home(tmp_path / "home").account_folder()
    (account.sending / "boat").write_bytes(b"boat")
    own = account.received / "1f"
    tries = [
        ("append", str(own)),
        ("read", str(own)),
        ("remove", str(own)),
        ("list", str(account.client)),
        ("read", str(account.sending / "boat")),
        ("thread", ""),
        ("signal itself", ""),
        ("resolve", "localhost"),
        ("netlink", "0"),
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        tries.append(("network", str(server.getsockname()[1])))
        found, _ = await outcomes(account, tries)
    assert dict(zip(tries, found, strict=True)) == dict.fromkeys(tries)


async def test_it_starts_nothing_listens_nowhere_and_reaches_no_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = filled_home(tmp_path / "home").account_folder()
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with (
        neighbour() as pid,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as nameless,
    ):
        path, name = tmp_path / "bus", f"whatsapp-mcp-{os.getpid()}"
        named.bind(str(path))
        nameless.bind(f"\0{name}")
        named.listen()
        nameless.listen()
        tries = [(what, str(process)) for process in (pid, os.getpid()) for what in ON_PROCESSES]
        tries += [(what, "/bin/true") for what in ("run", "spawn", "become")]
        tries += [(what, "") for what in ("fork", "io_uring", "namespace")]
        tries += [("listen", "0"), ("listen", "unbound")]
        tries += [("bind a datagram port", "127.0.0.1"), ("bind a multipath port", "127.0.0.1")]
        tries += [("choose the signal of a pipe", ""), ("netlink", "15"), ("netlink", "9")]
        tries += [("unix socket", str(path)), ("abstract socket", name)]
        found, environment = await outcomes(account, tries)
    assert [tried for tried, error in zip(tries, found, strict=True) if error is None] == []
    assert "secret" not in environment.values()


async def test_it_takes_no_memory_that_its_limit_does_not_count(tmp_path: Path) -> None:
    account = filled_home(tmp_path / "home").account_folder()
    tries = [("memory file", ""), ("shared memory", ""), ("shared memory of a device", "/dev/zero")]
    found, _ = await outcomes(account, tries)
    assert [tried for tried, error in zip(tries, found, strict=True) if error is None] == []
