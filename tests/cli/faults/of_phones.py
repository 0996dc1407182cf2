"""Faults of the connection, made on the simulated WhatsApp, and what a server mends of its files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import anyio

from tests.cli.faults.on_disk import archive_missing, damage, raw_missing
from tests.cli.faults.world import LIMIT, ROOT, Fault, World
from tests.fixtures import call, until
from whatsapp_mcp.device.leader import running_leader
from whatsapp_mcp.settings import AccountFolder

_LATER_VERSION = """
import sys
from whatsapp_mcp.processes.child_process import client_program
from whatsapp_mcp.device.leader import serving
from whatsapp_simulator import launcher
import os
serving.PROTOCOL += 1
client_program.set(launcher.client_program(os.environ))
from whatsapp_mcp.cli import main
sys.argv = ["whatsapp-mcp"]
main()
"""


async def until_content(world: World) -> None:
    """Wait until doctor is content by itself."""
    with anyio.fail_after(LIMIT):
        while (await world.doctor())[0]:
            pass


async def serve_until(world: World, state: str) -> None:
    client = await world.serve()
    await until(client, lambda status: status["state"] == state, "connection_status", within=LIMIT)


# The connection.


async def replaced(world: World) -> None:
    client = await world.serve()
    await until(client, lambda status: status["state"] == "online", "connection_status")
    await world.wa.replaced()
    await until(client, lambda status: status["state"] == "replaced", "connection_status")


async def replaced_before(world: World) -> None:
    await replaced(world)
    await world.end_servers()


async def network_refused(world: World) -> None:
    client = await world.serve()
    await until(client, lambda status: status["state"] == "online", "connection_status")
    await world.wa.refuse()
    await until(client, lambda status: "cannot be reached" in str(status), "connection_status", within=LIMIT)


async def reach_the_network(world: World) -> None:
    code, said = await world.run("doctor", "--online")
    assert (code, "FAIL whatsapp:" in said or "FAIL proxy:" in said) == (1, True)
    world.wa.recover()
    await until_content(world)


async def outdated(world: World) -> None:
    world.wa.failure(405)
    await serve_until(world, "outdated")


async def upgrade(world: World) -> None:
    world.wa.recover()  # what a newer version does
    await world.end_servers()
    await serve_until(world, "online")


async def banned(world: World) -> None:
    world.wa.failure(402, code=101, expire=20)
    await serve_until(world, "banned")


async def wait_for_its_end(world: World) -> None:
    world.wa.recover()
    await until_content(world)


async def logged_out(world: World) -> None:
    client = await world.serve()
    await until(client, lambda status: status["state"] == "online", "connection_status")
    await world.wa.device_removed()
    await until(client, lambda status: status["state"] == "unlinked", "connection_status")


async def link(world: World) -> None:
    await world.link()


# Processes.


async def hung(world: World) -> None:
    client = await world.serve()
    await until(client, lambda status: status["state"] == "online", "connection_status")
    os.kill(leader_of(world), signal.SIGSTOP)


def leader_of(world: World) -> int:
    pid = running_leader(AccountFolder("default", world.account))
    assert pid is not None
    return pid


async def resume(world: World) -> None:
    os.kill(leader_of(world), signal.SIGCONT)
    await until_content(world)


async def later_version(world: World) -> None:
    process = await anyio.open_process(
        [sys.executable, "-c", _LATER_VERSION],
        env=world.environment(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=None,
        stderr=None,
    )
    await world.others.enter_async_context(process)
    world.others.callback(process.kill)
    with anyio.fail_after(LIMIT):
        while "with version" not in str(await world.doctor()):
            pass


async def end_it_and_serve(world: World) -> None:
    await world.end_servers()
    await serve_until(world, "online")


# Files that a server makes again, and what it cannot.


async def archive_began_again(world: World) -> None:
    await archive_missing(world)
    assert (await world.run("status", "--wait"))[0] == 0


async def unlink_and_link(world: World) -> None:
    assert (await world.run("unlink"))[0] == 0
    await world.link()


async def raw_damaged(world: World) -> None:
    damage(world.account / "raw.db")


async def journal_damaged(world: World) -> None:
    damage(world.account / "client" / "inbox.db")


async def client_keys_damaged(world: World) -> None:
    damage(world.account / "client" / "client.db")


async def client_keys_missing(world: World) -> None:
    for suffix in ("", "-wal", "-shm"):
        (world.account / "client" / f"client.db{suffix}").unlink(missing_ok=True)


async def keys_of_two(world: World) -> None:
    with closing(sqlite3.connect(world.account / "client" / "client.db")) as db:
        names = [row[0] for row in db.execute("SELECT name FROM pragma_table_info('whatsmeow_device')")]
        chosen = ", ".join("replace(jid, ':', ':9')" if name == "jid" else name for name in names)
        db.execute(f"INSERT INTO whatsmeow_device ({', '.join(names)}) SELECT {chosen} FROM whatsmeow_device")
        db.commit()


async def send_afterwards(world: World) -> None:
    """Not only doctor is content: a server works."""
    client = await world.serve()
    await until(client, lambda status: status["state"] == "online", "connection_status")
    ann = world.wa.person("Ann")
    await call(client, "send_message", chat=str(ann.number), text="hello")
    assert (await ann.receives()).text == "hello"


OF_PHONES = (
    Fault("replaced", replaced, "leader", "replaced", "`whatsapp-mcp reconnect`", needs="phone"),
    Fault(
        "replaced before", replaced_before, "leader", "replaced", "`whatsapp-mcp reconnect`", needs="phone"
    ),
    Fault(
        "network refused",
        network_refused,
        "leader",
        "cannot be reached",
        "`whatsapp-mcp doctor --online`",
        reach_the_network,
        needs="phone",
    ),
    Fault("outdated", outdated, "leader", "outdated", "Upgrade", upgrade, needs="phone"),
    Fault("banned", banned, "leader", "banned", "Wait until", wait_for_its_end, needs="phone"),
    Fault(
        "logged out", logged_out, "linked devices", "logged this companion out", "link", link, needs="phone"
    ),
    Fault("leader hung", hung, "leader", "does not answer", "Resume", resume, needs="phone"),
    Fault(
        "later version", later_version, "leader", "with version", "Upgrade", end_it_and_serve, needs="phone"
    ),
    Fault(
        "archive began again",
        archive_began_again,
        "archive",
        "never held a message",
        "`whatsapp-mcp unlink`",
        unlink_and_link,
        needs="phone",
    ),
    Fault("raw missing", raw_missing, "archive", "raw.db is missing", "status --wait", needs="phone"),
    Fault("raw damaged", raw_damaged, "integrity", "raw.db is damaged", "archive recover", needs="phone"),
    Fault("journal damaged", journal_damaged, "integrity", "inbox.db is damaged", "status", needs="phone"),
    Fault(
        "keys damaged", client_keys_damaged, "integrity", "client.db is damaged", "link", link, needs="phone"
    ),
    Fault("keys missing", client_keys_missing, "linked devices", "missing", "link", link, needs="phone"),
    Fault(
        "keys of two", keys_of_two, "linked devices", "2 devices", "unlink", unlink_and_link, needs="phone"
    ),
)
