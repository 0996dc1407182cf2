"""A device that posts questions and hears events as a test makes them, and a ledger on the test's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import anyio

from tests.device.fake_clock import FakeClock, settle
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.client.journal import JournalRow
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device.connection.keys import StoredDevice
from whatsapp_mcp.device.guard.phone_questions import PhoneQuestions
from whatsapp_mcp.device.leader.background import background_tasks
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.errors import MessageNotFound, WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.ledger import HeldAct, Ledger, Question, open_ledger
from whatsapp_mcp.models import (
    ApprovalState,
    ApprovalWay,
    Caller,
    JournalEvent,
    Message,
    ReactionContent,
    SendRequest,
    SendResult,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E, Common, Neonize, Web
from whatsapp_mcp.settings import AccountFolder

PN = "15550001111@s.whatsapp.net"
LID = "23155198206466@lid"
STRANGER = "19995550000@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
AGENT = Caller("stdio:agent", "agent", "send_message")
OWNER = StoredDevice(Jid.parse("15550001111:7@s.whatsapp.net"), LID, "Me")


def put(target: Neonize.JID, jid: str, device: int = 0) -> None:
    """Fill in one of the library's jids."""
    one = Jid.parse(jid) if jid else Jid("", "")
    target.User, target.Server, target.Device = one.user, one.server, device
    target.RawAgent = target.Integrator = 0
    target.IsEmpty = not jid


def event_of(message: E2E.Message, at: datetime) -> Neonize.Message:
    """What the library makes of a message that the phone sends in the chat with oneself."""
    event = Neonize.Message(
        IsEphemeral=False,
        IsViewOnce=False,
        IsViewOnceV2=False,
        IsViewOnceV2Extension=False,
        IsDocumentWithCaption=False,
        IsLottieSticker=False,
        IsEdit=False,
        UnavailableRequestID="",
        RetryCount=0,
    )
    info, source = event.Info, event.Info.MessageSource
    info.ID, info.ServerID, info.Type, info.Pushname = "3A0000", 0, "reaction", "Me"
    info.Timestamp = int(at.timestamp() * 1000)
    info.Category, info.Multicast, info.MediaType, info.Edit = "", False, "", ""
    info.DeviceSentMeta.DestinationJID, info.DeviceSentMeta.Phash = LID, ""
    put(source.Chat, LID)
    put(source.Sender, LID)
    put(source.SenderAlt, "")
    put(source.RecipientAlt, PN)
    put(source.BroadcastListOwner, "")
    source.IsFromMe, source.IsGroup = True, False
    event.Message.CopyFrom(message)
    event.Raw.CopyFrom(message)
    return event


def key_of(message_id: str) -> Common.MessageKey:
    """The key of an own message in the chat with oneself."""
    return Common.MessageKey(remoteJID=LID, fromMe=True, ID=message_id)


def reaction(message_id: str, emoji: str, at: datetime) -> Neonize.Message:
    """A reaction of the phone to an own message in the chat with oneself."""
    reacted = E2E.ReactionMessage(
        key=key_of(message_id), text=emoji, senderTimestampMS=int(at.timestamp() * 1000)
    )
    return event_of(E2E.Message(reactionMessage=reacted), at)


def edit(message_id: str, text: str, at: datetime) -> Neonize.Message:
    """An edit of an own message on the phone."""
    changed = E2E.ProtocolMessage(
        key=key_of(message_id),
        type=E2E.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=E2E.Message(conversation=text),
    )
    return event_of(E2E.Message(protocolMessage=changed), at)


def revoke(message_id: str, at: datetime) -> Neonize.Message:
    """An own message deleted on the phone."""
    changed = E2E.ProtocolMessage(key=key_of(message_id), type=E2E.ProtocolMessage.REVOKE)
    return event_of(E2E.Message(protocolMessage=changed), at)


def stored(event: Neonize.Message) -> Web.WebMessageInfo:
    """The same message as a phone stores it."""
    return Web.WebMessageInfo(
        key=Common.MessageKey(remoteJID=LID, fromMe=True, ID=event.Info.ID), message=event.Message
    )


