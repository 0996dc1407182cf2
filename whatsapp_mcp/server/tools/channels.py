"""Channels: following and creating; what `list_messages` and `react` do with their posts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import channels
from whatsapp_mcp.errors import AmbiguousChat, Candidate, ChatNotFound, InvalidArgument, TooLong
from whatsapp_mcp.jid import Jid, looks_like_jid
from whatsapp_mcp.models import Channel, ChannelPost
from whatsapp_mcp.policy import Audience, Effect, clean
from whatsapp_mcp.server.arguments import MAX_LIMIT, PhotoArg, photo_of
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, called, full_name, identifier, reaction_shown, titled
from whatsapp_mcp.server.render import (
    CONCISE_TEXT,
    REACTIONS_SHOWN,
    MessagesData,
    PostData,
    SentData,
    more,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.device.operations import Device

MAX_NAME: Final = 100
MAX_DESCRIPTION: Final = 2048
"""WhatsApp's limits of a channel, in characters."""
_LINK: Final = re.compile(r"(?:https?://)?(?:www\.)?whatsapp\.com/channel/([A-Za-z0-9_-]+)/?(?:\?.*)?")
_POST: Final = re.compile(r"(\d{1,20}@newsletter)/(\d{1,15})")
_CURSOR: Final = re.compile(r"post(\d{1,15})")
ChannelArg = Annotated[str, Field(description="Channel name, jid or link")]


async def _find(services: Services, device: Device, text: str) -> Channel:
    """The channel that a link, jid or the name of a followed one means.

    Raises:
        InvalidArgument: The text is empty.
        ChatNotFound, AmbiguousChat: No followed channel has this name, or more than one.
    """
    given = text.strip()
    if not given:
        raise InvalidArgument("channel is empty.", "Give a name, jid or link.")
    link = _LINK.fullmatch(given)
    if link is not None:
        return await device.do(channels.channel, invite=link[1])
    if looks_like_jid(given):
        if not Jid.parse(given).is_channel:
            raise ChatNotFound("This is not a channel.", "Find channels with list_channels.")
        return await device.do(channels.channel, given)
    followed = await device.do(channels.channels)
    wanted = given.casefold()
    named = [each for each in followed if each.name.casefold() == wanted]
    near = named or [each for each in followed if wanted in each.name.casefold()]
    if len(near) > 1:
        offered = [Candidate(services.archive.group_name(each.name, each.jid), each.jid) for each in near]
        raise AmbiguousChat(f"{text!r} matches {len(near)} channels.", candidates=offered)
    if not near:
        raise ChatNotFound(f"No followed channel matches {text!r}.", "Find channels with list_channels.")
    return near[0]


class ChannelData(TypedDict):
    """A channel; `link` invites to it."""

    jid: str
    name: str
    description: str
    followers: int
    role: str
    muted: bool
    verified: bool
    link: str | None


class ChannelsData(TypedDict):
    """The channels that the user follows or owns."""

    channels: list[ChannelData]


class FollowingData(TypedDict):
    """A channel, and whether the user follows it now."""

    jid: str
    following: bool


async def _shown(services: Services, channels: Sequence[Channel]) -> list[Channel]:
    """Channels as they are shown: nobody tells who wrote their names and descriptions."""
    if services.archive.shows_words_of(None):
        return list(channels)
    names = await services.archive.channel_names(channels)
    return [replace(each, name=name, description="") for each, name in zip(channels, names, strict=True)]


def _line(channel: Channel) -> str:
    notes = [called(channel.name, True), identifier(channel.jid), f"{channel.followers} followers"]
    notes += [channel.role] if channel.role in {"owner", "admin", "guest"} else []
    notes += ["muted"] if channel.muted else []
    notes += [identifier(channel.invite)] if channel.invite else []
    about = f": {quoted(channel.description, 80)}" if channel.description else ""
    return ", ".join(notes) + about


def _data(channel: Channel) -> ChannelData:
    return {
        "jid": identifier(channel.jid),
        "name": full_name(channel.name),
        "description": clean(channel.description),
        "followers": channel.followers,
        "role": identifier(channel.role),
        "muted": channel.muted,
        "verified": channel.verified,
        "link": channel.invite and identifier(channel.invite),
    }


@tool("channels", Effect.READ, Audience.NOBODY, result=ChannelsData)
async def list_channels(call: Call) -> Result:
    """The channels that the user follows or owns."""
    services = await call.services()
    async with services.device() as device:
        followed = await device.do(channels.channels)
    shown = await _shown(services, followed)
    text = Text("Channels:", [_line(each) for each in shown]) if shown else "Channels: none."
    return Result(text, ChannelsData(channels=[_data(each) for each in shown]))


async def channel_of_link(services: Services, text: str) -> str | None:
    """The jid of the channel to which a link leads; None for another text.

    Raises:
        Rejected: There is no such channel.
    """
    link = _LINK.fullmatch(text.strip())
    if link is None:
        return None
    async with services.device() as device:
        return (await device.do(channels.channel, invite=link[1])).jid


