"""Links many times and ends the client at a random moment while the phone hands over its address book.

A client that has the key of the app state and was ended before it fetched the address book never fetches it
by itself. Afterwards either the names are there or the status says that they are missing; and the next change
of a contact on the phone brings them, unless the client was killed after the library had stored the version
of the address book and before its contacts. `python -m benchmarks.soak.linking --links 200 --seed 1`
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import anyio

from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.current_settings import CurrentSettings
from whatsapp_mcp.device.background import background_tasks
from whatsapp_mcp.device.keys import stored_device
from whatsapp_mcp.device.local import LocalDevice
from whatsapp_mcp.models import AddressBookState, ConnectionState
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_mcp.simulator import WhatsApp

Outcome = Literal["names at once", "missing, then names", "missing for good"]

ANN: Final = "Ann Byrne"
BEN: Final = "Ben Adeyemi"
LATEST_END: Final = 0.2
"""Seconds after the phone's first message within which the client is ended."""
LIMIT: Final = 90.0


async def interrupted_link(home: Path, chance: random.Random) -> Outcome:
    """Link, end the client at a random moment, and start again.

    Raises:
        AssertionError: The names are not there, and the status does not say so; or a change brings nothing.
    """
    folder = Settings(home=home).account_folder()
    folder.create()
    async with WhatsApp(seed=chance.randrange(2**32)) as wa:
        with _environment(wa.environment()):
            ann = wa.person("Ann")
            wa.me.app_state.name_contact(ann, ANN)
            async with _leading(folder, home) as (device, _), anyio.create_task_group() as tasks:
                shown = await device.link()
                assert shown.qr is not None
                await wa.me.scan(shown.qr.text)
                await _until_online(device)
                await wa.me.online()
                pid = device.client_pid
                assert pid is not None
                tasks.start_soon(wa.me.hand_over)
                await anyio.sleep(chance.uniform(0, LATEST_END))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                tasks.cancel_scope.cancel()
            async with _leading(folder, home) as (device, archive):
                await _until_online(device)
                if await _named_or_missing(device, archive, str(ann.pn)):
                    return "names at once"
                ben = wa.person("Ben")
                wa.me.app_state.name_contact(ben, BEN)
                with _limit("A change of a contact brought nothing."):
                    while not await _is_named(archive, str(ben.pn), BEN):  # noqa: ASYNC110
                        await anyio.sleep(0.1)
                # Both come at once, or the client was killed between the library's two commits.
                return "missing, then names" if await _is_named(archive, str(ann.pn)) else "missing for good"


@asynccontextmanager
async def _leading(folder: AccountFolder, home: Path) -> AsyncGenerator[tuple[LocalDevice, Archive]]:
    async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
        owner = stored_device(folder.client_db)
        device = LocalDevice(folder, CurrentSettings(Settings(home=home)), archive, tasks, owner=owner)
        await device.start()
        yield device, archive


async def _until_online(device: LocalDevice) -> None:
    with _limit("The device is not online."):
        await device.wait_for(lambda link: link.state is ConnectionState.ONLINE)


async def _named_or_missing(device: LocalDevice, archive: Archive, jid: str) -> bool:
    """Whether the names came; False once the status says that they are missing."""
    with _limit("The names are missing, and nothing says so."):
        while not await _is_named(archive, jid):
            if (await device.status()).address_book is AddressBookState.MISSING:
                return False
            await anyio.sleep(0.1)
    return True


async def _is_named(archive: Archive, jid: str, name: str = ANN) -> bool:
    person = await archive.contact(jid)
    return person is not None and person.name == name


@contextmanager
def _limit(failure: str) -> Generator[None]:
    try:
        with anyio.fail_after(LIMIT):
            yield
    except TimeoutError:
        raise AssertionError(failure) from None


@contextmanager
def _environment(variables: dict[str, str]) -> Generator[None]:
    """These variables, for the client process; what was there before comes back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def _run(links: int, seed: int) -> Counter[Outcome]:
    outcomes: Counter[Outcome] = Counter()
    for number in range(links):
        with tempfile.TemporaryDirectory() as home:
            outcomes[await interrupted_link(Path(home), random.Random(f"{seed}/{number}"))] += 1
    return outcomes


def main() -> int:
    """Link that often and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.linking", description=__doc__)
    parser.add_argument("--links", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    outcomes = anyio.run(_run, arguments.links, arguments.seed)
    print(", ".join(f"{name}: {count}" for name, count in outcomes.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
