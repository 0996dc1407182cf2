"""What people did, stored as it came, and resolved when it is read.

Add-ons, receipts, members, settings of chats, names; and the change feed.
"""

from whatsapp_mcp.archive.state.addon_kinds import (
    ADDONS,
    CALLS,
    EDITS,
    KEEPS,
    OF_UPDATE,
    REACTIONS,
    REVOKES,
    SEALED,
    VOTES,
    AddOn,
)
from whatsapp_mcp.archive.state.addons import (
    AddOnMessage,
    Target,
    addon_chats,
    addon_messages,
    current_addons,
    names_person,
    names_send,
    purge_addons,
    purge_stray_addons,
    read_addons,
    store_addon,
    target_of,
)
from whatsapp_mcp.archive.state.calls import call_text
from whatsapp_mcp.archive.state.change_feed import add_change, changes, last_change, last_send, prune_changes
from whatsapp_mcp.archive.state.chat_settings import (
    CHAT_SETTINGS,
    refresh_chat_settings,
    refresh_unread_mark,
    store_chat_setting,
)
from whatsapp_mcp.archive.state.gaps import store_gap
from whatsapp_mcp.archive.state.members import current_members, store_members
from whatsapp_mcp.archive.state.names import NAME_SQL, STRANGER_SQL, is_name, searchable
from whatsapp_mcp.archive.state.number_history import (
    FAR_FUTURE,
    OWNER_ADDRESS,
    Address,
    NumberHistory,
    People,
)
from whatsapp_mcp.archive.state.progress import ChatProgress, send_progress
from whatsapp_mcp.archive.state.receipts import (
    EVERYONE,
    apply_early,
    move_unreceipted,
    receipted,
    reread,
    seen,
    store_receipt,
    unreceipted,
    watermarks,
)
from whatsapp_mcp.archive.state.versions import apply_versions, apply_versions_of
from whatsapp_mcp.archive.state.votes import (
    address_forms,
    chosen_options,
    contact_addresses,
    open_sealed_votes,
    open_waiting_votes,
    secret_key,
)

__all__ = [
    "ADDONS",
    "CALLS",
    "CHAT_SETTINGS",
    "EDITS",
    "EVERYONE",
    "FAR_FUTURE",
    "KEEPS",
    "NAME_SQL",
    "OF_UPDATE",
    "OWNER_ADDRESS",
    "REACTIONS",
    "REVOKES",
    "SEALED",
    "STRANGER_SQL",
    "VOTES",
    "AddOn",
    "AddOnMessage",
    "Address",
    "ChatProgress",
    "NumberHistory",
    "People",
    "Target",
    "add_change",
    "addon_chats",
    "addon_messages",
    "address_forms",
    "apply_early",
    "apply_versions",
    "apply_versions_of",
    "call_text",
    "changes",
    "chosen_options",
    "contact_addresses",
    "current_addons",
    "current_members",
    "is_name",
    "last_change",
    "last_send",
    "move_unreceipted",
    "names_person",
    "names_send",
    "open_sealed_votes",
    "open_waiting_votes",
    "prune_changes",
    "purge_addons",
    "purge_stray_addons",
    "read_addons",
    "receipted",
    "refresh_chat_settings",
    "refresh_unread_mark",
    "reread",
    "searchable",
    "secret_key",
    "seen",
    "send_progress",
    "store_addon",
    "store_chat_setting",
    "store_gap",
    "store_members",
    "store_receipt",
    "target_of",
    "unreceipted",
    "watermarks",
]
