"""What an account keeps, as small interfaces: the address of its keys, its journal, its log of operations."""

from whatsapp_mcp.storage.failures import Fenced, Pruned, Rewound, StorageError, Unavailable
from whatsapp_mcp.storage.journal import JournalAddress, JournalReader, JournalRow, JournalStore, JournalWriter
from whatsapp_mcp.storage.keys import KeysAddress
from whatsapp_mcp.storage.log import LogRow, OperationLog
from whatsapp_mcp.storage.snapshots import Snapshot, SnapshotStore

__all__ = [
    "Fenced",
    "JournalAddress",
    "JournalReader",
    "JournalRow",
    "JournalStore",
    "JournalWriter",
    "KeysAddress",
    "LogRow",
    "OperationLog",
    "Pruned",
    "Rewound",
    "Snapshot",
    "SnapshotStore",
    "StorageError",
    "Unavailable",
]
