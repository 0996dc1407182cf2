"""A small world of people, chats and what can happen there: each event is fixed, so that they meet.

Copies of one message may tell different times; the earliest counts.
No two messages of a chat are of the same second: within one, messages stay in the order of their arrival.
"""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, BOB_LID, GROUP, ME, MY_LID, NOON, Raw
from whatsapp_mcp.archive.state.current_messages import secret_key
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize

CY = "15550000003@s.whatsapp.net"
CY_LID, DAN_LID = "80003@lid", "80004@lid"
MOVED = NOON + 5_000
"""When Cy's number became Dan's."""
ANA_NEW = "15550000009@s.whatsapp.net"
"""Ana's number, from some time on."""
SECRET = bytes(range(32))
LIDS = {ANA: ANA_LID, BOB: BOB_LID}


def text(said: str, *, secret: bool = False) -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = said
    if secret:
        body.messageContextInfo.messageSecret = SECRET
    return body


def reply(said: str, to: str, quoted: str, author: str, mention: str | None = None) -> Any:
    body = text(said)
    context = body.extendedTextMessage.contextInfo
    context.stanzaID, context.participant = to, author
    context.quotedMessage.conversation = quoted
    if mention:
        context.mentionedJID.append(mention)
    return body


def image(caption: str) -> Any:
    body: Any = E2E.Message()
    body.imageMessage.caption, body.imageMessage.mimetype = caption, "image/jpeg"
    body.imageMessage.directPath, body.imageMessage.mediaKey = "/v/x", b"k" * 32
    return body


def poll() -> Any:
    body: Any = E2E.Message()
    body.pollCreationMessageV3.name = "Lunch?"
    for option in ("Pizza", "Sushi"):
        body.pollCreationMessageV3.options.add(optionName=option)
    body.messageContextInfo.messageSecret = SECRET
    return body


def sealed(plain: Any, target: str, author: str, sender: str, use: str) -> tuple[bytes, bytes]:
    iv = hashlib.sha256(f"{target}{author}{sender}{use}{plain}".encode()).digest()[:12]
    data = f"{target}\x00{sender}".encode() if use in ("Poll Vote", "Event Response") else None
    key = secret_key(SECRET, target, author, sender, use)
    return AESGCM(key).encrypt(iv, plain.SerializeToString(), data), iv


def vote(option: str, wa_id: str, target: str, author: str, voter: str, at: int, **where: Any) -> Raw:
    chosen = E2E.PollVoteMessage(selectedOptions=[hashlib.sha256(option.encode()).digest()])
    body: Any = E2E.Message()
    update = body.pollUpdateMessage
    update.pollCreationMessageKey.ID, update.senderTimestampMS = target, at * 1000
    update.vote.encPayload, update.vote.encIV = sealed(chosen, target, author, voter, "Poll Vote")
    return ev.message(wa_id, body, at=at, **where)


def keep(wa_id: str, at: int, *, kept: bool = True, **where: Any) -> Raw:
    body: Any = E2E.Message()
    part = body.keepInChatMessage
    part.key.ID, part.keepType, part.timestampMS = wa_id, 1 if kept else 2, at * 1000
    return ev.message(f"K-{wa_id}-{kept}-{at}-{where.get('sender', '')}", body, at=at, **where)


def kept(value: Any, at: int, by: str | None) -> Any:
    """A `WebMessageInfo` with which the phone tells who keeps it."""
    value.keepInChat.keepType, value.keepInChat.clientTimestampMS = 1, at * 1000
    value.keepInChat.key.fromMe = by is None
    if by is not None:
        value.keepInChat.key.participant = by
    return value


def sealed_reaction(emoji: str, target: str, author: str, who: str, at: int, **where: Any) -> Raw:
    plain = E2E.ReactionMessage(text=emoji, senderTimestampMS=at * 1000)
    body: Any = E2E.Message()
    body.encReactionMessage.targetMessageKey.ID = target
    body.encReactionMessage.encPayload, body.encReactionMessage.encIV = sealed(
        plain, target, author, who, "Enc Reaction"
    )
    return ev.message(f"SR{target}{at}{who}", body, at=at, **where)


