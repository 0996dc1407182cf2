"""Every question to the archive: a function of a connection that reads."""

from whatsapp_mcp.archive.read.chat_queries import (
    chat,
    chats,
    common_groups,
    contact,
    expires_in,
    members,
    without_vote,
)
from whatsapp_mcp.archive.read.completeness import coverage, history_progress
from whatsapp_mcp.archive.read.facts import chat_facts, is_new_chat
from whatsapp_mcp.archive.read.full_text import search
from whatsapp_mcp.archive.read.lookup import chat_id, find
from whatsapp_mcp.archive.read.message_queries import (
    context,
    edits,
    media_source,
    message,
    messages,
    preceding,
)
from whatsapp_mcp.archive.read.outbox_entries import (
    DAMAGED_SEND,
    SEND_CHATS,
    SEND_REQUEST,
    UNSETTLED_SENDS,
    damaged_sends,
    forwards_since,
    outbox_get,
    outbox_held,
    outbox_last_sent,
    outbox_unsettled,
    send_entry,
    send_files,
    send_rows,
    send_time,
)
from whatsapp_mcp.archive.read.people import (
    chat_shown_as,
    chats_named_alike,
    confirmed,
    contacts,
    resolve_chat,
    unnamed_chats,
)
from whatsapp_mcp.archive.read.repeats import repeats_another_chat
from whatsapp_mcp.archive.read.reports import arrived, meta_get, own, send_report, statistics

__all__ = [
    "DAMAGED_SEND",
    "SEND_CHATS",
    "SEND_REQUEST",
    "UNSETTLED_SENDS",
    "arrived",
    "chat",
    "chat_facts",
    "chat_id",
    "chat_shown_as",
    "chats",
    "chats_named_alike",
    "common_groups",
    "confirmed",
    "contact",
    "contacts",
    "context",
    "coverage",
    "damaged_sends",
    "edits",
    "expires_in",
    "find",
    "forwards_since",
    "history_progress",
    "is_new_chat",
    "media_source",
    "members",
    "message",
    "messages",
    "meta_get",
    "outbox_get",
    "outbox_held",
    "outbox_last_sent",
    "outbox_unsettled",
    "own",
    "preceding",
    "repeats_another_chat",
    "resolve_chat",
    "search",
    "send_entry",
    "send_files",
    "send_report",
    "send_rows",
    "send_time",
    "statistics",
    "unnamed_chats",
    "without_vote",
]