async def posts_of(services: Services, jid: str, limit: int, cursor: str | None) -> Result:
    """The newest posts of a channel, followed or not, oldest first; each with what `react` names it by.

    Raises:
        InvalidArgument: The cursor is not one of such a list.
        WhatsAppError: WhatsApp cannot be asked for them, or has no such channel.
    """
    before = _CURSOR.fullmatch(cursor or "post0")
    if before is None:
        raise InvalidArgument("This cursor is of another list.", "Leave it out to begin with the newest.")
    count = min(limit, MAX_LIMIT)
    async with services.device() as device:
        (channel,) = await _shown(services, [await device.do(channels.channel, jid)])
        posts = await device.do(channels.channel_posts, channel.jid, count, int(before[1]))
    # The posts come first, since a question names their numbers; none is shown before the yes.
    await services.archive.hand_out_channel(channel.jid, _amount(posts, count, cursor))
    posts = tuple(sorted(posts, key=lambda post: post.number))
    following = f"post{posts[0].number}" if len(posts) == count else None
    data = MessagesData(
        chat=channel.jid,
        chat_name=full_name(channel.name),
        messages=[],
        posts=[_post_data(each, channel.jid) for each in posts],
        next_cursor=following,
    )
    if not posts:
        return Result(f"Posts of {titled(channel.name)}: none.", data)
    who = called(channel.name, True)
    head = f"Posts of {titled(channel.name)}; NUMBER is message={identifier(channel.jid)}/NUMBER for react:"
    return Result(Text(head, [_post_line(post, who) for post in posts], more(following)), data)


def _amount(posts: Sequence[ChannelPost], count: int, cursor: str | None) -> str:
    """Which posts a person is asked about: those before a cursor are the same ones whenever they answer."""
    numbers = [post.number for post in posts]
    if cursor is None or not numbers:
        return f"its newest posts, {count} at most"
    return f"{len(posts)} posts, {min(numbers)} to {max(numbers)}"


def post_of(message: str) -> tuple[str, int] | None:
    """The channel and the number of a post that is named as `posts_of` names it; None for another message."""
    named = _POST.fullmatch(message.strip())
    return None if named is None else (named[1], int(named[2]))


async def react_to_post(services: Services, jid: str, number: int, emoji: str) -> Result:
    """React to a post of a channel; an empty emoji takes it back."""
    async with services.device() as device:
        await device.do(channels.react_in_channel, jid, number, emoji)
    post = f"{identifier(jid)}/{number}"
    done = f"Reacted {emoji} to" if emoji else "Took back the reaction to"
    data = SentData(message_id=None, ref=post, chat=jid, status="sent", timestamp=None, send_id=0)
    return Result(f"{done} {post}.", data)


def _post_line(post: ChannelPost, who: str) -> str:
    counted = _reactions(post).most_common(REACTIONS_SHOWN)
    marks = " ".join(f"{emoji}{count}" for emoji, count in counted)
    return f"{post.number} {who}{f' {{{marks}}}' if marks else ''}: {quoted(post.text, CONCISE_TEXT)}"


def _reactions(post: ChannelPost) -> Counter[str]:
    """Count the reactions by emoji; all that are not an emoji count as one kind."""
    counted = Counter[str]()
    for emoji, count in post.reactions.items():
        counted[reaction_shown(emoji)] += count
    return counted


def _post_data(post: ChannelPost, channel: str) -> PostData:
    return PostData(
        ref=f"{channel}/{post.number}",
        number=post.number,
        text=clean(post.text),
        views=post.views,
        reactions=dict(_reactions(post)),
    )


@tool("channels", Effect.ACT, Audience.CHAT, idempotent=True, result=FollowingData)
async def follow_channel(call: Call, channel: ChannelArg) -> Result:
    """Follow a channel."""
    return await _follow(call, channel, follow=True)


@tool("channels", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=FollowingData)
async def unfollow_channel(call: Call, channel: ChannelArg) -> Result:
    """Unfollow a channel."""
    return await _follow(call, channel, follow=False)


async def _follow(call: Call, channel: str, *, follow: bool) -> Result:
    services = await call.services()
    async with services.device() as device:
        target = await _find(services, device, channel)
        await device.do(channels.follow_channel, target.jid, follow)
    how = "Following" if follow else "No longer following"
    return Result(f"{how} {titled(target.name)}.", FollowingData(jid=target.jid, following=follow))


@tool("channels", Effect.ACT, Audience.EVERYONE, result=ChannelData)
async def create_channel(
    call: Call, name: str, description: str = "", photo: PhotoArg | None = None
) -> Result:
    """Create a public channel. Calling twice creates two."""
    if not name.strip():
        raise InvalidArgument("name is empty.", "Give the channel a name.")
    for what, text, limit in (("name", name, MAX_NAME), ("description", description, MAX_DESCRIPTION)):
        if len(text) > limit:
            raise TooLong(f"The {what} has {len(text)} characters, WhatsApp's limit is {limit}.")
    services = await call.services()
    path, origin = await photo_of(services, photo) if photo else ("", "")
    async with services.device() as device:
        made = await device.do(channels.create_channel, name.strip(), description, path, origin)
    link = f" Link: {identifier(made.invite)}" if made.invite else ""
    return Result(f"Made the channel {titled(made.name)} ({identifier(made.jid)}).{link}", _data(made))


TOOLS: Sequence[ToolFunction] = (
    list_channels,
    follow_channel,
    unfollow_channel,
    create_channel,
)
