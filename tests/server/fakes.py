"""A device that answers what a test tells it to, and services around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from tests.devices import ByName, direct
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import Device
from whatsapp_mcp.errors import ApprovalRequired, Busy, Denied, WhatsAppError
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import (
    Activity,
    Approval,
    ApprovalState,
    ApprovalWay,
    Channel,
    ConnectionState,
    ConnectionStatus,
    ContactDetails,
    LeaderFigures,
    LinkState,
    Permit,
    QrCode,
    SendRequest,
    SendResult,
    SendStatus,
)
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.calls.call import CallMeter, LocalSource, Pages, Services
from whatsapp_mcp.server.feed import ChangeFeed
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.settings import MediaSettings, Settings

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive

CODE = "482913"
FENCE = (f"<messages {CODE}>", f"</messages {CODE}>")
"""The fence of every answer in tests."""
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def _reads_nothing(_: int) -> None: ...


@dataclass
class FakeDevice(ByName):
    """Keeps what it was asked; `fails` makes every act fail with that error."""

    state: ConnectionState = ConnectionState.ONLINE
    number: str | None = "+15550001111"
    known_numbers: frozenset[str] = frozenset()
    link_states: list[LinkState] = field(default_factory=list[LinkState])
    sends: list[SendRequest] = field(default_factory=list[SendRequest])
    asked: list[str] = field(default_factory=list[str])
    fails: WhatsAppError | None = None
    resolve_fails: WhatsAppError | None = None
    result: SendResult | None = None
    file: str = ""
    reads: Callable[[int], Awaitable[None]] = field(default=_reads_nothing)
    qr_file: str | None = None
    shown: QrCode | None = None
    history: int | None = None
    typing_in: tuple[str, ...] = ()
    known: LeaderFigures = field(default_factory=lambda: LeaderFigures(NOON))
    held: Approval | None = None
    """What every act waits for, once a person has said yes."""

    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        """Somebody writes for as long as `typing_in` says so; else it cannot be told."""
        if not self.typing_in:
            raise Busy("No server leads.")
        await anyio.sleep(0.01)
        return Activity(after, self.typing_in)

    async def status(self) -> ConnectionStatus:
        """As the fields say."""
        status = ConnectionStatus(self.state, NOON, "default", number=self.number, name="Me", generation=3)
        return replace(status, history_progress=self.history)

    async def figures(self) -> LeaderFigures:
        """As `known` says."""
        return self.known

    async def link(self, phone: str | None = None) -> LinkState:
        """A QR, and beside it a code for a phone."""
        self.asked.append(f"link {phone}")
        qr = QrCode("2@text", NOON, self.qr_file)
        if phone:
            return LinkState(ConnectionState.LINKING, 1, qr, "ABCD-1234", NOON)
        return LinkState(ConnectionState.LINKING, 1, qr)

    async def link_state(self, after_revision: int = -1, wait: float = 0.0) -> LinkState:
        """The next of `link_states`; without one, the QR that is `shown`, of which there is no news."""
        if not self.link_states:
            await anyio.sleep(wait if after_revision >= 1 else 0)
            return LinkState(self.state, 1, self.shown)
        return self.link_states.pop(0)

    async def unlink(self) -> None:
        """Note it."""
        self._act("unlink")

    async def reconnect(self) -> ConnectionStatus:
        """Note it."""
        self._act("reconnect")
        return await self.status()

    async def send(self, request: SendRequest) -> SendResult:
        """Keep the request and answer `result` or that it was sent."""
        self._act("send")
        self.sends.append(request)
        sent = self.result or SendResult(1, "", SendStatus.SENT, "3EB0", 1042, NOON)
        return replace(sent, chat=request.chat)

    async def cancel_send(self, chat: str, send_id: int) -> SendResult:
        """Note it."""
        self._act(f"cancel_send {chat} {send_id}")
        return SendResult(send_id, chat, SendStatus.FAILED, reason="Cancelled.")

    async def permit(self, wanted: Permit) -> None:
        """Note it."""
        self._act(f"permit {wanted.wants} {' '.join((*wanted.chats, *wanted.details))}")

    async def resolve_number(self, number: str) -> str | None:
        """Whether it is among `known_numbers`."""
        self.asked.append(f"resolve {number}")
        if self.resolve_fails:
            raise self.resolve_fails
        return f"{number[1:]}@s.whatsapp.net" if number in self.known_numbers else None

    async def mark_read(self, chat: str) -> int:
        """Note it."""
        self._act(f"mark_read {chat}")
        return 2

    async def contact_details(self, jid: str) -> ContactDetails:
        """Says hello."""
        self._act(f"details {jid}")
        return ContactDetails(jid, about="Hey: there\nI am", business=None)

    async def typing(self, chat: str, state: str) -> None:
        """Note it."""
        self._act(f"typing {chat} {state}")

    async def download(self, ref: int) -> str:
        """Where `file` lies."""
        self._act(f"download {ref}")
        return self.file

    async def read_file(self, ref: int) -> None:
        """Let the test read it."""
        self._act(f"read_file {ref}")
        await self.reads(ref)

    async def channel(self, jid: str | None = None, invite: str | None = None) -> Channel:
        """One without a name."""
        self._act(f"channel {jid or invite}")
        return Channel(jid or "", "")

    async def approval(self, number: str, wait: float = 0.0) -> Approval:
        """What is held; waits no longer than a moment."""
        assert self.held is not None
        if wait and self.held.state is ApprovalState.OPEN:
            await anyio.sleep(min(wait, 0.01))
        return self.held

    async def approvals(self) -> tuple[Approval, ...]:
        """What is held and open."""
        return (self.held,) if self.held and self.held.state is ApprovalState.OPEN else ()

    async def ask_on_phone(self, number: str) -> None:
        """Note it."""
        self.asked.append(f"ask_on_phone {number}")

    async def decide(self, number: str, approved: bool, way: ApprovalWay) -> Approval:
        """Decide what is held."""
        assert self.held is not None
        assert (number, self.held.state) == (self.held.id, ApprovalState.OPEN)
        state = ApprovalState.APPROVED if approved else ApprovalState.DENIED
        self.held = replace(self.held, state=state, way=way)
        return self.held

    def _act(self, what: str) -> None:
        if self.held and self.held.state is ApprovalState.OPEN:
            raise ApprovalRequired("Asked.", approval=self.held.id)
        if self.held and self.held.state is ApprovalState.DENIED:
            raise Denied("The user said no.")
        self.asked.append(what)
        if self.fails:
            raise self.fails


@dataclass
class FakeDevices:
    """Lends the one device."""

    device: Device | LocalDevice

    @asynccontextmanager
    async def use(self, deadline: float | None = None) -> AsyncGenerator[Device]:
        """Lend it; a leader's own without its guard."""
        yield direct(self.device) if isinstance(self.device, LocalDevice) else self.device


