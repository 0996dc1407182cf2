"""`whatsapp-mcp doctor`: each fault that keeps a server from its work fails, with advice that leads out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests import fixtures
from tests.cli.faults.of_computers import OF_COMPUTERS
from tests.cli.faults.of_phones import OF_PHONES, send_afterwards
from tests.cli.faults.on_disk import ON_DISK
from tests.cli.faults.world import CONFIG, IS_ROOT, Fault, Shell, World
from whatsapp_simulator import WhatsApp

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        sys.platform != "linux", reason="the simulator, and mounts, are there for Linux alone"
    ),
]

FAULTS = (*ON_DISK, *OF_COMPUTERS, *OF_PHONES)


def make_home(folder: Path) -> Path:
    """A private home folder with settings."""
    folder.mkdir(mode=0o700)
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    folder.joinpath("config.toml").chmod(0o644)
    return folder


@asynccontextmanager
async def linked(folder: Path) -> AsyncIterator[World]:
    """A world whose account is linked and has heard from a friend; no server runs."""
    async with WhatsApp(seed=11) as whatsapp:
        world = World(make_home(folder / "home"), folder / "backup", whatsapp)
        client = await world.serve()
        await fixtures.link(client, whatsapp)
        await world.hear_from(whatsapp.person("Ann"))
        await world.end_servers()
        await anyio.to_thread.run_sync(shutil.copytree, world.home, world.backup)
        try:
            yield world
        finally:
            await world.end_servers()


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home whose account was linked: nobody may connect with it any more."""
    folder = tmp_path_factory.mktemp("linked")

    async def make() -> None:
        async with linked(folder):
            pass

    anyio.run(make)
    return folder / "home"


@asynccontextmanager
async def world_of(fault: Fault, folder: Path, at_rest: Path) -> AsyncIterator[World]:
    if fault.needs == "phone":
        async with linked(folder) as world:
            yield world
        return
    for name in ("home", "backup"):
        shutil.copytree(at_rest, folder / name)
    world = World(folder / "home", folder / "backup")
    if fault.needs == "mounts":
        async with Shell.opened() as world.shell:
            yield world
    else:
        async with world.others:
            yield world


def can_mount() -> bool:
    mapped = [] if IS_ROOT else ["--map-root-user"]
    command = ["unshare", "--mount", *mapped, "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and not subprocess.run(command, check=False).returncode


async def is_told_with_a_way_out(fault: Fault, world: World) -> None:
    code, found = await world.doctor(whole=fault.whole)
    assert (code, [each for each in found if not each.ok]) == (0, []), "the world has another fault"

    await fault.make(world)
    code, found = await world.doctor(whole=fault.whole)
    failed = {each.name: each for each in found if not each.ok}
    assert (code, fault.finding in failed) == (1, True), found
    told = failed[fault.finding]
    assert fault.said in told.detail
    assert fault.advice in (told.action or "")

    if fault.follow is None:
        await world.obey(told)
    else:
        await fault.follow(world)
    code, found = await world.doctor(whole=fault.whole)
    assert (code, [each for each in found if not each.ok]) == (0, [])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.needs} {fault.name}")
async def test_a_fault_fails_with_advice_that_leads_out_of_it(fault: Fault, tmp_path: Path, at_rest: Path):
    if fault.needs == "root" and not IS_ROOT:
        pytest.skip("only root can give a file to another user")
    if fault.needs == "mounts" and not can_mount():
        pytest.skip("this user may not mount file systems of its own")
    async with world_of(fault, tmp_path, at_rest) as world:
        await is_told_with_a_way_out(fault, world)


async def test_after_a_fault_a_server_works_again(tmp_path: Path):
    async with linked(tmp_path) as world:
        for fault in OF_PHONES:
            if fault.name in {"raw damaged", "journal damaged", "raw missing"}:
                await fault.make(world)
        assert (await world.run("status", "--wait"))[0] == 0
        await send_afterwards(world)


def test_the_table_has_thirty_faults_each_once():
    names = [(fault.needs, fault.name) for fault in FAULTS]
    assert len(set(names)) == len(names) >= 30
