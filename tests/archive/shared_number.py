"""A number that three people have one after the other, and all that may happen under it alone.

Each event is fixed, as in `world`. What is done under the number alone is done before, between and after the
times at which it was first seen with each of their hidden jids, in their chats and in a group they share;
some of it is told under a hidden jid too, and some of that contradicts the times.
"""

from __future__ import annotations

from typing import Any

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, GROUP, ME, NOON, Raw
from tests.archive.world import call, poll, reply, sealed_edit, sealed_reaction, text, vote
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize

NUMBER = "15550000003@s.whatsapp.net"
CY, DAN, EVE = "80003@lid", "80004@lid", "80005@lid"
FORMER = "15550000004@s.whatsapp.net"
"""Dan's number before."""
OTHER = "15550000005@s.whatsapp.net"
"""A number of Eve's that nobody else has."""
SEEN = {CY: NOON + 1_133, DAN: NOON + 5_133, EVE: NOON + 9_133}
"""When the number is seen with whom."""
TIMES = (
    NOON - 140,
    SEEN[CY] + 10,
    SEEN[DAN] - 20,
    SEEN[DAN] + 10,
    SEEN[EVE] - 20,
    SEEN[EVE] + 10,
)
"""Before, and at the beginning and the end of each one's time."""


def people() -> list[Raw]:
    """Who has the number when, told early and late, and by sources that tell no time of their own."""
    found: list[Raw] = []
    for lid, at in SEEN.items():
        more: Any = HistorySync.HistorySync()
        more.phoneNumberToLidMappings.add(pnJID=NUMBER, lidJID=lid)
        tag = lid.partition("@")[0]
        found += [
            ev.message(f"T{tag}", f"text of {tag}", chat=NUMBER, alt=lid, at=at, name=tag),
            ev.message(f"T{tag}b", f"text of {tag}", chat=lid, alt=NUMBER, at=at + 500),
            ev.receipt(f"LM{tag}", chat=lid, alt=NUMBER, at=at + 30),
            ev.message(f"TG{tag}", f"text of {tag}", chat=GROUP, sender=lid, alt=NUMBER, at=at + 3),
            ev.history(kind=4, more=more, received_at=at - 40),
            ev.message(f"L{tag}", f"text hidden {tag}", chat=lid, at=at + 7),
            ev.message(f"LM{tag}", f"text to {tag}", chat=lid, sender=None, at=at + 8),
            ev.receipt(f"LM{tag}", chat=lid, at=at + 9),
            ev.receipt(f"L{tag}", kind="READ_SELF", chat=lid, sender=None, at=at + 10),
        ]
    for lid in (DAN, EVE):
        more = HistorySync.HistorySync()
        more.phoneNumberToLidMappings.add(pnJID=FORMER, lidJID=lid)
        found.append(ev.history(kind=4, more=more))
    found += [
        ev.message("F1", "text of the former number", chat=FORMER, alt=DAN, at=NOON + 60),
        ev.message("F2", "text of the other number", chat=OTHER, at=NOON + 62),
        ev.reaction("F2", "👍", chat=NUMBER, at=NOON + 64),
        ev.reaction("F2", "👀", chat=NUMBER, sender=None, at=SEEN[EVE] + 64),
        ev.message("F3", "text of the other number", chat=OTHER, alt=EVE, at=NOON + 66),
    ]
    return found


def everything() -> list[Raw]:
    """All of it; who has the number is told as often as all that happens in one of the chats."""
    return people() * 4 + chats() + group()


def chats() -> list[Raw]:
    """What happens in the chat with the number."""
    found: list[Raw] = []
    for n, at in enumerate(TIMES):
        theirs, mine = f"A{at}", f"M{at}"
        more: Any = HistorySync.Conversation(
            ID=NUMBER, archived=n % 2 == 0, pinned=n % 3, muteEndTime=at if n % 2 else 0
        )
        if n in (1, 4):
            more.markedAsUnread = True
        said = ev.web_message(f"A{at}", text(f"text {n}", secret=True), chat=NUMBER, at=at)
        found += [
            ev.message(theirs, text(f"text {n}", secret=True), chat=NUMBER, at=at),
            ev.message(mine, text(f"text to {n}", secret=True), chat=NUMBER, sender=None, at=at + 1),
            ev.message(f"Q{at}", reply(f"text re {n}", mine, "x", ME), chat=NUMBER, at=at + 2),
            ev.message(theirs, text(f"text {n}", secret=True), chat=NUMBER, at=at - 4),
            ev.undecryptable(theirs, chat=NUMBER, at=at),
            ev.message(theirs, unknown(), chat=NUMBER, at=at),
            ev.reaction(mine, "👍", chat=NUMBER, at=at + 3),
            ev.reaction(mine, "😂", chat=NUMBER, at=at + 2_000),
            ev.reaction(theirs, "❤️", chat=NUMBER, sender=None, at=at + 4),
            ev.edit(theirs, f"text {n} edited", chat=NUMBER, at=at + 5, own_id=f"E{at}"),
            ev.receipt(mine, kind="DELIVERED", chat=NUMBER, at=at + 6),
            ev.receipt(mine, kind="READ", chat=NUMBER, at=at + 3_000),
            ev.receipt(theirs, kind="READ_SELF", chat=NUMBER, sender=None, at=at + 7),
            ev.receipt(theirs, kind="READ_SELF", chat=NUMBER, sender=None, at=at + 5_000),
            ev.history(
                ev.conversation([said], chat=NUMBER, unread=n % 2, name=f"Name {n}", more=more),
                received_at=at + 8,
            ),
            timer(f"S{at}", 86_400 * (n % 3), at + 9),
            call("offer", f"C{at}", NUMBER, at + 10),
            call("terminate", f"C{at}", NUMBER, at + 11, None, "timeout"),
            sealed_reaction("🎉", mine, ME, NUMBER, at + 12, chat=NUMBER),
            sealed_edit(f"text {n} sealed", theirs, NUMBER, at + 13, chat=NUMBER),
        ]
    for lid, at in ((CY, TIMES[1]), (DAN, TIMES[2]), (EVE, TIMES[5]), (DAN, TIMES[0]), (EVE, TIMES[3])):
        n = TIMES.index(at)
        found += [
            ev.message(f"A{at}", text(f"text {n}", secret=True), chat=lid, at=at - 1),
            ev.message(f"M{at}", text(f"text to {n}", secret=True), chat=lid, sender=None, at=at + 1),
            ev.receipt(f"M{at}", kind="READ", chat=lid, at=at + 3_000),
            ev.receipt(f"A{at}", kind="READ_SELF", chat=lid, sender=None, at=at + 7),
            ev.reaction(f"M{at}", "👍", chat=lid, at=at + 3),
            ev.revoke(f"A{at}", chat=lid, at=at + 20),
        ]
    found.append(ev.revoke(f"A{TIMES[4]}", chat=NUMBER, at=TIMES[4] + 20))
    return found


