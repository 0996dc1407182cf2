"""Checks of one account: its key, who leads it, its socket, and what former links have left."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio

from whatsapp_mcp.archive.read import silent_groups
from whatsapp_mcp.cli.doctor.databases import Unread, has_held_messages, linked_devices, read_only
from whatsapp_mcp.cli.doctor.finding import Finding, listed
from whatsapp_mcp.cli.outcome import advice
from whatsapp_mcp.device.connection import UNLINKED_HERE, record_in
from whatsapp_mcp.device.connection import advice as connection_advice
from whatsapp_mcp.device.leader import leader_status, running_leader
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.files.vault import Step
from whatsapp_mcp.models import GROUPS_SILENT, LINKED_DEVICES, ConnectionState, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder

_AT_WORK: Final = frozenset(
    {ConnectionState.ONLINE, ConnectionState.LINKING, ConnectionState.PAUSED, ConnectionState.UNLINKED}
)
"""States in which a server does what it is wanted to do; `linked devices` tells of a link that was lost."""
_KEY_BYTES: Final = 32
"""Length of `approval.key` in bytes."""
_ONLINE: Final = "`whatsapp-mcp doctor --online` says which step to WhatsApp fails."
_LINK: Final = "Run `whatsapp-mcp link`."
NONE_YET: Final = Finding("linked devices", True, "no phone is linked yet", _LINK)
"""The finding while there is no account."""
_PHONE: Final = f"Compare with the phone: {LINKED_DEVICES}. Log out what you do not know."


def keys(folder: AccountFolder) -> Finding:
    """Check whether the key of an encrypted account opens it."""
    name = "encryption"
    try:
        if not folder.vault.exists:
            return Finding(name, True, "not encrypted")
        folder.vault.unlock()
        step = folder.vault.step
    except WhatsAppError as error:
        return Finding.of_error(name, error)
    if step is not None:
        command = "enable" if step is Step.ENCRYPTING else "disable"
        return Finding(
            name, False, f"{step} was interrupted", f"Run `whatsapp-mcp encryption {command}` again."
        )
    return Finding(name, True, "the key opens it; client.db is not encrypted")


def leader(folder: AccountFolder) -> Finding:
    """Which process leads the account, and what it says of itself. It is asked, and left as it is."""
    name, pid = "leader", running_leader(folder)
    try:
        status = anyio.run(leader_status, folder)
    except WhatsAppError as error:
        if pid is None:
            return Finding.of_error(name, error)
        return Finding(name, False, f"process {pid}: {error.message}", f"{error.action} (process {pid})")
    if status is not None:
        return _told(name, status, record_in(folder.path).load(datetime.now(UTC)).failures)
    if pid is not None:
        said = f"process {pid} has the account's lock and does not answer"
        return Finding(name, False, said, "If it has not just started, end that server and start it again.")
    if folder.in_database:
        return Finding(name, True, "nothing on this machine leads this account, which a database has")
    return _left(name, folder)


def _told(name: str, status: ConnectionStatus, failures: int) -> Finding:
    counts = {
        "events lost": status.events_lost,
        "events not decoded": status.undecoded,
        **{f"restarts of the task {task}": count for task, count in sorted(status.failures.items())},
    }
    said = "; ".join(
        (
            f"process {status.leader_pid} leads",
            _state(status.state, status.reason),
            *(f"{count} {what}" for what, count in counts.items() if count),
        )
    )
    if status.settings_error:
        # Not its words: they quote the file.
        return Finding(
            name, False, f"{said}; its config.toml is not in force", "Correct it, or restart the server."
        )
    return _of_state(name, said, status.state, status.action, failures)


def _left(name: str, folder: AccountFolder) -> Finding:
    """Report what the last server left: a state that the next one does not end, or failed attempts."""
    now = datetime.now(UTC)
    left = record_in(folder.path).load(now)
    if left.state is ConnectionState.UNLINKED or (left.until is not None and left.until <= now):
        return Finding(name, True, "no server runs for this account")
    said = f"no server runs for this account; the last one: {_state(left.state, left.reason)}"
    if left.state.traits.rests:
        return _of_state(name, said, left.state, connection_advice(left), left.failures)
    if left.failures:
        return Finding(name, False, said, f"{_ONLINE} Then run `whatsapp-mcp status --wait`.")
    return Finding(name, True, "no server runs for this account")


def _of_state(name: str, said: str, state: ConnectionState, action: str | None, failures: int) -> Finding:
    """Report whether a state of the connection keeps a server from its work."""
    next_step = advice(state, action) if action else None
    if state in _AT_WORK or (state.traits.connecting and not failures):
        return Finding(name, True, said, next_step if state.traits.needs_person else None)
    if state.traits.connecting:
        next_step = f"{next_step or ''} {_ONLINE}".lstrip()
    return Finding(name, False, said, next_step)


def _state(state: ConnectionState, reason: str | None) -> str:
    return f"{state}: {reason.removesuffix('.')}" if reason else str(state)


def files(folder: AccountFolder) -> Finding:
    """Check whether this user can read and write the account's files."""
    name = "files"
    misplaced = [path for path in (folder.media, folder.exports) if path.exists() and not path.is_dir()]
    if misplaced:
        said = f"{listed([path.name for path in misplaced])} should be a folder"
        return Finding(name, False, said, f"Move {misplaced[0]} away: a server makes the folder.")
    folders = (*folder.with_databases, folder.received, folder.sending, folder.media)
    shut = [path.name for path in folders if path.is_dir() and not _usable(path)]
    for each in filter(_usable, folder.with_databases):
        shut += sorted(path.name for path in each.iterdir() if path.is_file() and not _usable(path))
    if shut:
        said = f"{listed(shut)} cannot be read and written by this user"
        return Finding(name, False, said, f"chmod -R u+rwX {folder.path}")
    key = folder.approval_key
    if key.exists() and key.stat().st_size != _KEY_BYTES:
        said = f"{key.name} is damaged: it seals questions to you and the record of what agents did"
        action = (
            f"Restore it from a backup (docs/backup.md), or delete {key}: open questions are asked again."
        )
        return Finding(name, False, said, action)
    return Finding(name, True, "can be read and written")


