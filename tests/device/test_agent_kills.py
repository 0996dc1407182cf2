"""Whenever the leader is killed, each message is handed on once it is up again, and answered exactly once.

Killed is between any two steps that leave something behind: a write to the ledger, a send that the outbox
accepts, a run of the command. What is not durable is thrown away each time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import journal
from tests.device.conftest import settings_of
from tests.devices import ByName
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.agent import Agents, command
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.errors import KeyReused
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Caller, SendRequest, SendResult, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder, Settings

pytestmark = pytest.mark.anyio
ANN, BOB = "15550002222@s.whatsapp.net", "15550004444@s.whatsapp.net"
CONFIG = """
[agent]
command = ["agent"]
settle = 0.0
working = ""
[agent.chats]
"+15550002222" = "command"
"+15550004444" = "command"
"""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class World:
    """What outlives a leader, and the number of the step at which the next one is killed.

    Attributes:
        sent: What the outbox accepted, by idempotency key.
        runs: The messages of each run of the command.
    """

    kill_at: int
    steps: int = 0
    sent: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    runs: list[str] = field(default_factory=list[str])

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at:
            raise Killed


class Sender(ByName):
    """A device that accepts sends as the outbox does."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, request: SendRequest) -> SendResult:
        content, key = request.content, request.idempotency_key
        assert isinstance(content, TextContent)
        assert key is not None
        self._world.step()
        entry = (request.chat, content.text)
        if self._world.sent.setdefault(key, entry) != entry:
            raise KeyReused("This idempotency key was already used for another message.")
        self._world.step()
        return SendResult(1, request.chat, SendStatus.QUEUED)

    async def typing(self, chat: str, state: str) -> None: ...


@asynccontextmanager
async def leading(world: World, archive: Archive, folder: AccountFolder) -> AsyncIterator[None]:
    """A leader's agents, until they are killed or the block ends."""
    async with open_ledger(folder) as ledger:
        agents = _agents(world, archive, ledger, folder)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(agents.run)
                yield
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            if not group.subgroup(Killed):
                raise


def _agents(world: World, archive: Archive, ledger: Ledger, folder: AccountFolder) -> Agents:
    def acting(_: Caller) -> Any:
        return Sender(world)

    return Agents(archive, ledger, settings_of(folder), acting, SystemClock(), folder, frozenset)


def _break(world: World, patch: pytest.MonkeyPatch) -> None:
    """Let writes of the ledger and runs of the command be steps of the world."""
    write = LedgerFile.write

    async def written(self: LedgerFile, change: Callable[[Any], Any], *, synced: bool = False) -> Any:
        world.step()
        answer = await write(self, change, synced=synced)
        world.step()
        return answer

    async def ran(_: Any, given: bytes, *__: Any) -> command.Ended:
        world.step()
        text = cast("str", __import__("json").loads(given)["text"])
        world.runs.append(text)
        world.step()
        # Each run says something else, as a model does.
        return command.Ended(f"{text}: {len(world.runs)}")

    patch.setattr(LedgerFile, "write", written)
    patch.setattr(command, "run", ran)


@for_each("kill_at", range(1, 36))
async def test_every_message_is_answered_once_whenever_the_leader_is_killed(
    tmp_path: Path, kill_at: int
) -> None:
    folder, world = Settings(home=tmp_path).account_folder(), World(kill_at=0)
    folder.create()
    (tmp_path / "config.toml").write_text(CONFIG)
    async with open_archive(folder, write=True) as archive:
        async with open_ledger(folder) as ledger:
            await ledger.handed_on.begin_at(await archive.last_change())
        at = int(datetime.now(UTC).timestamp())
        await archive.ingest(
            journal(
                [ev.message("A1", "from Ann", chat=ANN, at=at), ev.message("B1", "from Bob", chat=BOB, at=at)]
            )
        )
        with pytest.MonkeyPatch.context() as patch:
            _break(world, patch)
            world.kill_at = kill_at
            for _ in range(3):  # the first is killed; the others go on
                with suppress(TimeoutError), anyio.fail_after(5):
                    async with leading(world, archive, folder):
                        while not await _is_done(folder):  # noqa: ASYNC110  another connection
                            await anyio.sleep(0.01)
    answers = sorted((chat, text.partition(":")[0]) for chat, text in world.sent.values())
    assert answers == [(ANN, "from Ann"), (BOB, "from Bob")]
    assert len(world.runs) <= 4, "a command runs again only if it was killed"


async def _is_done(folder: AccountFolder) -> bool:
    async with open_ledger(folder) as ledger:
        return len(ledger.handed_on.latest(ANN, 9)) == 1 and not ledger.handed_on.open()
