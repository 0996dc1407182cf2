"""What a client process can still do, and what its server hands to it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.client.client_process import NOWHERE, client_process
from tests.devices import direct
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.client import confinement
from whatsapp_mcp.client.confinement import confine
from whatsapp_mcp.client.protocol import READY
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.connection.keys import stored_device
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.processes.landlock import READ
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_mcp.system import write_private
from whatsapp_simulator import WhatsApp

linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and /proc are Linux's")


def _version_of_landlock() -> int:
    program = [sys.executable, "-m", "whatsapp_mcp.client.load"]
    return int(subprocess.run(program, capture_output=True, check=True, timeout=60).stdout.split()[0])


@pytest.fixture(scope="module")
def landlock() -> int:
    if sys.platform != "linux" or (version := _version_of_landlock()) == 0:
        pytest.skip("this kernel has no Landlock")
    return version


@pytest.fixture
def account(tmp_path: Path) -> AccountFolder:
    folder = Settings(home=tmp_path / "home").account_folder()
    folder.create()
    return folder


def attempt(folder: AccountFolder, *attempts: tuple[str, str | Path | int]) -> list[str | None]:
    """The names of the errors of these attempts in a process that is confined to the folder."""
    lines = "".join(json.dumps([what, str(argument)]) + "\n" for what, argument in attempts)
    program = [sys.executable, "-m", "tests.client.confined", str(folder.client)]
    done = subprocess.run(program, input=lines, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("landlock")
def test_a_client_reads_and_writes_in_its_folder_and_reads_what_the_system_needs(
    account: AccountFolder,
) -> None:
    file = account.received / "boat.jpg"
    attempts = (("write", file), ("read", file), ("remove", file), ("read", "/etc/hosts"), ("list", "/usr"))
    assert attempt(account, *attempts, ("read", os.devnull)) == [None] * 6


@linux
def test_a_client_runs_where_the_kernel_refuses_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(**_: bool) -> None:
        raise OSError(errno.EPERM, "no_new_privs: EPERM")

    monkeypatch.setattr(confinement, "no_new_privileges", refused)
    monkeypatch.setattr(confinement, "keep_to_itself", refused)
    assert confine(tmp_path) == (0, False)
    assert "not confined by Landlock" in caplog.text
    assert "not confined by seccomp" in caplog.text


@pytest.mark.usefixtures("landlock")
def test_a_client_reads_and_writes_nowhere_else(account: AccountFolder, tmp_path: Path) -> None:
    secret = tmp_path / "diary.txt"
    secret.write_text("dear diary", encoding="utf-8")
    other = Settings(home=tmp_path / "home").account_folder("other")
    other.create()
    other.archive_db.write_bytes(b"messages")
    (tmp_path / "home" / "config.toml").write_text("", encoding="utf-8")
    refused = attempt(
        account,
        ("read", secret),
        ("write", secret),
        ("remove", secret),
        ("list", tmp_path),
        ("read", other.archive_db),
        ("read", tmp_path / "home" / "config.toml"),
        ("write", tmp_path / "home" / "config.toml"),
        ("write", "/etc/whatsapp-mcp-test"),
    )
    assert refused == ["PermissionError"] * 8
    assert secret.read_text(encoding="utf-8") == "dear diary"


@pytest.mark.usefixtures("landlock")
def test_a_client_reads_no_other_account_where_the_home_folder_lies_among_what_the_system_needs(
    account: AccountFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "needed.so").write_bytes(b"library")
    (tmp_path / "home" / "config.toml").write_text("", encoding="utf-8")
    monkeypatch.setattr(confinement, "_SYSTEM", (*confinement._SYSTEM, tmp_path))
    readable = {path for path, rights in confinement._rules(account.client) if rights == READ}
    assert tmp_path / "library" in readable
    assert not any((tmp_path / "home" / "config.toml").is_relative_to(path) for path in readable)


@pytest.mark.usefixtures("landlock")
def test_a_client_reads_of_the_systems_settings_what_it_needs(account: AccountFolder) -> None:
    readable = [path for path, rights in confinement._rules(account.client) if rights == READ]
    for secret in (
        "/etc/whatsapp-mcp/node.key",
        "/etc/ssl/private/node.key",
        "/opt/whatsapp-mcp/config.toml",
    ):
        assert not [path for path in readable if Path(secret).is_relative_to(path)]
    [refused, *taken] = attempt(
        account, ("list", "/etc"), ("read", "/etc/passwd"), ("list", "/etc/ssl/certs")
    )
    assert (refused, taken) == ("PermissionError", [None, None])


@pytest.mark.usefixtures("landlock")
def test_a_client_runs_no_program_and_listens_on_no_port(account: AccountFolder) -> None:
    assert attempt(account, ("run", "/bin/true"), ("listen", "")) == ["PermissionError"] * 2


def test_a_client_signals_no_other_process(account: AccountFolder, landlock: int) -> None:
    if landlock < 6:
        pytest.skip("this kernel's Landlock knows nothing of signals")
    assert attempt(account, ("signal", os.getpid())) == ["PermissionError"]


@pytest.mark.usefixtures("landlock")
def test_a_client_reads_the_secret_of_no_leader(account: AccountFolder) -> None:
    other = Settings(home=account.path.parent.parent).account_folder("other")
    other.create()
    places = [folder.meeting_place for folder in (account, other)]
    for place in places:
        write_private(place.secret_path, b"secret")
    try:
        refused = attempt(account, *(("read", place.secret_path) for place in places))
    finally:
        for place in places:
            place.secret_path.unlink()
    assert refused == ["PermissionError"] * 2


def test_where_there_is_no_landlock_a_client_runs_unconfined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert confine(tmp_path) == (0, False)


@linux
@pytest.mark.anyio
async def test_a_client_gains_no_privileges(tmp_path: Path) -> None:
    async with client_process(tmp_path) as client:
        status = await anyio.Path(f"/proc/{client.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status.splitlines()


@pytest.fixture
async def pointed(account: AccountFolder, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalDevice]:
    """A device as it is installed, in an environment that is pointed at a simulated WhatsApp."""
    async with WhatsApp() as whatsapp:
        for name, value in whatsapp.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("API_KEY", "secret")
        settings = CurrentSettings(Settings(home=account.path.parent.parent))
        async with open_archive(account, write=True) as archive, background_tasks() as tasks:
            device = LocalDevice(account, settings, archive, tasks, owner=stored_device(account.client_db))
            await device.start()
            yield device


@linux
@pytest.mark.anyio
async def test_the_simulators_variables_do_not_point_an_installed_client_at_it(
    pointed: LocalDevice, account: AccountFolder
) -> None:
    with pytest.raises(WhatsAppError, match=r"certificate|reached"):
        await direct(pointed).do(control.link)


@linux
@pytest.mark.anyio
async def test_a_client_gets_the_variables_that_it_needs_and_no_others(
    pointed: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = b""
    heard = Client._notified

    async def read_first(client: Client, method: str, params: Params) -> None:
        nonlocal given
        if method == READY:  # it waits to be told to connect, and so it runs
            given = await anyio.Path(f"/proc/{params['pid']}/environ").read_bytes()
        await heard(client, method, params)

    monkeypatch.setattr(Client, "_notified", read_first)
    with pytest.raises(WhatsAppError):
        await direct(pointed).do(control.link)
    names = {each.partition("=")[0] for each in given.decode().split("\0") if each}
    allowed = {"HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "NEONIZE_BOT_TAG"}
    allowed |= {"TMPDIR", "SQLITE_TMPDIR", *NOWHERE, "no_proxy", "LC_CTYPE"}
    assert {"NEONIZE_BOT_TAG", "HTTPS_PROXY"} <= names <= allowed
