"""The files of the archive: connections, tables, the index of words, damage."""

from whatsapp_mcp.archive.database.connections import INCREMENTAL, Readers, Writer, connect_reader, raw_form
from whatsapp_mcp.archive.database.database_files import (
    connect,
    connect_new,
    connect_new_raw,
    connect_raw,
    is_damage,
    is_whole,
    quarantine,
)
from whatsapp_mcp.archive.database.index import (
    fold,
    in_token,
    index_all,
    index_message,
    index_messages,
    indexed_body,
    quarters,
    reindex_message,
    tokens,
    tokens_text,
    unindex_message,
)
from whatsapp_mcp.archive.database.schema import ID_BITS, RAW_GONE, create_index
from whatsapp_mcp.archive.database.values import column, placeholders, size_of, value

__all__ = [
    "ID_BITS",
    "INCREMENTAL",
    "RAW_GONE",
    "Readers",
    "Writer",
    "column",
    "connect",
    "connect_new",
    "connect_new_raw",
    "connect_raw",
    "connect_reader",
    "create_index",
    "fold",
    "in_token",
    "index_all",
    "index_message",
    "index_messages",
    "indexed_body",
    "is_damage",
    "is_whole",
    "placeholders",
    "quarantine",
    "quarters",
    "raw_form",
    "reindex_message",
    "size_of",
    "tokens",
    "tokens_text",
    "unindex_message",
    "value",
]