def sealed_edit(said: str, target: str, author: str, at: int, **where: Any) -> Raw:
    plain: Any = E2E.Message()
    plain.protocolMessage.type, plain.protocolMessage.key.ID = 14, target
    plain.protocolMessage.timestampMS = at * 1000
    plain.protocolMessage.editedMessage.conversation = said
    body: Any = E2E.Message()
    part = body.secretEncryptedMessage
    part.targetMessageKey.ID, part.secretEncType = target, 2
    part.encPayload, part.encIV = sealed(plain, target, author, author, "Message Edit")
    return ev.message(f"SE{target}{at}{author}", body, at=at, **where)


def direct(pn: str, lid: str, tag: str) -> list[Raw]:
    """What happens in a chat with one person, under either address, the other one told or not."""
    found: list[Raw] = []
    theirs, mine = f"{tag}1", f"{tag}2"
    for chat, other in ((pn, lid), (lid, pn)):
        for alt in (None, other):
            found += [
                ev.message(theirs, text(f"text {tag}", secret=True), chat=chat, alt=alt, name=tag),
                ev.message(mine, f"text mine {tag}", chat=chat, sender=None, recipient_alt=alt, at=NOON + 10),
                ev.message(
                    f"{tag}3", reply(f"text re {tag}", mine, "mine", ME, ME), chat=chat, alt=alt, at=NOON + 20
                ),
                ev.receipt(mine, kind="READ", chat=chat, at=NOON + 31, alt=alt),
                ev.edit(theirs, f"text edited {tag}", chat=chat, alt=alt, own_id=f"{tag}E"),
                ev.reaction(mine, "👍", chat=chat, alt=alt, at=NOON + 35),
                keep(mine, NOON + 38, chat=chat, alt=alt),
            ]
        found += [
            ev.undecryptable(f"{tag}3", chat=chat, at=NOON + 25),
            ev.message(mine, f"text mine {tag}", chat=chat, sender=None, at=NOON + 11),
            ev.reaction(mine, "", chat=chat, at=NOON + 36),
            keep(mine, NOON + 38, kept=False, chat=chat, sender=None),
            keep(theirs, NOON + 39, chat=chat, sender=None),
            keep(theirs, NOON + 40, kept=False, chat=chat),
            ev.reaction(theirs, "❤️", chat=chat, sender=None, at=NOON + 37),
            ev.receipt(mine, kind="DELIVERED", chat=chat, at=NOON + 30),
            ev.receipt(theirs, kind="READ_SELF", chat=chat, sender=None, at=NOON + 32),
            ev.revoke(f"{tag}3", chat=chat, at=NOON + 90),
            ev.history(
                ev.conversation(
                    [
                        ev.web_message(
                            f"{tag}3", reply(f"text re {tag}", mine, "mine", ME, ME), chat=chat, at=NOON + 20
                        ),
                        ev.web_message(
                            mine, f"text mine {tag}", chat=chat, sender=None, at=NOON + 10, status=4
                        ),
                        kept(
                            ev.web_message(theirs, text(f"text {tag}", secret=True), chat=chat, name=tag),
                            NOON + 41,
                            None,
                        ),
                        ev.web_message(f"{tag}0", "text old", chat=chat, at=NOON - 50),
                    ],
                    chat=chat,
                    unread=1,
                )
            ),
            ev.history(
                ev.conversation([ev.web_message(f"{tag}0", "text old", chat=chat, at=NOON - 50)], chat=chat),
                kind=2,
            ),
            sealed_reaction("🎉", theirs, chat, ME, NOON + 40, chat=chat, sender=None),
            sealed_edit(f"text sealed {tag}", theirs, chat, NOON + 65, chat=chat),
        ]
    found.append(Raw(EventCode.RECEIPT, found[3].payload))
    return found


