"""`msgstore.db` and `wa.db` of WhatsApp on Android: tables of four years.

Tables and columns are those that people who read their own backups have published (docs/importing.md): those
that are read here whole, and some of the others. No index, since a backup has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Version:
    """What the databases of one time consist of.

    Attributes:
        year: When it was seen.
        is_new: Whether messages are in `message`, not in `messages`.
        tables: Columns by table, as in CREATE TABLE.
    """

    year: int
    is_new: bool
    tables: Mapping[str, str]


_ROW: Final = "message_row_id INTEGER PRIMARY KEY"
_ID: Final = "_id INTEGER PRIMARY KEY AUTOINCREMENT"
_MESSAGES_2016: Final = f"""{_ID}, key_remote_jid TEXT NOT NULL, key_from_me INTEGER, key_id TEXT NOT NULL,
 status INTEGER, needs_push INTEGER, data TEXT, timestamp INTEGER, media_url TEXT, media_mime_type TEXT,
 media_wa_type TEXT, media_size INTEGER, media_name TEXT, media_caption TEXT, media_hash TEXT,
 media_duration INTEGER, origin INTEGER, latitude REAL, longitude REAL, thumb_image TEXT,
 remote_resource TEXT,
 received_timestamp INTEGER, send_timestamp INTEGER, receipt_server_timestamp INTEGER,
 receipt_device_timestamp INTEGER, read_device_timestamp INTEGER, played_device_timestamp INTEGER,
 raw_data BLOB,
 recipient_count INTEGER, participant_hash TEXT, starred INTEGER, quoted_row_id INTEGER, mentioned_jids TEXT,
 multicast_id TEXT, edit_version INTEGER, media_enc_hash TEXT"""
_MESSAGES_2020: Final = f"""{_MESSAGES_2016}, payment_transaction_id TEXT, forwarded INTEGER,
 preview_type INTEGER,
 send_count INTEGER, lookup_tables INTEGER, future_message_type INTEGER"""
_MESSAGE_2021: Final = f"""{_ID}, chat_row_id INTEGER NOT NULL, from_me INTEGER NOT NULL,
 key_id TEXT NOT NULL,
 sender_jid_row_id INTEGER, status INTEGER, broadcast INTEGER, recipient_count INTEGER, participant_hash TEXT,
 origination_flags INTEGER, origin INTEGER, timestamp INTEGER, received_timestamp INTEGER,
 receipt_server_timestamp INTEGER, message_type INTEGER, text_data TEXT, starred INTEGER,
 lookup_tables INTEGER,
 sort_id INTEGER NOT NULL DEFAULT 0"""
_MEDIA_2020: Final = f"""{_ROW}, chat_row_id INTEGER, autotransfer_retry_enabled INTEGER, multicast_id TEXT,
 media_job_uuid TEXT, transferred INTEGER, transcoded INTEGER, file_path TEXT, file_size INTEGER,
 suspicious_content INTEGER, trim_from INTEGER, trim_to INTEGER, face_x INTEGER, face_y INTEGER,
 media_key BLOB,
 media_key_timestamp INTEGER, width INTEGER, height INTEGER, has_streaming_sidecar INTEGER,
 gif_attribution INTEGER, thumbnail_height_width_ratio REAL, direct_path TEXT, first_scan_sidecar BLOB,
 first_scan_length INTEGER, message_url TEXT, mime_type TEXT, file_length INTEGER, media_name TEXT,
 file_hash TEXT, media_duration INTEGER, page_count INTEGER, enc_file_hash TEXT, partial_media_hash TEXT,
 partial_media_enc_hash TEXT, is_animated_sticker INTEGER, original_file_hash TEXT,
 mute_video INTEGER DEFAULT 0"""
_OLDEST: Final = {
    "props": f"{_ID}, key TEXT UNIQUE, value TEXT",
    "messages": _MESSAGES_2016,
    "messages_quotes": _MESSAGES_2016,
    "messages_vcards": f"{_ID}, message_row_id INTEGER, sender_jid TEXT, chat_jid TEXT, vcard TEXT",
    "chat_list": f"""{_ID}, key_remote_jid TEXT UNIQUE, message_table_id INTEGER, subject TEXT,
 creation INTEGER,
     last_read_message_table_id INTEGER, archived INTEGER, sort_timestamp INTEGER""",
    "group_participants": f"""{_ID}, gjid TEXT NOT NULL, jid TEXT NOT NULL, admin INTEGER, pending INTEGER,
     sent_sender_key INTEGER""",
    "receipts": f"""{_ID}, key_remote_jid TEXT NOT NULL, key_id TEXT NOT NULL, remote_resource TEXT,
     receipt_device_timestamp INTEGER, read_device_timestamp INTEGER, played_device_timestamp INTEGER""",
}
_SHARED: Final = {
    "jid": f"""{_ID}, user TEXT NOT NULL, server TEXT NOT NULL, agent INTEGER, device INTEGER, type INTEGER,
     raw_string TEXT""",
    "chat": f"""{_ID}, jid_row_id INTEGER UNIQUE, hidden INTEGER, subject TEXT, created_timestamp INTEGER,
     display_message_row_id INTEGER, archived INTEGER, sort_timestamp INTEGER""",
    "message": _MESSAGE_2021,
    "message_media": _MEDIA_2020,
    "message_quoted": """message_row_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL,
     parent_message_chat_row_id INTEGER NOT NULL, from_me INTEGER NOT NULL, sender_jid_row_id INTEGER,
     key_id TEXT NOT NULL, timestamp INTEGER, message_type INTEGER, origin INTEGER, text_data TEXT""",
    "message_location": f"""{_ROW}, chat_row_id INTEGER, latitude REAL, longitude REAL, place_name TEXT,
     place_address TEXT, url TEXT, live_location_share_duration INTEGER""",
    "message_vcard": f"{_ID}, message_row_id INTEGER, vcard TEXT",
    "message_mentions": f"{_ID}, message_row_id INTEGER, jid_row_id INTEGER",
    "message_forwarded": f"{_ROW}, forward_score INTEGER",
    "message_text": f"{_ROW}, description TEXT, page_title TEXT, url TEXT",
    "message_revoked": f"{_ROW}, revoked_key_id TEXT NOT NULL",
    "message_ephemeral": f"{_ROW}, duration INTEGER NOT NULL, expire_timestamp INTEGER NOT NULL",
    "message_view_once_media": f"{_ROW}, state INTEGER NOT NULL",
    "message_group_invite": f"""{_ROW}, group_jid_row_id INTEGER NOT NULL, admin_jid_row_id INTEGER NOT NULL,
     group_name TEXT, invite_code TEXT, expiration INTEGER, invite_time INTEGER, expired INTEGER""",
    "message_system": f"{_ROW}, action_type INTEGER NOT NULL",
    "message_system_group": f"{_ROW}, is_me_joined INTEGER",
    "message_system_number_change": f"{_ROW}, old_jid_row_id INTEGER, new_jid_row_id INTEGER",
    "message_system_chat_participant": "message_row_id INTEGER, user_jid_row_id INTEGER",
    "missed_call_logs": f"""{_ID}, message_row_id INTEGER, timestamp INTEGER, video_call INTEGER,
     group_jid_row_id INTEGER NOT NULL DEFAULT 0, is_joinable_group_call INTEGER""",
    "call_log": f"""{_ID}, jid_row_id INTEGER, from_me INTEGER, call_id TEXT, transaction_id INTEGER,
     timestamp INTEGER, video_call INTEGER, duration INTEGER, call_result INTEGER, bytes_transferred INTEGER,
     group_jid_row_id INTEGER NOT NULL DEFAULT 0, is_joinable_group_call INTEGER,
     call_creator_device_jid_row_id INTEGER NOT NULL DEFAULT 0""",
    "receipt_user": f"""{_ID}, message_row_id INTEGER NOT NULL, receipt_user_jid_row_id INTEGER NOT NULL,
     receipt_timestamp INTEGER, read_timestamp INTEGER, played_timestamp INTEGER""",
    "group_participant_user": f"""{_ID}, group_jid_row_id INTEGER NOT NULL, user_jid_row_id INTEGER NOT NULL,
     rank INTEGER, pending INTEGER""",
}
_NEWEST: Final = _SHARED | {
    "props": _OLDEST["props"],
    "message": f"""{_MESSAGE_2021}, message_add_on_flags INTEGER, view_mode INTEGER, translated_text TEXT,
     view_replies_thread_id INTEGER""",
    "message_media": f"{_MEDIA_2020}, media_caption TEXT, media_upload_handle TEXT, sticker_flags INTEGER",
    "message_revoked": f"""{_ROW}, revoked_key_id TEXT NOT NULL, admin_jid_row_id INTEGER,
     revoke_timestamp INTEGER""",
    "message_mentions": f"{_ID}, message_row_id INTEGER, jid_row_id INTEGER, display_name STRING",
    "message_edit_info": f"""{_ROW}, original_key_id TEXT NOT NULL, edited_timestamp INTEGER NOT NULL,
     sender_timestamp INTEGER NOT NULL""",
    "message_poll": f"{_ROW}, enc_key BLOB, selectable_options_count INTEGER, invalid_state INTEGER",
    "message_poll_option": f"""{_ID}, message_row_id INTEGER, option_sha256 TEXT, option_name TEXT,
     vote_total INTEGER""",
    "message_event": f"""{_ROW}, is_canceled INTEGER DEFAULT 0, name TEXT NOT NULL, description TEXT,
     location_latitude REAL, location_longitude REAL, location_name TEXT, location_address TEXT,
 join_link TEXT,
     start_time DATETIME NOT NULL, chat_row_id INTEGER, end_time DATETIME""",
    "message_album": f"""{_ROW}, image_count INTEGER NOT NULL DEFAULT 0,
 video_count INTEGER NOT NULL DEFAULT 0,
     expected_image_count INTEGER, expected_video_count INTEGER""",
    "message_call_log": f"{_ROW}, call_log_row_id INTEGER",
    "message_add_on": f"""{_ID}, chat_row_id INTEGER, from_me INTEGER, key_id TEXT NOT NULL,
     sender_jid_row_id INTEGER, parent_message_row_id INTEGER, timestamp INTEGER, status INTEGER,
     message_add_on_type INTEGER, received_timestamp INTEGER""",
    "message_add_on_reaction": """message_add_on_row_id INTEGER PRIMARY KEY, reaction TEXT,
     sender_timestamp INTEGER""",
    "message_add_on_poll_vote": "message_add_on_row_id INTEGER PRIMARY KEY, sender_timestamp INTEGER",
    "message_add_on_poll_vote_selected_option": f"""{_ID}, message_add_on_row_id INTEGER,
     message_poll_option_id INTEGER""",
    "message_add_on_event_response": """message_add_on_row_id INTEGER PRIMARY KEY, response INTEGER DEFAULT 0,
     sender_timestamp INTEGER NOT NULL""",
    "jid_map": "lid_row_id INTEGER PRIMARY KEY NOT NULL, jid_row_id INTEGER NOT NULL, sort_id INTEGER",
    "lid_display_name": "lid_row_id INTEGER PRIMARY KEY NOT NULL, display_name TEXT NOT NULL, username TEXT",
    "newsletter": "chat_row_id INTEGER PRIMARY KEY, name TEXT NOT NULL, name_id INTEGER NOT NULL",
}
V2016: Final = Version(2016, False, _OLDEST)
V2020: Final = Version(
    2020, False, _OLDEST | _SHARED | {"messages": _MESSAGES_2020, "messages_quotes": _MESSAGES_2020}
)
"""The old table is still the one that is used; the new one is there and empty."""
V2021: Final = Version(2021, True, {"props": _OLDEST["props"], **_SHARED})
V2025: Final = Version(2025, True, _NEWEST)
VERSIONS: Final = (V2016, V2020, V2021, V2025)

CONTACTS: Final = {
    "wa_contacts": f"""{_ID}, jid TEXT NOT NULL, is_whatsapp_user BOOLEAN NOT NULL, status TEXT, number TEXT,
     raw_contact_id INTEGER, display_name TEXT, given_name TEXT, family_name TEXT, wa_name TEXT,
 sort_name TEXT""",
    "wa_vnames": f"{_ID}, jid TEXT NOT NULL, serial INTEGER, verified_name TEXT",
}
"""`wa.db`."""
VIEWS: Final = (
    "CREATE VIEW message_view AS SELECT * FROM message",
    "CREATE VIRTUAL TABLE message_ftsv2 USING fts4(content, fts_jid, fts_namespace)",
)
