"""People: numbers, blocking, the address book, who is online."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import contacts
from whatsapp_mcp.errors import InvalidArgument, TooLong
from whatsapp_mcp.jid import Jid, parse_number
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import Texts, find_person
from whatsapp_mcp.server.calls import Call, Result, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, called, clean_name, full_name, identifier
from whatsapp_mcp.server.render import address, named, person_line, rfc3339, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.models import NumberCheck

MAX_NUMBERS: Final = 50
"""Numbers in one call: WhatsApp throttles many look-ups."""
MAX_NAME: Final = 100
"""Characters of a name that is saved."""
PersonArg = Annotated[str, Field(description="Name, number or jid")]


class NumberData(TypedDict):
    """A number, and whether it is on WhatsApp; `business` is the name of a business that has it."""

    number: str
    on_whatsapp: bool
    jid: str | None
    business: NotRequired[str]


class NumbersData(TypedDict):
    """The numbers that were checked."""

    numbers: list[NumberData]


class BlockData(TypedDict):
    """A contact, and whether they are blocked now."""

    jid: str
    blocked: bool


class BlockedContactData(TypedDict):
    """Somebody who is blocked."""

    jid: str
    name: str | None


class BlockedData(TypedDict):
    """The blocked contacts."""

    blocked: list[BlockedContactData]


class SavedContactData(TypedDict):
    """Somebody's name, as it was saved."""

    jid: str
    name: str


class PresenceData(TypedDict):
    """Presence of a person, as far as they share it."""

    jid: str
    online: bool | None
    last_seen: str | None


@tool("contacts", Effect.READ, Audience.NOBODY, result=NumbersData, in_one=True)
async def check_numbers(call: Call, numbers: Texts) -> Result:
    """Which phone numbers are on WhatsApp."""
    if not 1 <= len(numbers) <= MAX_NUMBERS:
        raise InvalidArgument(f"numbers must be 1 to {MAX_NUMBERS}, not {len(numbers)}.")
    asked = tuple(dict.fromkeys(str(parse_number(number).number) for number in numbers))
    services = await call.services()
    async with services.device() as device:
        checks = await device.do(contacts.check_numbers, asked)
    if not services.archive.shows_words_of(None):
        name = services.archive.group_name
        checks = [
            replace(each, business=each.business and name(each.business, each.jid or "")) for each in checks
        ]
    lines = [
        f"{each.number}: {'on WhatsApp' if each.jid else 'not on WhatsApp'}"
        + (f", business {called(each.business, True)}" if each.business else "")
        for each in checks
    ]
    return Result(Text("Numbers:", lines), NumbersData(numbers=[_number_data(each) for each in checks]))


def _number_data(check: NumberCheck) -> NumberData:
    data: NumberData = {"number": check.number, "on_whatsapp": check.jid is not None, "jid": check.jid}
    if check.business:
        data["business"] = full_name(check.business)
    return data


@tool("contacts", Effect.DESTROY, Audience.ONESELF, destructive=True, idempotent=True, result=BlockData)
async def block_contact(call: Call, contact: PersonArg) -> Result:
    """Block somebody: they can no longer write or call. Only when the user asks for it."""
    return await _block(call, contact, blocked=True)


@tool("contacts", Effect.ACT, Audience.ONESELF, idempotent=True, result=BlockData)
async def unblock_contact(call: Call, contact: PersonArg) -> Result:
    """Unblock a contact."""
    return await _block(call, contact, blocked=False)


async def _block(call: Call, contact: str, *, blocked: bool) -> Result:
    services = await call.services()
    person = await find_person(services, contact)
    async with services.device() as device:
        await device.do(contacts.block, person.jid, blocked)
    how = "Blocked" if blocked else "Unblocked"
    return Result(f"{how} {named(person)}.", BlockData(jid=person.jid, blocked=blocked))


@tool("contacts", Effect.READ, Audience.NOBODY, result=BlockedData)
async def list_blocked(call: Call) -> Result:
    """List the blocked contacts."""
    services = await call.services()
    async with services.device() as device:
        jids = await device.do(contacts.blocked)
    people = [(jid, await services.archive.contact(jid)) for jid in jids]
    lines = [person_line(known) if known else address(jid) for jid, known in people]
    data: list[BlockedContactData] = [
        {"jid": identifier(known.jid if known else jid), "name": full_name(known.name) if known else None}
        for jid, known in people
    ]
    return Result(Text("Blocked:", lines) if lines else "Nobody is blocked.", BlockedData(blocked=data))


@tool("contacts", Effect.NAME, Audience.ONESELF, idempotent=True, result=SavedContactData)
async def save_contact(call: Call, contact: PersonArg, name: str) -> Result:
    """Save a name for somebody here; the client library cannot change the phone's address book."""
    name = " ".join(name.split())
    if not name:
        raise InvalidArgument("name is empty.", "Give the name to save.")
    if len(name) > MAX_NAME:
        raise TooLong(f"The name has {len(name)} characters, the limit is {MAX_NAME}.")
    services = await call.services()
    person = await find_person(services, contact, own_names=True)
    if Jid.parse(person.jid).number is None:
        raise InvalidArgument("The phone number of this person is not known.", "Give the number to save.")
    async with services.device() as device:
        await device.do(contacts.save_contact, person.jid, name)
    text = f"Saved {address(person.jid)} as {clean_name(name)}, here and not in the phone's address book."
    return Result(text, SavedContactData(jid=person.jid, name=name))


@tool("contacts", Effect.READ, Audience.NOBODY, result=PresenceData, in_one=True)
async def is_online(call: Call, contact: PersonArg) -> Result:
    """Check whether somebody is online, or when they were last online, if they share it."""
    services = await call.services()
    person = await find_person(services, contact)
    async with services.device() as device:
        presence = await device.do(contacts.presence, person.jid)
    name = named(person)
    if presence is None:
        text = f"Nothing is known of {name}: WhatsApp shows it only to those who share it (set_presence)."
        return Result(text, PresenceData(jid=person.jid, online=None, last_seen=None))
    seen = presence.last_seen
    if presence.online:
        text = f"{name} is online."
    elif seen:
        text = f"{name} was online {short(seen, services.zone, services.now())}."
    else:
        text = f"{name} is not online and hides when they were."
    data: PresenceData = {
        "jid": person.jid,
        "online": presence.online,
        "last_seen": rfc3339(seen, services.zone),
    }
    return Result(text, data)


TOOLS: Sequence[ToolFunction] = (
    check_numbers,
    block_contact,
    unblock_contact,
    list_blocked,
    save_contact,
    is_online,
)