@dataclass
class PhoneDevice:
    """As much of a local device as a question needs."""

    clock: FakeClock
    owner: StoredDevice | None = OWNER
    sent: list[SendRequest] = field(default_factory=list[SendRequest])
    raises: WhatsAppError | None = None
    while_posting: Callable[[str], None] = lambda message_id: None
    listener: Callable[[JournalEvent], None] = lambda event: None

    def hear_messages(self, listener: Callable[[JournalEvent], None]) -> None:
        """See `LocalDevice.hear_messages`."""
        self.listener = listener

    async def send(self, request: SendRequest) -> SendResult:
        """See `LocalDevice.send`."""
        if self.raises is not None:
            raise self.raises
        self.sent.append(request)
        message_id = f"3EB0{len(self.sent):016d}"
        self.while_posting(message_id)
        return SendResult(
            len(self.sent), request.chat, SendStatus.SENT, message_id, timestamp=self.clock.now()
        )

    async def message(self, ref: int | str, *, chat: str | None = None) -> Message:
        """As the archive knows what was posted."""
        number = ref if isinstance(ref, int) else int(ref.removeprefix("3EB0"))
        if not 0 < number <= len(self.sent):
            raise MessageNotFound("There is no such message.")
        return cast("Message", replace(_Posted(f"3EB0{number:016d}", self.clock.now())))

    @property
    def posted(self) -> list[str]:
        """The texts of the questions."""
        return [one.content.text for one in self.sent if isinstance(one.content, TextContent)]

    @property
    def marks(self) -> list[str]:
        """The marks, in order."""
        return [one.content.emoji for one in self.sent if isinstance(one.content, ReactionContent)]


@dataclass(frozen=True)
class _Posted:
    message_id: str
    timestamp: datetime


@dataclass
class PhoneRig:
    """Questions on a phone, with a ledger that stands for all that decides."""

    questions: PhoneQuestions
    device: PhoneDevice
    ledger: Ledger
    clock: FakeClock

    async def held(self, *lines: str, digest: str = "digest") -> HeldAct:
        """An act that waits and is asked about on the phone, as the ledger has it then."""
        question = Question(lines or ("Send this text:", "hello", "to Eve"), "because", digest, "send", {})
        held = await self.ledger.approvals.hold(question, AGENT, self.clock.now())
        await self.questions.ask(held)
        return self.ledger.approvals.get(held.approval.id)

    async def hear(self, event: Neonize.Message | bytes, code: EventCode = EventCode.MESSAGE) -> None:
        """Let an event come, and everybody act on it."""
        payload = event if isinstance(event, bytes) else event.SerializePartialToString()
        self.device.listener(JournalRow(1, 1, int(self.clock.now().timestamp() * 1000), code, payload))
        await self.act()

    async def act(self) -> None:
        """Let everybody act; what the ledger writes is written in threads."""
        for _ in range(10):
            await settle()
            await anyio.sleep(0.002)

    def state(self, held: HeldAct) -> ApprovalState:
        """What became of it."""
        return self.ledger.approvals.get(held.approval.id).approval.state

    async def decide(self, number: str, approved: bool, way: ApprovalWay) -> None:
        """As the leader does."""
        await self.ledger.approvals.decide(number, approved, way, self.clock.now())

    async def void(self, number: str) -> None:
        """As the leader does."""
        await self.ledger.approvals.void(number)


@asynccontextmanager
async def phone_rig(folder: AccountFolder, device: PhoneDevice | None = None) -> AsyncIterator[PhoneRig]:
    """A phone's questions that are looked after.

    Args:
        folder: The account's files.
        device: With what a former leader has posted.
    """
    device = device or PhoneDevice(FakeClock())
    async with open_ledger(folder, device.clock.now) as ledger, background_tasks() as tasks:
        questions = PhoneQuestions(
            cast("LocalDevice", device), cast("ReadingArchive", device), ledger, device.clock, lambda: UTC
        )
        rig = PhoneRig(questions, device, ledger, device.clock)
        tasks.start_soon(questions.run, rig.decide, rig.void)
        await rig.act()
        yield rig


SECOND = timedelta(seconds=1)
