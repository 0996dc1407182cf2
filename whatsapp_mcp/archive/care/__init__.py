"""Care of the files: deleting for good, checks, the index, copies of files."""

from whatsapp_mcp.archive.care.file_copies import SENT_FILES_KEPT, export_path, purge_sent_files
from whatsapp_mcp.archive.care.maintenance import (
    check,
    check_file,
    decode_again,
    merge_index,
    optimize,
    rebuild,
)
from whatsapp_mcp.archive.care.purge import (
    Purged,
    empty_logs,
    finish_purge,
    give_back_pages,
    last_purged,
    overwrite_deleted,
    purge_messages,
    purge_rest,
    purge_span,
    purge_waiting,
    scrub_journal,
    unlink_media,
    unlink_purged,
)
from whatsapp_mcp.archive.care.recovery import Recovery, recover
from whatsapp_mcp.archive.care.snapshots import FolderSnapshots, copy_archive, digest_of, restore_snapshot

__all__ = [
    "SENT_FILES_KEPT",
    "FolderSnapshots",
    "Purged",
    "Recovery",
    "check",
    "check_file",
    "copy_archive",
    "decode_again",
    "digest_of",
    "empty_logs",
    "export_path",
    "finish_purge",
    "give_back_pages",
    "last_purged",
    "merge_index",
    "optimize",
    "overwrite_deleted",
    "purge_messages",
    "purge_rest",
    "purge_sent_files",
    "purge_span",
    "purge_waiting",
    "rebuild",
    "recover",
    "restore_snapshot",
    "scrub_journal",
    "unlink_media",
    "unlink_purged",
]