@dataclass
class FakeSource(LocalSource):
    """Services that are open, or none yet; nothing is withheld, unless a policy says so.

    They decode only with a worker that somebody keeps.
    """

    device: FakeDevice
    archive: ReadingArchive
    home: Path
    policy: Policy = field(default_factory=partial(Policy.in_mode, "open"))
    worker: Worker = field(default_factory=Worker)
    account: str = "default"
    starting: bool = False
    pages: Pages | None = None
    feed: ChangeFeed = field(default_factory=ChangeFeed)
    meter: CallMeter = field(default_factory=CallMeter)
    chat: str = ""
    principal: str = ""
    roots: tuple[Path, ...] = ()
    sections: Mapping[str, Any] = field(default_factory=dict[str, Any])

    async def services(self) -> Services:
        """The services, unless the source is starting for ever."""
        if self.starting:
            await anyio.sleep_forever()
        ledger = ledger_in(self.home)
        return Services(
            self.account,
            Settings(home=self.home, media=MediaSettings(roots=self.roots), **self.sections),
            FakeDevices(self.device),
            GuardedArchive(self.archive, ledger, self.policy),
            self.worker,
            self.policy,
            ledger,
            zone=UTC,
            now=lambda: NOON,
            pages=self.pages,
        )


@cache
def ledger_in(home: Path) -> Ledger:
    """The ledger of the account in a test's home."""
    folder = Settings(home=home).account_folder()
    folder.create()
    return Ledger(folder)


def text_of(content: Sequence[Any]) -> str:
    """The text of a tool's answer."""
    return "\n".join(block.text for block in content if block.type == "text")
