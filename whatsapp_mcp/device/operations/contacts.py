"""People: who is on WhatsApp, who is blocked, what they are called, who is online."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import anyio

from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations.whatsapp import WhatsApp, jid_text, moment, read
from whatsapp_mcp.errors import InvalidArgument, Rejected
from whatsapp_mcp.jid import parse_number
from whatsapp_mcp.models import ContactDetails, ContactUpdate, NumberCheck, Presence
from whatsapp_mcp.policy import Audience, Effect, has_effect

_HEARD: Final = 100
"""Presences that wait to be looked at by one who waits for one."""


@has_effect(Effect.READ)
async def check_numbers(whatsapp: WhatsApp, numbers: tuple[str, ...]) -> tuple[NumberCheck, ...]:
    """Which E.164 numbers are on WhatsApp, in the order given."""
    from whatsapp_mcp.protobufs import Neonize

    checks: dict[str, NumberCheck] = {}
    for answer in await whatsapp.call("is_on_whatsapp", {"numbers": list(numbers)}):
        response = read(Neonize.IsOnWhatsAppResponse, answer)
        number = f"+{response.Query.removeprefix('+')}"
        business = response.VerifiedName.Details.verifiedName if response.HasField("VerifiedName") else ""
        checks[number] = NumberCheck(
            number, jid_text(response.JID) if response.IsIn else None, business or None
        )
    return tuple(checks.get(number, NumberCheck(number)) for number in numbers)


@has_effect(Effect.READ)
async def resolve_number(whatsapp: WhatsApp, number: str) -> str | None:
    """The PN jid of an E.164 number when it is on WhatsApp, else None."""
    from whatsapp_mcp.protobufs import Neonize

    for answer in await whatsapp.call("is_on_whatsapp", {"numbers": [f"+{parse_number(number).user}"]}):
        response = read(Neonize.IsOnWhatsAppResponse, answer)
        if response.IsIn:
            return jid_text(response.JID)
    return None


@has_effect(Effect.READ)
async def contact_details(whatsapp: WhatsApp, jid: str) -> ContactDetails:
    """Return what WhatsApp shows of a person now."""
    from whatsapp_mcp.protobufs import Neonize

    about = business = picture = None
    for answer in await whatsapp.call("get_user_info", {"jids": [jid]}):
        info = read(Neonize.GetUserInfoSingleReturnFunction, answer).UserInfo
        about = info.Status or about
        business = info.VerifiedName.Details.verifiedName or business
    try:
        answer = await whatsapp.call("get_profile_picture", {"jid": jid, "preview": False})
    except (Rejected, InvalidArgument):
        answer = None  # hidden or none
    if answer:
        picture = read(Neonize.ProfilePictureInfo, answer).URL or None
    return ContactDetails(jid, about, picture, business)


@has_effect(Effect.READ)
async def blocked(whatsapp: WhatsApp) -> tuple[str, ...]:
    """Jids of the people that are blocked."""
    from whatsapp_mcp.protobufs import Neonize

    answer = read(Neonize.Blocklist, await whatsapp.call("get_blocklist"))
    return tuple([await whatsapp.visible(jid_text(jid)) for jid in answer.JIDs])


@has_effect(Effect.DESTROY, Audience.ONESELF, "jid")
async def block(whatsapp: WhatsApp, jid: str, blocked: bool) -> None:
    """Block somebody, or unblock."""
    await whatsapp.call("block" if blocked else "unblock", {"jid": jid})


@has_effect(Effect.NAME, Audience.ONESELF, "jid")
async def save_contact(whatsapp: WhatsApp, jid: str, name: str) -> None:
    """Give somebody a name in the archive; the phone's address book stays as it is.

    The library cannot send app state (neonize 0.5.2 loses the name of the collection). Nor is its own
    store told: what stands there is the phone's, and makes people known.
    """
    await whatsapp.archive.write(recording.record_contacts, [ContactUpdate(jid, given_name=name)])


@has_effect(Effect.PERSON)
async def confirm_person(whatsapp: WhatsApp, jid: str, known: bool) -> None:
    """Let somebody count as known, as those do who stand in the phone's address book, or no more."""
    await whatsapp.archive.write(recording.confirm_person, jid, known)


@has_effect(Effect.READ)
async def presence(whatsapp: WhatsApp, jid: str, wait: float = 5.0) -> Presence | None:
    """Wait up to `wait` seconds for a person's presence; None if WhatsApp does not report it."""
    known = await whatsapp.archive.contact(jid)
    forms = {jid, known.lid if known else None, known.jid if known else None}
    tell, heard = anyio.create_memory_object_stream[Presence](_HEARD)
    with tell, heard:
        # Before the subscription, since the presence may come before that call returns.
        whatsapp.presences.append(tell)
        try:
            await whatsapp.call("subscribe_presence", {"jid": jid})
            with anyio.move_on_after(wait):
                async for presence in heard:
                    if presence.jid in forms:
                        return presence
        finally:
            whatsapp.presences.remove(tell)
    return None


def hear_presence(whatsapp: WhatsApp, payload: bytes) -> None:
    """Pass the protobuf of a `PRESENCE` event on to the calls of `presence` that wait for one."""
    if not whatsapp.presences:
        return
    presence = _read_presence(payload)
    for listener in whatsapp.presences:
        # Who does not read in time misses some, and holds up nobody else.
        with suppress(anyio.WouldBlock):
            listener.send_nowait(presence)


def _read_presence(payload: bytes) -> Presence:
    from whatsapp_mcp.protobufs import Neonize
    from whatsapp_mcp.protobufs.bounded import parsed

    event = parsed(Neonize.Presence, payload)
    return Presence(jid_text(event.From), not event.Unavailable, moment(event.LastSeen))
