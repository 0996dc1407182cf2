"""Channels (WhatsApp's protocol calls them newsletters)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations.whatsapp import WhatsApp, jid_text, read
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import Channel, ChannelPost
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.protobufs import Neonize

LINK: Final = "https://whatsapp.com/channel/"


@has_effect(Effect.READ)
async def channels(whatsapp: WhatsApp) -> tuple[Channel, ...]:
    """The channels that the account follows or owns."""
    answers = await whatsapp.call("get_subscribed_newsletters")
    return await _named(whatsapp, *map(read_channel, answers))


async def _named(whatsapp: WhatsApp, *channels: Channel) -> tuple[Channel, ...]:
    """The same channels; the archive learns what those are called."""
    await whatsapp.archive.write(
        recording.record_channels, {each.jid: each.name for each in channels if each.name}
    )
    return channels


@has_effect(Effect.READ)
async def channel(whatsapp: WhatsApp, jid: str | None = None, invite: str | None = None) -> Channel:
    """One channel, by its jid or by the code of its link.

    Raises:
        Rejected: There is none.
    """
    if invite is not None:
        return read_channel(await whatsapp.call("get_newsletter_info_with_invite", {"code": invite}))
    return read_channel(await whatsapp.call("get_newsletter_info", {"channel": jid}))


@has_effect(Effect.READ)
async def channel_posts(whatsapp: WhatsApp, jid: str, count: int, before: int = 0) -> tuple[ChannelPost, ...]:
    """The newest posts, oldest first; `before` is the number of a post, 0 for the end."""
    params = {"channel": jid, "count": count, "before": before}
    return tuple(_post(answer) for answer in await whatsapp.call("get_newsletter_messages", params))


@has_effect(Effect.ACT, Audience.CHAT, "jid")
async def follow_channel(whatsapp: WhatsApp, jid: str, follow: bool) -> None:
    """Follow a channel, or no longer."""
    await whatsapp.call("follow_newsletter" if follow else "unfollow_newsletter", {"channel": jid})
    if follow:
        with suppress(WhatsAppError):  # it is followed, and named later
            await _named(whatsapp, await channel(whatsapp, jid))


@has_effect(Effect.ACT, Audience.EVERYONE)
async def create_channel(
    whatsapp: WhatsApp, name: str, description: str = "", photo: str = "", photo_origin: str = ""
) -> Channel:
    """Make a channel; `photo` is the path of a JPEG, made of what was at `photo_origin`."""
    params = {"name": name, "description": description, "path": photo}
    made = read_channel(await whatsapp.call("create_newsletter", params))
    await _named(whatsapp, made)
    return made


@has_effect(Effect.ACT, Audience.CHAT, "jid")
async def react_in_channel(whatsapp: WhatsApp, jid: str, number: int, emoji: str) -> None:
    """React to a post; an empty emoji takes it back."""
    params = {"channel": jid, "server_id": number, "emoji": emoji}
    await whatsapp.call("newsletter_send_reaction", params)


def read_channel(answer: str) -> Channel:
    """A `neonize.NewsletterMetadata` that the client answered."""
    from whatsapp_mcp.protobufs import Neonize

    metadata = read(Neonize.NewsletterMetadata, answer)
    thread, viewer = metadata.ThreadMeta, metadata.ViewerMeta
    known = metadata.HasField("ViewerMeta")
    return Channel(
        jid_text(metadata.ID),
        thread.Name.Text,
        thread.Description.Text,
        thread.SubscriberCount,
        Neonize.NewsletterRole.Name(viewer.Role).lower() if known else "guest",
        known and viewer.Mute == Neonize.NewsletterMuteState.Value("ON"),
        thread.VerificationState == Neonize.NewsletterThreadMetadata.VERIFIED,
        f"{LINK}{thread.InviteCode}" if thread.InviteCode else None,
    )


def _post(answer: str) -> ChannelPost:
    from whatsapp_mcp.decoding import text_of
    from whatsapp_mcp.protobufs import Neonize

    post: Neonize.NewsletterMessage = read(Neonize.NewsletterMessage, answer)
    reactions = {each.type: each.count for each in post.ReactionCounts}
    return ChannelPost(post.MessageServerID, text_of(post.Message), post.ViewsCount, reactions)
