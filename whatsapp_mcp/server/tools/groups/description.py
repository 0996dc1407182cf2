"""How a group is described, and its people named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from whatsapp_mcp.models import Group
from whatsapp_mcp.server.arguments import (
    Texts,
)
from whatsapp_mcp.server.calls import Services
from whatsapp_mcp.server.fencing import identifier, spoken_of, titled
from whatsapp_mcp.server.render import (
    named,
    quoted,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.models import Chat

SHOWN: Final = 40
"""How many people are listed at most."""
_WITHHELD: Final = "[withheld: its author is not known]"
GroupArg = Annotated[str, Field(description="Name or jid")]
People = Annotated[Texts, Field(description="Names, numbers or jids")]


async def as_shown(group: Group, services: Services) -> Group:
    """A group as it is shown: its topic only where it is known who wrote it."""
    name = services.archive.group_name(group.name, group.jid)
    if not group.topic:
        return replace(group, name=name)
    writer = await services.archive.contact(group.topic_by) if group.topic_by else None
    is_shown = await services.archive.hand_out_words_of(writer, group.topic)
    topic = group.topic if is_shown else _WITHHELD
    return replace(group, name=name, topic=topic)


async def topic_line(group: Group, services: Services) -> list[str]:
    """The topic with its author, where WhatsApp names them."""
    if not group.topic:
        return []
    writer = await services.archive.contact(group.topic_by) if group.topic_by else None
    own = (await services.archive.own())[:2]
    who = f"by {spoken_of(writer.name, writer.jid in own, writer.stranger)}" if writer else "(author unknown)"
    return [f"topic {who}: {quoted(group.topic, 500)}"]


def described(group: Group, size: int, services: Services) -> str:
    """A group in one sentence: its name, size and settings."""
    what = "community" if group.community else "group"
    notes = [f"{titled(group.name)} ({identifier(group.jid)})", what, f"{size} members"]
    if group.created_at:
        notes.append(f"since {short(group.created_at, services.zone, services.now())}")
    notes += ["only admins write"] if group.announce else []
    notes += ["only admins change it"] if group.locked else []
    notes += [f"messages disappear after {group.timer // 86_400} d"] if group.timer else []
    role = "announcement group of" if group.announcements else "in"
    notes += [f"{role} community {identifier(group.parent)}"] if group.parent else []
    return ", ".join(notes) + "."


def names(people: Sequence[Chat]) -> str:
    """As `listed`, in a sentence."""
    return ", ".join(listed(people))


def listed(people: Sequence[Chat]) -> list[str]:
    """The names of the first people, and how many more there are."""
    shown = [named(each) for each in people[:SHOWN]]
    return shown if len(people) <= SHOWN else [*shown, f"{len(people) - SHOWN} more"]
