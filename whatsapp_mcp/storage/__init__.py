"""What an account keeps, as small interfaces: the address of its keys, its journal, its log of operations."""

from whatsapp_mcp.storage.failures import Fenced, Pruned, Rewound, StorageError, Unavailable
from whatsapp_mcp.storage.journal import (
    JournalAddress,
    JournalReader,
    JournalRow,
    JournalStore,
    JournalWriter,
)
from whatsapp_mcp.storage.key_store import AppState, ChatKeys, KeyStore, KeysUnreadable, StoredDevice
from whatsapp_mcp.storage.keys import KeysAddress
from whatsapp_mcp.storage.log import LogRow, OperationLog
from whatsapp_mcp.storage.snapshots import Snapshot, SnapshotStore

__all__ = [
    "AppState",
    "ChatKeys",
    "Fenced",
    "JournalAddress",
    "JournalReader",
    "JournalRow",
    "JournalStore",
    "JournalWriter",
    "KeyStore",
    "KeysAddress",
    "KeysUnreadable",
    "LogRow",
    "OperationLog",
    "Pruned",
    "Rewound",
    "Snapshot",
    "SnapshotStore",
    "StorageError",
    "StoredDevice",
    "Unavailable",
]
