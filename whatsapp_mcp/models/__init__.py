"""What travels between the rooms: plain, frozen dataclasses.

Jids are strings here (`Jid.parse` reads them), times are aware datetimes in UTC, sizes are bytes and
durations seconds. Every class can be built from and turned into JSON by a pydantic `TypeAdapter`, which is
what the pipes and the socket do.
"""

from whatsapp_mcp.models.link import (
    ConnectionState,
    ConnectionStatus,
    LinkState,
    QrCode,
)
from whatsapp_mcp.models.said import (
    Chat,
    ChatKind,
    Contact,
    ContactDetails,
    LastMessage,
    Media,
    Message,
    MessageKind,
    Page,
    PollOption,
    Quote,
    Reaction,
    SendStatus,
)
from whatsapp_mcp.models.sends import (
    ADDON_KINDS,
    ContactCardContent,
    Content,
    Delivery,
    EditContent,
    FileContent,
    ForwardContent,
    LocationContent,
    PinContent,
    PollContent,
    ReactionContent,
    RevokeContent,
    SendReport,
    SendRequest,
    SendResult,
    TextContent,
    VoteContent,
)

__all__ = [
    "ADDON_KINDS",
    "Chat",
    "ChatKind",
    "ConnectionState",
    "ConnectionStatus",
    "Contact",
    "ContactCardContent",
    "ContactDetails",
    "Content",
    "Delivery",
    "EditContent",
    "FileContent",
    "ForwardContent",
    "LastMessage",
    "LinkState",
    "LocationContent",
    "Media",
    "Message",
    "MessageKind",
    "Page",
    "PinContent",
    "PollContent",
    "PollOption",
    "QrCode",
    "Quote",
    "Reaction",
    "ReactionContent",
    "RevokeContent",
    "SendReport",
    "SendRequest",
    "SendResult",
    "SendStatus",
    "TextContent",
    "VoteContent",
]
