"""Nodes of tests: on one database, in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc

from tests.fleet.led import patient
from whatsapp_fleet.database import (
    MIGRATIONS,
    AccountRow,
    Session,
    add_account,
    connect,
    led_accounts,
    live_runs,
    migrate,
)
from whatsapp_fleet.protocol import Candidate, assigned
from whatsapp_mcp.settings import ENV_PREFIX, HOME_VARIABLE

LIMIT = 60.0
LOOK = 0.05
TTL, MARGIN, INTERVAL = 6.0, 1.0, 0.5
"""Of the lease of nodes of tests, in seconds."""
TTL_VARIABLE = "TEST_TTL"
LONG_LEASE = {TTL_VARIABLE: "3600"}
"""Part of the environment of nodes whose leases nobody can wait for."""


class Fleet:
    """A database, and what nodes make of it.

    Args:
        url: Of the database, for its nodes.
        accounts: That it has at first.
    """

    def __init__(self, url: str, *accounts: str) -> None:
        self.url = url
        self.session: Session = connect(patient(url))
        migrate(self.session, MIGRATIONS)
        for account in accounts:
            add_account(self.session, account)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.session.close()

    def rows(self) -> dict[str, AccountRow]:
        """The accounts."""
        self.session.deadline = self.session.monotonic() + LIMIT
        return {row.account: row for row in led_accounts(self.session)}

    def nodes(self) -> dict[str, str]:
        """The node of each run that has not ended."""
        self.session.deadline = self.session.monotonic() + LIMIT
        return {row.run: row.node for row in live_runs(self.session)}

    def leaders(self) -> dict[str, str]:
        """The node that leads each account, as far as one does."""
        nodes = self.nodes()
        return {name: nodes[row.run] for name, row in self.rows().items() if row.run in nodes}

    def snapshots(self) -> set[str]:
        """The accounts of which a snapshot counts."""
        self.session.deadline = self.session.monotonic() + LIMIT
        return {
            name for (name,) in self.session.execute("SELECT account FROM whatsapp_mcp.snapshot_pointers")
        }

    def is_settled(self) -> bool:
        """Whether each account is led by the node to which it is assigned."""
        self.session.deadline = self.session.monotonic() + LIMIT
        runs = live_runs(self.session)
        able = [Candidate(row.run, row.node, row.capacity, row.draining) for row in runs]
        rows = {name: row for name, row in self.rows().items() if row.state == "active"}
        return assigned(rows, able) == {name: row.run for name, row in rows.items()}

    def set(self, account: str, state: str) -> None:
        """Change the state of an account, as an operator does."""
        self.session.execute(
            "UPDATE whatsapp_mcp.accounts SET state = %s WHERE account = %s", [state, account]
        )

    def configure(self, account: str, text: str) -> None:
        """Give an account settings of its own."""
        self.session.execute(
            "UPDATE whatsapp_mcp.accounts SET settings = %s WHERE account = %s", [text, account]
        )

    async def until(self, condition: Callable[[Fleet], bool]) -> None:
        """Return once it holds."""
        with anyio.fail_after(LIMIT):
            while not condition(self):  # noqa: ASYNC110  the database tells nobody
                await anyio.sleep(LOOK)


class NodeProcess:
    """One node, as a process.

    Attributes:
        name: Of the node.
        home: Its home folder.
    """

    def __init__(self, name: str, home: Path, process: anyio.abc.Process) -> None:
        self.name = name
        self.home = home
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def stop(self) -> None:
        """Let it stand still."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def terminate(self) -> int:
        """Ask it to end; its exit code."""
        self._process.terminate()
        with anyio.fail_after(LIMIT):
            return await self._process.wait()

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.home.parent / f"{self.name}.log").read_text(encoding="utf-8")


@asynccontextmanager
async def node(
    name: str,
    folder: Path,
    url: str,
    environment: Mapping[str, str] | None = None,
    where: Path | None = None,
    **settings: str,
) -> AsyncGenerator[NodeProcess]:
    """A node in a process of its own, which has begun its run; killed at the end if it still lives.

    Args:
        name: Of the node and of its home folder.
        folder: Where the home folder is.
        url: Of the database.
        environment: Of the simulated WhatsApp.
        where: A folder with other packages of the same names; its child processes need it in `PYTHONPATH`.
        settings: Of the section `node`, as variables have them.
    """
    home = folder / name
    variables = {
        **(environment or {}),
        HOME_VARIABLE: str(home),
        f"{ENV_PREFIX}DATABASE": url,
        f"{ENV_PREFIX}LOG_LEVEL": "info",
        f"{ENV_PREFIX}NODE__NAME": name,
        f"{ENV_PREFIX}NODE__ALLOW_ASYNCHRONOUS": "true",
    } | {f"{ENV_PREFIX}NODE__{key.upper()}": value for key, value in settings.items()}
    with (folder / f"{name}.log").open("ab") as log:
        process = await anyio.open_process(
            [sys.executable, "-m", "tests.fleet.node.node_process"],
            stdin=None,
            stdout=log,
            stderr=log,
            env={**kept(), **variables},
            cwd=where,
        )
    async with process:
        try:
            yield NodeProcess(name, home, process)
        finally:
            if process.returncode is None:
                process.kill()


def kept() -> dict[str, str]:
    """The variables of this process that no node of tests must go without."""
    return {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
