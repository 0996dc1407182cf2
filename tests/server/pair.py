"""Two servers of one account in this process: the leader, and a follower that reaches it over the socket."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests import simulated
from tests.fixtures import until
from tests.server.fakes import CODE, ledger_in, text_of
from tests.server.linked import LIMIT
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader.remote import RemoteDevice
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import CallersDevices, Device, Operation, control
from whatsapp_mcp.media import Worker, open_worker
from whatsapp_mcp.models import PERSON
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls.call import CallMeter, LocalSource, Services
from whatsapp_mcp.server.feed import ChangeFeed
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

_VOLATILE = re.compile(
    r"\d{8,}@|3[AE][0-9A-F]{12,}|#\d+|20\d\d-[-\d]+T[\d:.]+(Z|[+-]\d\d:\d\d)|\d\d:\d\d"
    r"|(?<=\.com/)(channel/)?\w{16,}|(?<=send_id': )\d+"
)
"""What two answers to the same call may differ in: jids of what is new, ids, refs, times and links."""


def _lasting(answer: tuple[str, dict[str, Any]]) -> str:
    """An answer without what is volatile."""
    return _VOLATILE.sub("…", repr(answer))


@dataclass
class Source(LocalSource):
    """The services of one server."""

    lender: Accessor[Device]
    archive: ReadingArchive
    home: Path
    worker: Worker = field(default_factory=Worker)
    account: str = "default"
    chat: str = ""
    principal: str = ""
    feed: ChangeFeed = field(default_factory=ChangeFeed)
    meter: CallMeter = field(default_factory=CallMeter)
    policy: Policy = field(default_factory=lambda: Policy.in_mode("open"))

    async def services(self) -> Services:
        return Services(
            self.account,
            Settings(home=self.home),
            self.lender,
            GuardedArchive(self.archive, ledger_in(self.home), self.policy),
            self.worker,
            self.policy,
            ledger_in(self.home),
            zone=UTC,
        )


@dataclass
class Pair:
    """Two servers of one account.

    `asked` are the operations that went over the socket, `devices` the follower's.
    """

    wa: WhatsApp
    leader: Client
    follower: Client
    archive: ReadingArchive
    home: Path
    asked: list[str]
    devices: Accessor[Device]

    @asynccontextmanager
    async def person(self) -> AsyncIterator[Device]:
        """The follower's device, as a person at its terminal uses it."""
        async with CallersDevices(self.devices, PERSON).use() as device:
            yield device

    async def told(self, client: Client, tool: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Text and structured content of a call, refusals included."""
        result = await client.call_tool(tool, arguments)
        return text_of(result.content), result.structured_content or {}

    async def both(
        self, tool: str, *, between: Callable[[], Awaitable[Any]] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """The answer of the follower; the leader is asked the same and must answer alike."""
        answer = await self.told(self.follower, tool, arguments)
        assert "error" not in answer[1], answer[0]
        if between is not None:
            await between()
        assert _lasting(answer) == _lasting(await self.told(self.leader, tool, arguments))
        return answer[1]

    async def both_meanwhile(self, tool: str) -> dict[str, Any]:
        """As `both`, for an answer that changes by itself: the leader must not change it meanwhile."""
        with anyio.fail_after(LIMIT):
            while True:
                before = await self.told(self.leader, tool, {})
                answer = await self.told(self.follower, tool, {})
                if _lasting(await self.told(self.leader, tool, {})) == _lasting(before):
                    assert _lasting(answer) == _lasting(before)
                    return answer[1]

    async def says(self, person: Person, text: Any) -> str:
        """Let somebody write, and the archive have it: the ref."""
        message = await person.says(text)
        seen = 0
        while True:
            found = await self.archive.chat(str(person.pn))
            if found is not None and found.last_message_at is not None:
                for one in (await self.archive.messages(limit=5)).items:
                    if one.message_id == message:
                        return f"#{one.ref}"
            seen = await self.archive.wait_change(seen, 1.0)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[Accessor[Device], ReadingArchive, Client]]:
    """One server of the account and a client of it, once the account has a leader."""
    async with open_device(settings) as (devices, archive, _), open_worker() as worker:
        with anyio.fail_after(LIMIT):
            leader_pid = None
            while leader_pid != os.getpid():
                async with devices.use() as device:
                    leader_pid = (await device.do(control.status)).leader_pid
                await anyio.sleep(0.01)
        source = Source(devices, archive, settings.home, worker)
        async with Client(create(source, "all", structured=True, new_code=lambda: CODE)) as client:
            yield devices, archive, client


def _ask_nothing(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "config.toml").write_text('[policy]\nmode = "open"\n', encoding="utf-8")


@asynccontextmanager
async def pair_of_servers(home: Path) -> AsyncIterator[Pair]:
    """Both servers, and WhatsApp; nobody is linked."""
    _ask_nothing(home)
    asked: list[str] = []
    invoke = RemoteDevice.perform

    async def noted(self: RemoteDevice, operation: Operation, arguments: dict[str, Any]) -> Any:
        asked.append(operation.name)
        return await invoke(self, operation, arguments)

    async with AsyncExitStack() as stack:
        wa = await stack.enter_async_context(WhatsApp(seed=29))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        simulated.use(wa, patch)
        patch.setattr(RemoteDevice, "perform", noted)
        _, archive, leader = await stack.enter_async_context(served(Settings(home=home)))
        devices, _, follower = await stack.enter_async_context(served(Settings(home=home)))
        async with devices.use() as device:
            assert isinstance(device, RemoteDevice)
        yield Pair(wa, leader, follower, archive, home, asked, devices)


async def link(pair: Pair) -> None:
    """Link the account through the follower, as an agent does that waits while a person scans."""
    _, shown = await pair.told(pair.follower, "link_device", {})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_scan_once_waited_for, pair, shown["qr"]["text"])
        _, linked = await pair.told(pair.follower, "link_device", {"wait": 20})
        assert linked["state"] in {"connecting", "online"}
    await until(pair.follower, lambda status: status["state"] == "online", "connection_status")
    await pair.wa.me.online()


async def _scan_once_waited_for(pair: Pair, text: str) -> None:
    while "link_state" not in pair.asked:  # noqa: ASYNC110
        await anyio.sleep(0.01)
    await pair.wa.me.scan(text)
