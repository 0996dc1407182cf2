"""`whatsapp-mcp doctor`: what it finds in the installation, the home folder and the computer."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.archives import account_with_messages
from whatsapp_mcp import media, settings
from whatsapp_mcp.cli import installation
from whatsapp_mcp.cli.doctor import Finding, home, program
from whatsapp_mcp.cli.installation import EXTRAS, BuildInfo
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.settings import Settings, account_folder

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no permission bits")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

pytestmark = pytest.mark.anyio


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a home folder that holds nothing yet."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o700)
    return settings.load()


def test_a_library_that_the_release_was_not_tested_with_is_told(monkeypatch: pytest.MonkeyPatch):
    stamp = BuildInfo("a" * 40, date(2026, 1, 1), "0.5.0", date(2025, 12, 1))
    monkeypatch.setattr(installation, "build_info", lambda: stamp)

    found = program.versions()

    assert "tested with neonize 0.5.0" in found.detail
    assert found.action == "If the client fails, install neonize 0.5.0."


def test_the_ages_of_a_release_and_its_library_are_dates_and_no_forecast(monkeypatch: pytest.MonkeyPatch):
    stamp = BuildInfo("a" * 40, date(2026, 1, 1), "0.5.0", None)
    monkeypatch.setattr(installation, "build_info", lambda: stamp)
    monkeypatch.setattr(installation, "library_date", lambda: date(2025, 12, 1))

    found = program.age()

    assert (found.ok, found.detail) == (
        True,
        "released 2026-01-01 from aaaaaaaaaaaa; the client library is of 2025-12-01",
    )


def test_a_library_without_a_date_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installation, "library_date", lambda: None)

    assert not program.age().ok


def test_each_missing_extra_is_told_with_what_it_would_add(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(program, "find_spec", lambda _: None)  # pyright: ignore[reportUnknownLambdaType]

    found = program.extras()

    assert found.ok
    assert all(f"`{extra}` would add " in found.detail for extra in EXTRAS.keys() - {"objects", "postgres"})


def test_an_sqlite_without_full_text_search_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    class Connection(sqlite3.Connection):
        def execute(self, *_: Any) -> Any:
            raise sqlite3.OperationalError("no such module: fts5")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, factory=Connection))  # pyright: ignore[reportUnknownLambdaType]

    found = program.sqlite()

    assert (found.ok, "no such module: fts5" in found.detail) == (False, True)


def test_a_process_for_files_that_does_not_start_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise Busy("The decoding process did not start.", "Run `whatsapp-mcp doctor`.")

    monkeypatch.setattr(media, "open_worker", fails)

    found = program.pictures()

    assert (found.ok, found.detail) == (False, "The decoding process did not start.")
    assert "again" in (found.action or "")


def no_pylibmagic(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_a_libmagic_of_the_system_does_as_well(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "version", no_pylibmagic)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: "libmagic.so.1")  # pyright: ignore[reportUnknownLambdaType]

    assert program.libmagic().detail == "the system's (libmagic.so.1)"


def test_a_missing_libmagic_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "version", no_pylibmagic)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)  # pyright: ignore[reportUnknownLambdaType]

    assert not program.libmagic().ok


def test_a_shared_file_system_that_the_settings_allow_is_told(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        account_folder,
        "mounts_here",
        lambda _: [account_folder.Mount(Path("/"), "nfs4")],  # pyright: ignore[reportUnknownLambdaType]
    )

    found = home.file_system(loaded)

    assert not found.ok
    assert "nfs4" in found.detail
    assert "WHATSAPP_MCP_HOME" in (found.action or "")


def test_the_kind_of_the_file_system_is_told(loaded: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        account_folder,
        "mounts_here",
        lambda _: [account_folder.Mount(Path("/"), "btrfs")],  # pyright: ignore[reportUnknownLambdaType]
    )

    assert home.file_system(loaded).detail == "btrfs"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("megabytes", "ok", "told"),
    [(40, False, "cannot be stored"), (400, True, "no files are fetched"), (900, True, "900 MB free")],
)
def test_a_disk_with_little_room_is_told_with_what_stops(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch, megabytes: int, ok: bool, told: str
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, megabytes * 1_000_000))  # pyright: ignore[reportUnknownLambdaType]

    found = home.disk(loaded)

    assert found.ok is ok
    assert told in found.detail
    assert (found.action is None) is (megabytes == 900)


@POSIX
@pytest.mark.parametrize("name", ["http-token", "tokens/app.json", "accounts/default/client/client.db"])
def test_a_secret_that_others_can_read_is_told_with_the_fix(loaded: Settings, name: str):
    path = loaded.home / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in path.parents:
        if folder.is_relative_to(loaded.home):
            folder.chmod(0o700)
    path.touch(mode=0o600)
    assert home.permissions(loaded).ok

    path.chmod(0o640)
    found = home.permissions(loaded)

    assert not found.ok
    assert found.action == f"chmod -R go-rwx {path}"


@POSIX
def test_settings_that_an_editor_has_written_for_all_are_no_fault_in_a_private_folder(loaded: Settings):
    config = loaded.home / "config.toml"
    config.touch()
    config.chmod(0o644)

    assert home.permissions(loaded).ok


@POSIX
def test_whoever_runs_it_as_another_user_is_told(loaded: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: 1_234_567)

    found = home.permissions(loaded)

    assert (found.ok, found.action) == (False, "Run whatsapp-mcp as that user, without sudo.")


@POSIX
def test_a_file_of_another_user_is_told(loaded: Settings, monkeypatch: pytest.MonkeyPatch):
    token = loaded.home / "http-token"
    token.touch(mode=0o600)
    look = Path.lstat

    def of_root(path: Path) -> os.stat_result:
        found = look(path)
        return os.stat_result((*found[:4], 1_234_567, *found[5:])) if path == token else found

    monkeypatch.setattr(Path, "lstat", of_root)

    found = home.permissions(loaded)

    assert not found.ok
    assert f"{token} belong to another user" in found.detail
    assert (found.action or "").startswith("sudo chown")


def test_a_clock_before_the_library_was_made_is_wrong(loaded: Settings):
    found = home.clock(loaded, datetime(2020, 1, 1, tzinfo=UTC))

    assert (found.ok, "before the client library was made" in found.detail) == (False, True)


async def test_a_clock_behind_the_messages_that_are_here_is_wrong(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(installation, "library_date", lambda: None)
    await account_with_messages(loaded.account_folder(), [NOON + timedelta(hours=1)] * 3)

    found = home.clock(loaded, NOON)

    assert not found.ok
    assert found.detail.startswith("60 minutes behind")


async def test_two_messages_with_an_impossible_date_prove_nothing_about_the_clock(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(installation, "library_date", lambda: None)
    far = NOON + timedelta(days=900)
    await account_with_messages(loaded.account_folder(), [NOON - timedelta(days=1), far, far])

    assert home.clock(loaded, NOON).ok


def test_a_zone_that_does_not_exist_is_told(loaded: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Mars/Olympus")

    found = home.time_zone(loaded)

    assert not found.ok
    assert "Mars/Olympus" in found.detail


@pytest.mark.parametrize("zone", ["Europe/Berlin", "CET-1CEST", ":UTC"])
def test_a_zone_in_any_form_that_systems_take_is_fine(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch, zone: str
):
    monkeypatch.setenv("TZ", zone)

    assert home.time_zone(loaded).ok


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_port_that_somebody_has_is_told_and_nobody_is_asked(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch, taken: int
):
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__PORT", str(taken))

    found = home.port(settings.load())

    assert f"port {taken} on 127.0.0.1 cannot be used" in found.detail
    assert "serve --port" in (found.action or "")


def test_a_host_that_is_a_name_is_not_looked_up(loaded: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__HOST", "nas.example")

    assert "would have to be looked up" in home.port(settings.load()).detail


def test_accounts_that_are_here_are_counted(loaded: Settings):
    assert home.accounts(loaded).detail == "none is here yet"
    loaded.account_folder("work").create()
    assert home.accounts(loaded) == Finding("accounts", True, "1 here")


@pytest.mark.parametrize("left", [".renaming", ".removing-work"])
def test_a_change_of_an_account_that_was_interrupted_is_told(loaded: Settings, left: str):
    (loaded.home / "accounts" / left).mkdir(parents=True)
    found = home.accounts(loaded)
    assert (found.ok, found.action) == (False, "Run `whatsapp-mcp accounts`, which ends it.")


def test_settings_of_an_account_that_is_not_here_are_told(loaded: Settings):
    mistyped = loaded.with_accounts({"wrok": loaded})
    assert "wrok" in home.accounts(mistyped).detail
    assert home.accounts(mistyped).action is not None