def _usable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0))


def groups(folder: AccountFolder) -> Finding:
    """Check whether messages of groups still arrive; in the archive, a quiet day looks the same."""
    name = "group messages"
    try:
        with read_only(folder, folder.archive_db) as db:
            silent = silent_groups(db, datetime.now(UTC))
    except (Unread, WhatsAppError, sqlite3.DatabaseError):  # `integrity` tells of what is wrong with it
        return Finding(name, True, "the archive was not read")
    if not silent:
        return Finding(name, True, "no sign that they are kept back")
    said, _, action = GROUPS_SILENT.format(silent).partition(". ")
    return Finding(name, True, said, action)


def meeting_place(folder: AccountFolder) -> Finding:
    """Check the socket at which the account's servers meet."""
    try:
        place = folder.meeting_place
    except WhatsAppError as error:
        return Finding.of_error("socket", error)
    if place.path.is_dir():
        said = f"{place.path} is a folder, and the leader listens there"
        return Finding("socket", False, said, f"Delete the folder {place.path}.")
    return Finding("socket", True, str(place))


def leftovers(folder: AccountFolder) -> Finding:
    """Report what earlier linkings and faults left behind, and which of the phone's devices this is.

    The library has no list of the phone's linked devices, so a person has to compare.
    """
    name = "linked devices"
    aside = sorted(path.name for each in folder.with_databases for path in each.glob("*.db.damaged"))
    if aside:
        said = f"{listed(aside)} were damaged and set aside; they still hold keys or messages"
        return Finding(name, True, said, f"Delete them in {folder.path} when you do not need them any more.")
    if folder.in_database:
        return Finding(name, True, "the keys are in a database, and this is a copy of the rest")
    try:
        devices = linked_devices(folder)
    except Unread as reason:
        return Finding(name, True, f"client.db {reason}")
    if len(devices) > 1:
        said = f"client.db holds the keys of {len(devices)} devices, and one is used"
        return Finding(name, False, said, f"Run `whatsapp-mcp unlink`, then `whatsapp-mcp link`. {_PHONE}")
    if not devices:
        return _unlinked(name, folder)
    number = devices[0].partition(":")[2].partition("@")[0]
    return Finding(name, True, f"this is device {number} of the account. {_PHONE}")


def _unlinked(name: str, folder: AccountFolder) -> Finding:
    if not folder.archive_db.exists():
        said = "an account that no phone was ever linked to"
        return Finding(name, True, said, f"{_LINK} Or delete {folder.path} if you do not need it.")
    left = record_in(folder.path).load(datetime.now(UTC))
    if left.state is not ConnectionState.UNLINKED:
        why = "its keys are missing or damaged"
    elif left.reason is None or left.reason.startswith(UNLINKED_HERE) or not has_held_messages(folder):
        return Finding(name, True, "no phone is linked; the archive is here", _LINK)
    else:
        why = left.reason.removesuffix(".")
    return Finding(name, False, f"no phone is linked any more: {why}. The archive is here", _LINK)
