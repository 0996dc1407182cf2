"""Channels (WhatsApp's protocol calls them newsletters)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from whatsapp_mcp.archive.decode.content import text_of
from whatsapp_mcp.device.topics.base import Topic, jid_text, read
from whatsapp_mcp.directory import Channel, ChannelPost

if TYPE_CHECKING:
    from whatsapp_mcp.protobufs import Neonize

LINK: Final = "https://whatsapp.com/channel/"


class ChannelOperations(Protocol):
    """What can be asked of and done to channels. Every method may raise the errors of `LocalDevice.call`."""

    async def channels(self) -> tuple[Channel, ...]:
        """The channels that the account follows or owns."""
        ...

    async def channel(self, jid: str | None = None, invite: str | None = None) -> Channel:
        """One channel, by its jid or by the code of its link.

        Raises:
            Rejected: There is none.
        """
        ...

    async def channel_posts(self, jid: str, count: int, before: int = 0) -> tuple[ChannelPost, ...]:
        """The newest posts, oldest first; `before` is the number of a post, 0 for the end."""
        ...

    async def follow_channel(self, jid: str, follow: bool) -> None:
        """Follow a channel, or no longer."""
        ...

    async def create_channel(self, name: str, description: str = "", photo: str = "") -> Channel:
        """Make a channel; `photo` is the path of a JPEG."""
        ...

    async def react_in_channel(self, jid: str, number: int, emoji: str) -> None:
        """React to a post; an empty emoji takes it back."""
        ...


class Channels(Topic):
    """`ChannelOperations` through the client."""

    async def channels(self) -> tuple[Channel, ...]:
        """See `ChannelOperations.channels`."""
        return tuple(_channel(answer) for answer in await self.call("get_subscribed_newsletters"))

    async def channel(self, jid: str | None = None, invite: str | None = None) -> Channel:
        """See `ChannelOperations.channel`."""
        if invite is not None:
            return _channel(await self.call("get_newsletter_info_with_invite", {"code": invite}))
        return _channel(await self.call("get_newsletter_info", {"channel": jid}))

    async def channel_posts(self, jid: str, count: int, before: int = 0) -> tuple[ChannelPost, ...]:
        """See `ChannelOperations.channel_posts`."""
        params = {"channel": jid, "count": count, "before": before}
        return tuple(_post(answer) for answer in await self.call("get_newsletter_messages", params))

    async def follow_channel(self, jid: str, follow: bool) -> None:
        """See `ChannelOperations.follow_channel`."""
        await self.call("follow_newsletter" if follow else "unfollow_newsletter", {"channel": jid})

    async def create_channel(self, name: str, description: str = "", photo: str = "") -> Channel:
        """See `ChannelOperations.create_channel`."""
        params = {"name": name, "description": description, "path": photo}
        return _channel(await self.call("create_newsletter", params))

    async def react_in_channel(self, jid: str, number: int, emoji: str) -> None:
        """See `ChannelOperations.react_in_channel`."""
        params = {"channel": jid, "server_id": number, "emoji": emoji}
        await self.call("newsletter_send_reaction", params)


def _channel(answer: str) -> Channel:
    from whatsapp_mcp.protobufs import Neonize

    found = read(Neonize.NewsletterMetadata, answer)
    thread, viewer = found.ThreadMeta, found.ViewerMeta
    known = found.HasField("ViewerMeta")
    return Channel(
        jid_text(found.ID),
        thread.Name.Text,
        thread.Description.Text,
        thread.SubscriberCount,
        Neonize.NewsletterRole.Name(viewer.Role).lower() if known else "guest",
        known and viewer.Mute == Neonize.NewsletterMuteState.Value("ON"),
        thread.VerificationState == Neonize.NewsletterThreadMetadata.VERIFIED,
        f"{LINK}{thread.InviteCode}" if thread.InviteCode else None,
    )


def _post(answer: str) -> ChannelPost:
    from whatsapp_mcp.protobufs import Neonize

    post: Neonize.NewsletterMessage = read(Neonize.NewsletterMessage, answer)
    reactions = {each.type: each.count for each in post.ReactionCounts}
    return ChannelPost(post.MessageServerID, text_of(post.Message), post.ViewsCount, reactions)