def group() -> list[Raw]:
    """What happens in a group, under the addresses of several people."""
    found: list[Raw] = []
    for sender, other in ((ANA, ANA_LID), (ANA_LID, ANA), (BOB, BOB_LID), (BOB_LID, BOB)):
        tag, at = ("GA", NOON) if sender in (ANA, ANA_LID) else ("GB", NOON + 1)
        for alt in (None, other):
            where: dict[str, Any] = {"chat": GROUP, "sender": sender, "alt": alt}
            found += [
                ev.message(f"{tag}1", image(f"text {tag}"), name=tag, at=at, **where),
                ev.message(f"{tag}2", reply("text re", "GA1", "x", ANA, MY_LID), at=at + 11, **where),
                ev.reaction("GM", "👍", at=NOON + 40, **where),
                ev.reaction("GM", "😂", at=NOON + 41, **where),
                keep("GM", NOON + 44, **where),
                ev.edit(f"{tag}1", f"text edited {tag}", own_id=f"{tag}E", **where),
                ev.receipt("GM", chat=GROUP, sender=sender, alt=alt, at=NOON + 50),
            ]
        bare: dict[str, Any] = {"chat": GROUP, "sender": sender}
        found += [
            ev.undecryptable(f"{tag}1", at=at, **bare),
            ev.revoke(f"{tag}2", at=NOON + 90, **bare),
            keep("GM", NOON + 45, kept=tag == "GA", **bare),
            keep(f"{tag}2", NOON + 46, **bare),
            vote("Pizza", f"V1{tag}", "GP", ANA, sender, NOON + 60, **bare),
            vote("Sushi", f"V2{tag}", "GP", ANA_LID, sender, NOON + 61, **bare),
            sealed_reaction("🎉", "GP", ANA, sender, NOON + 62, **bare),
            ev.revoke("GA2", of=sender, chat=GROUP, sender=BOB, at=NOON + 91),
        ]
    for sender in (ANA, ANA_LID):
        found.append(ev.message("GP", poll(), chat=GROUP, sender=sender, at=NOON + 25))
    found += [
        ev.message("GM", text("text by me"), chat=GROUP, sender=None, at=NOON + 5),
        vote("Pizza", "V0", "GP", ANA, ME, NOON + 63, chat=GROUP, sender=None),
        ev.history(
            ev.conversation(
                [
                    ev.web_message("GA1", image("text GA"), chat=GROUP, sender=ANA_LID, name="GA"),
                    kept(
                        ev.web_message(
                            "GM", text("text by me"), chat=GROUP, sender=None, at=NOON + 5, status=3
                        ),
                        NOON + 44,
                        BOB,
                    ),
                    ev.web_message("GP", poll(), chat=GROUP, sender=ANA, at=NOON + 25),
                ],
                chat=GROUP,
                name="Club",
                unread=2,
            )
        ),
    ]
    return found


