"""Archived data as text for a model, in few tokens, and as structured content."""

from whatsapp_mcp.server.render.connection import LinkData, StatusData, link_data, status_data
from whatsapp_mcp.server.render.data import (
    ChatData,
    ChatsData,
    ContactsData,
    MessagesData,
    ProfileData,
    chat_data,
    chats_data,
    contacts_data,
    media_data,
    messages_data,
    profile_data,
)
from whatsapp_mcp.server.render.events import ABOUT_A_MESSAGE, EventData, event_data
from whatsapp_mcp.server.render.headers import narrowed
from whatsapp_mcp.server.render.kinds import duration_text, kind_text
from whatsapp_mcp.server.render.message_line import (
    CONCISE_TEXT,
    CONTEXT,
    REACTIONS_SHOWN,
    address,
    named,
    place_of,
    quoted,
)
from whatsapp_mcp.server.render.polls import PollData, poll_data
from whatsapp_mcp.server.render.readings import ReadingData, Wanted, reading_data, reading_text
from whatsapp_mcp.server.render.send_results import ReportData, SentData, report_data, sent_data
from whatsapp_mcp.server.render.text import (
    CHAT_TEXT,
    QUESTION_TEXT,
    chats_text,
    contacts_text,
    fitting_texts,
    messages_text,
    more,
    person_line,
    poll_text,
    profile_text,
)
from whatsapp_mcp.server.render.times import clock, rfc3339, short, stamp

__all__ = [
    "ABOUT_A_MESSAGE",
    "CHAT_TEXT",
    "CONCISE_TEXT",
    "CONTEXT",
    "QUESTION_TEXT",
    "REACTIONS_SHOWN",
    "ChatData",
    "ChatsData",
    "ContactsData",
    "EventData",
    "LinkData",
    "MessagesData",
    "PollData",
    "ProfileData",
    "ReadingData",
    "ReportData",
    "SentData",
    "StatusData",
    "Wanted",
    "address",
    "chat_data",
    "chats_data",
    "chats_text",
    "clock",
    "contacts_data",
    "contacts_text",
    "duration_text",
    "event_data",
    "fitting_texts",
    "kind_text",
    "link_data",
    "media_data",
    "messages_data",
    "messages_text",
    "more",
    "named",
    "narrowed",
    "person_line",
    "place_of",
    "poll_data",
    "poll_text",
    "profile_data",
    "profile_text",
    "quoted",
    "reading_data",
    "reading_text",
    "report_data",
    "rfc3339",
    "sent_data",
    "short",
    "stamp",
    "status_data",
]
