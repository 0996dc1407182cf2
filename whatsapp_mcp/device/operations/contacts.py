"""People: who is on WhatsApp, who is blocked, what they are called, who is online."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from whatsapp_mcp.device.operations.base import Topic, jid_text, moment, read
from whatsapp_mcp.jid import parse_number
from whatsapp_mcp.models import ContactUpdate, NumberCheck, Presence
from whatsapp_mcp.policy import Audience, Effect, has_effect
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream

_HEARD: Final = 100


class ContactOperations(Protocol):
    """What can be asked of and done to people. Every method may raise the errors of `LocalDevice.call`."""

    @has_effect(Effect.READ)
    async def check_numbers(self, numbers: tuple[str, ...]) -> tuple[NumberCheck, ...]:
        """Which E.164 numbers are on WhatsApp, in the order given."""
        ...

    @has_effect(Effect.READ)
    async def blocked(self) -> tuple[str, ...]:
        """Jids of the people that are blocked."""
        ...

    @has_effect(Effect.DESTROY, Audience.ONESELF, "jid")
    async def block(self, jid: str, blocked: bool) -> None:
        """Block somebody, or unblock."""
        ...

    @has_effect(Effect.NAME, Audience.ONESELF, "jid")
    async def save_contact(self, jid: str, name: str) -> None:
        """Give somebody a name in the archive; the phone's address book stays as it is.

        The library cannot send app state (neonize 0.5.2 loses the name of the collection). Nor is its own
        store told: what stands there is the phone's, and makes people known.
        """
        ...

    @has_effect(Effect.PERSON)
    async def confirm_person(self, jid: str, known: bool) -> None:
        """Let somebody count as known, as those do who stand in the phone's address book, or no more."""
        ...

    @has_effect(Effect.READ)
    async def presence(self, jid: str, wait: float = 5.0) -> Presence | None:
        """Whether somebody is online, told within `wait` seconds; None when WhatsApp tells nothing."""
        ...


class Contacts(Topic):
    """`ContactOperations` through the client."""

    async def check_numbers(self, numbers: tuple[str, ...]) -> tuple[NumberCheck, ...]:
        """See `ContactOperations.check_numbers`."""
        from whatsapp_mcp.protobufs import Neonize

        found: dict[str, NumberCheck] = {}
        for answer in await self.call("is_on_whatsapp", {"numbers": list(numbers)}):
            one = read(Neonize.IsOnWhatsAppResponse, answer)
            number = f"+{one.Query.removeprefix('+')}"
            business = one.VerifiedName.Details.verifiedName if one.HasField("VerifiedName") else ""
            found[number] = NumberCheck(number, jid_text(one.JID) if one.IsIn else None, business or None)
        return tuple(found.get(number, NumberCheck(number)) for number in numbers)

    async def resolve_number(self, number: str) -> str | None:
        """See `Device.resolve_number`."""
        from whatsapp_mcp.protobufs import Neonize

        for answer in await self.call("is_on_whatsapp", {"numbers": [f"+{parse_number(number).user}"]}):
            found = read(Neonize.IsOnWhatsAppResponse, answer)
            if found.IsIn:
                return jid_text(found.JID)
        return None

    async def blocked(self) -> tuple[str, ...]:
        """See `ContactOperations.blocked`."""
        from whatsapp_mcp.protobufs import Neonize

        answer = read(Neonize.Blocklist, await self.call("get_blocklist"))
        return tuple([await self.visible(jid_text(jid)) for jid in answer.JIDs])

    async def block(self, jid: str, blocked: bool) -> None:
        """See `ContactOperations.block`."""
        await self.call("block" if blocked else "unblock", {"jid": jid})

    async def save_contact(self, jid: str, name: str) -> None:
        """See `ContactOperations.save_contact`."""
        await self._archive.record_contacts([ContactUpdate(jid, given_name=name)])

    async def confirm_person(self, jid: str, known: bool) -> None:
        """See `ContactOperations.confirm_person`."""
        await self._archive.confirm_person(jid, known)

    async def presence(self, jid: str, wait: float = 5.0) -> Presence | None:
        """See `ContactOperations.presence`."""
        known = await self._archive.contact(jid)
        forms = {jid, known.lid if known else None, known.jid if known else None}
        tell, heard = anyio.create_memory_object_stream[Presence](_HEARD)
        with tell, heard:
            self._listeners.append(tell)
            try:
                await self.call("subscribe_presence", {"jid": jid})
                with anyio.move_on_after(wait):
                    async for presence in heard:
                        if presence.jid in forms:
                            return presence
            finally:
                self._listeners.remove(tell)
        return None

    def hear_presence(self, payload: bytes) -> None:
        """Pass the protobuf of a `PRESENCE` event on to the calls of `presence` that wait for one."""
        if not self._listeners:
            return
        presence = _read_presence(payload)
        for listener in self._listeners:
            with suppress(anyio.WouldBlock):
                listener.send_nowait(presence)

    @cached_property
    def _listeners(self) -> list[MemoryObjectSendStream[Presence]]:
        return []


def _read_presence(payload: bytes) -> Presence:
    from whatsapp_mcp.protobufs import Neonize

    event = parsed(Neonize.Presence, payload)
    return Presence(jid_text(event.From), not event.Unavailable, moment(event.LastSeen))