def moved() -> list[Raw]:
    """A number that passes from Cy to Dan, and Ana's new number."""
    found: list[Raw] = []
    for n, at in enumerate((NOON - 100, NOON, MOVED - 1)):
        found += [
            ev.message(f"CY{n}", f"text of Cy {n}", chat=CY, at=at),
            ev.message(f"CYM{n}", "text to Cy", chat=CY, sender=None, at=at + 1),
            ev.message(f"CYG{n}", "text of Cy", chat=GROUP, sender=CY, at=at - 3),
            ev.reaction(f"CYM{n}", "👍", chat=CY, at=at + 2),
            ev.edit(f"CY{n}", "text of Cy edited", chat=CY, at=at + 3, own_id=f"CYE{n}"),
        ]
    for n, at in enumerate((MOVED + 10, MOVED + 100)):
        found += [
            ev.message(f"DAN{n}", f"text of Dan {n}", chat=CY, at=at),
            ev.message(f"DANM{n}", "text to Dan", chat=CY, sender=None, at=at + 1),
            ev.message(f"DANG{n}", "text of Dan", chat=GROUP, sender=CY, at=at),
            ev.reaction(f"DANM{n}", "👍", chat=CY, at=at + 2),
            ev.message(f"DANT{n}", f"text told {n}", chat=CY, alt=DAN_LID, at=at + 4, name="Dan"),
        ]
    found += [
        ev.message("CYT", "text told", chat=CY, alt=CY_LID, at=NOON + 5, name="Cy"),
        ev.message("CYL", "text hidden", chat=CY_LID, at=NOON + 6),
        ev.message("CYL2", "text hidden, later", chat=CY_LID, at=MOVED + 50),
        ev.message("DANL", "text hidden", chat=DAN_LID, at=NOON + 2),
        ev.receipt("CYM1", chat=CY_LID, alt=CY, at=NOON + 9),
        ev.message("AN", "text new number", chat=ANA_NEW, at=NOON + 200),
        ev.message("ANT", "text new number", chat=ANA_NEW, alt=ANA_LID, at=NOON + 201),
    ]
    return found


def mappings() -> list[Raw]:
    """Who is who, from every source."""
    more: Any = HistorySync.HistorySync()
    for pn, lid in ((ANA, ANA_LID), (ME, MY_LID)):
        more.phoneNumberToLidMappings.add(pnJID=pn, lidJID=lid)
    chat: Any = HistorySync.Conversation(ID=BOB, pnJID=BOB, lidJID=BOB_LID)
    return [
        ev.history(kind=4, more=more),
        ev.history(ev.conversation([], chat=BOB, more=chat)),
    ]


def call(step: str, wa_id: str, caller: str, at: int, alt: str | None = None, reason: str = "") -> Raw:
    """A step of a call."""
    kinds: dict[str, tuple[EventCode, Any]] = {
        "offer": (EventCode.CALL_OFFER, Neonize.CallOffer),
        "accept": (EventCode.CALL_ACCEPT, Neonize.CallAccept),
        "terminate": (EventCode.CALL_TERMINATE, Neonize.CallTerminate),
    }
    code, kind = kinds[step]
    event = kind()
    meta = event.basicCallMeta
    ev.jid(getattr(meta, "from"), caller)
    ev.jid(meta.callCreator, caller)
    if alt is not None:
        ev.jid(meta.callCreatorAlt, alt)
    meta.timestamp, meta.callID = at, wa_id
    if step == "terminate":
        event.reason = reason
    return Raw(code, event.SerializePartialToString())


