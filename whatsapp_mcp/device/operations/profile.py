"""The own account: how it shows itself, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from whatsapp_mcp.device.operations.base import Topic, partly, read
from whatsapp_mcp.models import ProfileChange
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.protobufs import Neonize

PRIVACY: Final = {
    "last_seen": ("last", "LastSeen"),
    "online": ("online", "Online"),
    "photo": ("profile", "Profile"),
    "about": ("status", "Status"),
    "groups": ("groupadd", "GroupAdd"),
    "read_receipts": ("readreceipts", "ReadReceipts"),
    "calls": ("calladd", "CallAdd"),
}
"""Our names of the settings, with WhatsApp's and those of the library's answer."""


class ProfileOperations(Protocol):
    """What can be asked of and done to the own account; all may raise the errors of `LocalDevice.call`."""

    @has_effect(Effect.ACT, Audience.EVERYONE)
    async def change_profile(self, change: ProfileChange) -> None:
        """Change what is given, one after the other.

        Raises:
            WhatsAppError: The first that failed; the message says what was done before.
            Busy: The phone has not yet handed over what a change of name needs.
        """
        ...

    @has_effect(Effect.READ)
    async def privacy(self) -> dict[str, str]:
        """Who sees what: settings by our names, as WhatsApp's values (`all`, `contacts`, `none` …)."""
        ...

    @has_effect(Effect.ACT, Audience.EVERYONE)
    async def change_privacy(self, setting: str, value: str) -> dict[str, str]:
        """Change one setting, by our name; answers all."""
        ...

    @has_effect(Effect.ACT, Audience.EVERYONE)
    async def show_presence(self, available: bool) -> None:
        """Show the account as online, or no longer."""
        ...

    @has_effect(Effect.ACT, Audience.CHAT, "caller")
    async def reject_call(self, caller: str, call_id: str) -> None:
        """Turn down a call that rings."""
        ...


class Profile(Topic):
    """`ProfileOperations` through the client."""

    async def change_profile(self, change: ProfileChange) -> None:
        """See `ProfileOperations.change_profile`."""
        await partly(self.call, _steps(change))
        if change.name is not None:
            pn, lid, _ = await self._archive.own()
            await self._archive.set_own(pn, lid, change.name)

    async def privacy(self) -> dict[str, str]:
        """See `ProfileOperations.privacy`."""
        return _settings(await self.call("get_privacy_settings"))

    async def change_privacy(self, setting: str, value: str) -> dict[str, str]:
        """See `ProfileOperations.change_privacy`."""
        await self.call("set_privacy_setting", {"name": PRIVACY[setting][0], "value": value})
        return await self.privacy()

    async def show_presence(self, available: bool) -> None:
        """See `ProfileOperations.show_presence`."""
        await self.call("send_presence", {"available": available})

    async def reject_call(self, caller: str, call_id: str) -> None:
        """See `ProfileOperations.reject_call`."""
        await self.call("reject_call", {"caller": caller, "id": call_id})


def _steps(change: ProfileChange) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if change.name is not None:
        yield "name", "set_profile_name", {"name": change.name}
    if change.about is not None:
        yield "about", "set_status_message", {"about": change.about}
    if change.photo is not None:
        yield "photo", "set_profile_photo", {"path": change.photo}


def _settings(answer: str) -> dict[str, str]:
    from whatsapp_mcp.protobufs import Neonize

    settings: Neonize.PrivacySettings = read(Neonize.PrivacySettings, answer)
    names = Neonize.PrivacySettings.PrivacySetting
    return {ours: names.Name(getattr(settings, field)).lower() for ours, (_, field) in PRIVACY.items()}
