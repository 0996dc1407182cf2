"""Faults of the settings, of the programs, and of the disks of a computer."""

from __future__ import annotations

import sys

import anyio

from tests.cli.faults.world import CONFIG, Fault, World

# Settings.


async def config_unreadable(world: World) -> None:
    world.config.chmod(0)


async def make_config_readable(world: World) -> None:
    world.config.chmod(0o600)


async def config_broken(world: World) -> None:
    world.config.write_text('[policy\nmode = "open"\n')


async def config_unknown_key(world: World) -> None:
    world.config.write_text('[policy]\nmoode = "open"\n')


async def config_bad_value(world: World) -> None:
    world.config.write_text('[network]\nproxy = "nonsense"\n')


async def config_of_bytes(world: World) -> None:
    world.config.write_bytes(b"# caf\xe9\n")


async def toolset_mistyped(world: World) -> None:
    world.config.write_text(f'[server]\ntoolsets = "core,groop"\n{CONFIG}')


async def correct_config(world: World) -> None:
    world.config.write_text(CONFIG)


async def zone_mistyped(world: World) -> None:
    world.variables["TZ"] = "Mars/Olympus"


async def correct_zone(world: World) -> None:
    world.variables["TZ"] = "Europe/Berlin"


async def application_starts_what_is_gone(world: World) -> None:
    folder = world.home.with_name("person") / "Claude"
    folder.mkdir(parents=True)
    (folder / "claude_desktop_config.json").write_text(
        '{"mcpServers": {"whatsapp": {"command": "/nowhere/whatsapp-mcp"}}}'
    )


async def set_the_application_up_again(world: World) -> None:
    code, said = await world.run("install", "claude-desktop", "--yes")
    assert code == 0, said


# Mounted file systems.


async def disk_full(world: World) -> None:
    await _mount(world, f"mount -t tmpfs -o size=192m none {world.home}; cp -a {world.backup}/. {world.home}")
    await _mount(world, f"fallocate -l 150m {world.home}/film")


async def free_space(world: World) -> None:
    await _mount(world, f"rm {world.home}/film")


async def home_read_only(world: World) -> None:
    await _mount(world, f"mount --bind {world.home} {world.home}; mount -o remount,bind,ro {world.home}")


async def make_writable(world: World) -> None:
    await _mount(world, f"mount -o remount,bind,rw {world.home}")


async def library_gone(world: World) -> None:
    code = "import neonize, pathlib; print(*pathlib.Path(neonize.__file__).parent.glob('*.so'))"
    done = await anyio.run_process([sys.executable, "-c", code])
    for path in done.stdout.decode().split():
        await _mount(world, f"mount --bind /dev/null {path}")
        world.variables["LIBRARY"] = path


async def install_again(world: World) -> None:
    await _mount(world, f"umount {world.variables['LIBRARY']}")


async def _mount(world: World, script: str) -> None:
    code, _, err = await world.execute(["bash", "-ec", script])
    assert code == 0, err


OF_COMPUTERS = (
    Fault("config shut", config_unreadable, "settings", "cannot be read", "can read", make_config_readable),
    Fault("config broken", config_broken, "settings", "not valid TOML", "Correct that line", correct_config),
    Fault("unknown setting", config_unknown_key, "settings", "moode", "Correct or remove", correct_config),
    Fault("bad value", config_bad_value, "settings", "proxy", "Correct or remove", correct_config),
    Fault("config no text", config_of_bytes, "settings", "not UTF-8", "Save it as UTF-8", correct_config),
    Fault("toolset mistyped", toolset_mistyped, "settings", "'groop'", "groups", correct_config),
    Fault("zone mistyped", zone_mistyped, "time zone", "Mars/Olympus", "Correct TZ", correct_zone),
    Fault(
        "program gone",
        application_starts_what_is_gone,
        "hosts",
        "Claude Desktop",
        "`whatsapp-mcp install claude-desktop`",
        set_the_application_up_again,
    ),
    Fault("disk full", disk_full, "disk", "messages soon cannot", "Free some", free_space, needs="mounts"),
    Fault(
        "home read-only", home_read_only, "home folder", "Read-only", "write", make_writable, needs="mounts"
    ),
    Fault(
        "library gone",
        library_gone,
        "client library",
        "",
        "again in a fresh environment",
        install_again,
        needs="mounts",
        whole=True,
    ),
)