def other_things() -> list[Raw]:
    """Calls, settings, names, stars, statuses, channels, and messages of the past that were changed since."""
    found: list[Raw] = []
    channel = "120363000000000007@newsletter"
    for sender, other in ((ANA, ANA_LID), (ANA_LID, ANA)):
        for alt in (None, other):
            found += [
                call("offer", "CALL1", sender, NOON + 300, alt),
                call("accept", "CALL2", sender, NOON + 305, alt),
                call("terminate", "CALL1", sender, NOON + 310, alt, "timeout"),
                call("offer", "CALL2", sender, NOON + 301, alt),
                ev.message(
                    "ST1", "text status", chat="status@broadcast", sender=sender, alt=alt, at=NOON + 70
                ),
                ev.message("O1", "text x", chat=sender, alt=alt, name="Ann", at=NOON + 80),
                ev.message("O2", "text y", chat=sender, alt=alt, name="Anna", at=NOON + 81),
            ]
            setting: Any = E2E.Message()
            setting.protocolMessage.type, setting.protocolMessage.ephemeralExpiration = 3, 86_400
            found.append(ev.message("EP1", setting, chat=sender, alt=alt, at=NOON + 82))
            off: Any = E2E.Message()
            off.protocolMessage.type, off.protocolMessage.ephemeralExpiration = 3, 0
            found.append(ev.message("EP2", off, chat=sender, alt=alt, at=NOON + 83))
        starred = ev.web_message("O1", "text x", chat=sender, at=NOON + 80, name="Ann")
        starred.starred = True
        edited: Any = E2E.Message()
        change = edited.editedMessage.message.protocolMessage
        change.type, change.key.ID, change.timestampMS = 14, "O2", (NOON + 200) * 1000
        change.editedMessage.conversation = "text y, edited"
        newest = ev.web_message("O2", edited, chat=sender, at=NOON + 81)
        deleted = ev.web_message("O1", chat=sender, at=NOON + 80)
        deleted.ClearField("message")
        deleted.messageStubType, deleted.revokeMessageTimestamp = 1, NOON + 210
        found += [
            ev.history(ev.conversation([starred], chat=sender, unread=3, name="Ana Silva")),
            ev.history(ev.conversation([newest], chat=sender)),
            ev.history(ev.conversation([deleted], chat=sender)),
        ]
    found += [
        ev.message("CH1", "text of the channel", chat=channel, sender=channel, at=NOON + 90),
        ev.message(
            "CH1", "text of the channel, edited", chat=channel, sender=channel, at=NOON + 95, edit="3"
        ),
        ev.reaction("CH1", "👍", chat=channel, sender=None, at=NOON + 96),
    ]
    for n, name in enumerate(("Club", "Book Club")):
        info: Any = Neonize.GroupInfoEvent()
        ev.jid(info.JID, GROUP)
        info.Name.Name, info.Timestamp = name, NOON + 400 + n
        ev.jid(info.Sender, ANA_LID if n else ANA)
        found.append(Raw(EventCode.GROUP_INFO, info.SerializePartialToString()))
    for n, (joined, person) in enumerate(((True, BOB), (False, BOB_LID), (True, ANA), (False, ANA))):
        info = Neonize.GroupInfoEvent()
        ev.jid(info.JID, GROUP)
        ev.jid((info.Join if joined else info.Leave).add(), person)
        info.Timestamp = NOON + 410 + n
        ev.jid(info.Sender, person)
        found.append(Raw(EventCode.GROUP_INFO, info.SerializePartialToString()))
    return found


def ourselves() -> list[Raw]:
    """What is said to, by and about ourselves, under both our addresses, known as ours or not yet."""
    found: list[Raw] = []
    for own, other in ((ME, MY_LID), (MY_LID, ME)):
        for alt in (None, other):
            found += [
                ev.message("ME1", "text note", chat=own, sender=None, recipient_alt=alt, at=NOON + 500),
                ev.message("ME2", "text by us", chat=GROUP, sender=own, alt=alt, at=NOON + 501),
                ev.edit("ME2", "text by us, edited", chat=GROUP, sender=own, alt=alt, own_id="MEE"),
                ev.reaction("GM", "👀", chat=GROUP, sender=own, alt=alt, at=NOON + 502),
                keep("GM", NOON + 502, kept=own == ME, chat=GROUP, sender=own, alt=alt),
                ev.message("ME3", reply("text to us", "ME2", "x", ME, MY_LID), sender=ANA, at=NOON + 503),
            ]
        found += [
            ev.receipt("ME3", kind="READ_SELF", sender=None, at=NOON + 510),
            vote("Pizza", f"VME{own}", "GP", ANA, own, NOON + 504, chat=GROUP, sender=own),
            ev.history(
                ev.conversation(
                    [ev.web_message("ME2", "text by us", chat=GROUP, sender=None, at=NOON + 501)], chat=GROUP
                )
            ),
        ]
    found += [
        ev.message("GM", text("text by me"), chat=GROUP, sender=None, at=NOON + 5),
        ev.message("GP", poll(), chat=GROUP, sender=ANA, at=NOON + 25),
    ]
    return found
