"""A device that posts questions and hears events as a test makes them, and a ledger on the test's clock."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import anyio

from tests.device.fake_clock import FakeClock, settle
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device.guard.phone_questions import PhoneQuestions, touches_question
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import MessageNotFound, WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.ledger import HeldAct, Ledger, Question, open_ledger
from whatsapp_mcp.models import (
    ApprovalState,
    ApprovalWay,
    Caller,
    JournalEvent,
    Message,
    SendRequest,
)
from whatsapp_mcp.protobufs import E2E, Common, Neonize, Web
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import JournalRow, StoredDevice

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
    sent: list[E2E.Message] = field(default_factory=list[E2E.Message])
    raises: WhatsAppError | None = None
    calls: int = 0
    while_posting: Callable[[str], None] = lambda message_id: None
    listener: Callable[[JournalEvent], None] = lambda event: None

    def hear_messages(self, listener: Callable[[JournalEvent], None]) -> None:
        """See `LocalDevice.hear_messages`."""
        self.listener = listener

    async def call(self, method: str, params: dict[str, str], *, deadline: float) -> dict[str, Any]:
        """See `LocalDevice.call`."""
        self.calls += 1
        if self.raises is not None:
            raise self.raises
        assert (method, params["to"]) == ("send_message", PN)
        self.sent.append(E2E.Message.FromString(b64decode(params["message"])))
        message_id = f"3EB0{len(self.sent):016d}"
        self.while_posting(message_id)
        return {"id": message_id, "timestamp": int(self.clock.now().timestamp())}

    async def message(self, ref: int) -> Message:
        """As an archive knows the question of that number."""
        if ref != 1:
            raise MessageNotFound("There is no such message.")
        return cast("Message", SimpleNamespace(message_id=f"3EB0{ref:016d}"))

    @property
    def posted(self) -> list[str]:
        """The texts of the questions."""
        return [one.conversation for one in self.sent if one.conversation]

    @property
    def marks(self) -> list[str]:
        """The marks, in order."""
        return [one.reactionMessage.text for one in self.sent if one.HasField("reactionMessage")]


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

    async def touches(self, request: SendRequest) -> bool:
        """Whether a send would touch a question."""
        return await touches_question(request, cast("ReadingArchive", self.device), self.ledger)

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
            cast("LocalDevice", device),
            ledger.approvals,
            device.clock,
            lambda: UTC,
        )
        rig = PhoneRig(questions, device, ledger, device.clock)
        tasks.start_soon(questions.run, rig.decide, rig.void)
        await rig.act()
        yield rig
