"""The own account: how it shows itself, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations.whatsapp import WhatsApp, partly, read
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


@has_effect(Effect.ACT, Audience.EVERYONE)
async def change_profile(whatsapp: WhatsApp, change: ProfileChange) -> None:
    """Change what is given, one after the other.

    Raises:
        WhatsAppError: The first that failed; the message says what was done before.
        Busy: The phone has not yet handed over what a change of name needs.
    """
    await partly(whatsapp.call, _steps(change))
    if change.name is not None:
        pn, lid, _ = await whatsapp.archive.own()
        await whatsapp.archive.write(recording.set_own, pn, lid, change.name)


@has_effect(Effect.READ)
async def privacy(whatsapp: WhatsApp) -> dict[str, str]:
    """Return who sees what: our names of settings, with WhatsApp's values (`all`, `contacts`, `none` …)."""
    return _settings(await whatsapp.call("get_privacy_settings"))


@has_effect(Effect.ACT, Audience.EVERYONE)
async def change_privacy(whatsapp: WhatsApp, setting: str, value: str) -> dict[str, str]:
    """Change one setting, by our name; answers all."""
    await whatsapp.call("set_privacy_setting", {"name": PRIVACY[setting][0], "value": value})
    return await privacy(whatsapp)


@has_effect(Effect.ACT, Audience.EVERYONE)
async def show_presence(whatsapp: WhatsApp, available: bool) -> None:
    """Show the account as online, or no longer."""
    await whatsapp.call("send_presence", {"available": available})


@has_effect(Effect.ACT, Audience.CHAT, "caller")
async def reject_call(whatsapp: WhatsApp, caller: str, call_id: str) -> None:
    """Turn down a call that rings."""
    await whatsapp.call("reject_call", {"caller": caller, "id": call_id})


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
