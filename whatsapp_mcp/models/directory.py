"""WhatsApp's answers about groups, people, channels and the account itself.

Plain, frozen dataclasses like those of `models`, and for the same journeys: jids are strings, times aware
datetimes in UTC, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a group; `other` is the other address (LID or phone number), where WhatsApp gives it."""

    jid: str
    other: str | None = None
    admin: bool = False
    superadmin: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group or a community.

    Attributes:
        topic_by: Jid of who wrote the topic, where WhatsApp says so.
        announce: Only admins may write.
        locked: Only admins may change name, picture and topic.
        timer: Seconds after which messages disappear; 0 is never.
        community: It is a community: its groups name it as `parent`.
        parent: The community it belongs to.
        announcements: It is the announcement group of that community, which gets what is posted there.
    """

    jid: str
    name: str
    topic: str = ""
    owner: str | None = None
    created_at: datetime | None = None
    announce: bool = False
    locked: bool = False
    timer: int = 0
    community: bool = False
    parent: str | None = None
    participants: tuple[Participant, ...] = ()
    topic_by: str | None = None
    announcements: bool = False


@dataclass(frozen=True, slots=True)
class SubGroup:
    """A group of a community; `default` is the one for announcements."""

    jid: str
    name: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Changes to a group; None leaves a value as it is.

    Attributes:
        photo: Path of a JPEG on this machine.
        photo_origin: Path or URL of what it was made of.
    """

    name: str | None = None
    topic: str | None = None
    photo: str | None = None
    announce: bool | None = None
    locked: bool | None = None
    photo_origin: str | None = None


MemberAction = Literal["add", "remove", "promote", "demote"]


@dataclass(frozen=True, slots=True)
class MemberChange:
    """The outcome for one person in a change of members; `reason` is set when WhatsApp refused."""

    jid: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Somebody who asks to be let into a group."""

    jid: str
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SentInvite:
    """Invite to a group that somebody sent as a message; it is valid for this account alone.

    Attributes:
        group: Jid of the group.
        inviter: Jid of who sent it.
        expires_at: Seconds since 1970.
    """

    group: str
    inviter: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """The outcome of joining by an invite; if not `joined`, an admin has to approve it."""

    jid: str
    joined: bool


@dataclass(frozen=True, slots=True)
class NumberCheck:
    """Lookup of an E.164 number: its jid if it is on WhatsApp, and the verified name of a business."""

    number: str
    jid: str | None = None
    business: str | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Presence of a person: online, or the time they were last seen if they share it."""

    jid: str
    online: bool
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Changes to the account's own profile; None leaves a value. `photo` is the path of a JPEG.

    `photo_origin` is the path or URL of what it was made of.
    """

    name: str | None = None
    about: str | None = None
    photo: str | None = None
    photo_origin: str | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as this account sees it.

    Attributes:
        role: `owner`, `admin`, `subscriber`, or `guest` who does not follow it.
        invite: Its invite link.
    """

    jid: str
    name: str
    description: str = ""
    followers: int = 0
    role: str = "guest"
    muted: bool = False
    verified: bool = False
    invite: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelPost:
    """A post in a channel; `number` identifies it there. `reactions` are counts by emoji."""

    number: int
    text: str
    views: int = 0
    reactions: dict[str, int] = field(default_factory=dict[str, int])
