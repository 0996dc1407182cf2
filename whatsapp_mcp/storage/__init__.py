"""Storage of an account, as small interfaces: its keys, its journal, its logs, its snapshots and files.

And what all of its database files need: their schemas, with migrations, and guards of what others write.
"""

from whatsapp_mcp.storage.failures import (
    Fenced,
    LeadershipOver,
    Pruned,
    Refused,
    Rewound,
    StorageError,
    Unavailable,
    Unwritable,
)
from whatsapp_mcp.storage.files import FileStore, PrivateFile, SmallFile
from whatsapp_mcp.storage.guarded import bounded_schema, bounded_transaction, guard
from whatsapp_mcp.storage.journal import (
    EVENT_BYTES,
    READ_BYTES,
    TOO_LARGE,
    JournalAddress,
    JournalReader,
    JournalRow,
    JournalStore,
    JournalWriter,
)
from whatsapp_mcp.storage.key_store import (
    AppState,
    ChatKeys,
    KeysAddress,
    KeyStore,
    KeysUnreadable,
    StoredDevice,
)
from whatsapp_mcp.storage.logs import (
    LedgerSnapshot,
    LedgerStorage,
    LogRow,
    OperationLog,
    Snapshot,
    SnapshotStore,
    StatementLog,
    StatementRow,
)
from whatsapp_mcp.storage.schema import Schema, run_script, transaction

__all__ = [
    "EVENT_BYTES",
    "READ_BYTES",
    "TOO_LARGE",
    "AppState",
    "ChatKeys",
    "Fenced",
    "FileStore",
    "JournalAddress",
    "JournalReader",
    "JournalRow",
    "JournalStore",
    "JournalWriter",
    "KeyStore",
    "KeysAddress",
    "KeysUnreadable",
    "LeadershipOver",
    "LedgerSnapshot",
    "LedgerStorage",
    "LogRow",
    "OperationLog",
    "PrivateFile",
    "Pruned",
    "Refused",
    "Rewound",
    "Schema",
    "SmallFile",
    "Snapshot",
    "SnapshotStore",
    "StatementLog",
    "StatementRow",
    "StorageError",
    "StoredDevice",
    "Unavailable",
    "Unwritable",
    "bounded_schema",
    "bounded_transaction",
    "guard",
    "run_script",
    "transaction",
]