def group() -> list[Raw]:
    """What happens in a group in which all of them are."""
    found: list[Raw] = [
        ev.message("NM", text("text by me", secret=True), chat=GROUP, sender=None, at=NOON - 200),
        ev.message("NM2", text("text by me"), chat=GROUP, sender=None, at=NOON + 6_000),
        ev.message("NP", poll(), chat=GROUP, sender=ANA, alt=ANA_LID, at=NOON - 150),
    ]
    for n, at in enumerate(TIMES):
        where: dict[str, Any] = {"chat": GROUP, "sender": NUMBER}
        found += [
            ev.message(f"GA{at}", f"text {n}", at=at, **where),
            ev.edit(f"GA{at}", f"text {n} edited", at=at + 600, own_id=f"GE{at}", **where),
            ev.reaction("NM", ("👍", "😂", "")[n % 3], at=at + 20, **where),
            vote(("Pizza", "Sushi")[n % 2], f"V{at}", "NP", ANA, NUMBER, at + 21, **where),
            ev.receipt("NM", at=at + 22, **where),
            ev.receipt("NM2", kind="DELIVERED", at=at + 23, **where),
            members(at + 24, NUMBER, joined=n % 2 == 0),
            sealed_reaction("🎉", "NM", ME, NUMBER, at + 25, **where),
        ]
    for lid, at in ((CY, TIMES[2]), (DAN, TIMES[1]), (DAN, TIMES[3]), (EVE, TIMES[4])):
        where = {"chat": GROUP, "sender": lid}
        n = TIMES.index(at)
        found += [
            ev.message(f"GA{at}", f"text {n}", at=at, **where),
            ev.revoke(f"GA{at}", at=at + 900, **where),
            ev.reaction("NM", ("👍", "😂", "")[n % 3], at=at + 20, **where),
            ev.reaction("NM", "👀", at=at + 26, **where),
            vote(("Pizza", "Sushi")[n % 2], f"V{at}", "NP", ANA, lid, at + 21, **where),
            vote("Sushi", f"VL{at}", "NP", ANA_LID, lid, at + 27, **where),
            ev.receipt("NM2", at=at + 2_500, **where),
            members(at + 24, lid, joined=n % 2 == 1),
        ]
    for at, listed in ((NOON + 20, (NUMBER, CY)), (SEEN[DAN] + 30, (DAN, ANA)), (SEEN[DAN] + 30, (NUMBER,))):
        more: Any = HistorySync.Conversation(ID=GROUP)
        for jid in listed:
            more.participant.add(userJID=jid, rank=1)
        found.append(ev.history(ev.conversation([], chat=GROUP, more=more), received_at=at))
    return found


def unknown() -> Any:
    """Content that is not understood."""
    return E2E.Message.FromString(b"\xc2\x3e\x02hi")


def timer(wa_id: str, seconds: int, at: int) -> Raw:
    """The chat's messages disappear after some time."""
    body: Any = E2E.Message()
    body.protocolMessage.type, body.protocolMessage.ephemeralExpiration = 3, seconds
    return ev.message(wa_id, body, chat=NUMBER, at=at)


def members(at: int, jid: str, *, joined: bool) -> Raw:
    """Somebody joins or leaves the group."""
    event: Any = Neonize.GroupInfoEvent()
    ev.jid(event.JID, GROUP)
    ev.jid((event.Join if joined else event.Leave).add(), jid)
    event.Timestamp = at
    ev.jid(event.Sender, jid)
    return Raw(EventCode.GROUP_INFO, event.SerializePartialToString())
