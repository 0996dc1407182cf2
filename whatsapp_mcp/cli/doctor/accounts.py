"""Checks of one account: its key, who leads it, its socket, and what former links have left."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Final

import anyio

from whatsapp_mcp.archive.read import silent_groups
from whatsapp_mcp.cli.advice import advice
from whatsapp_mcp.cli.doctor.databases import Unread, read_only
from whatsapp_mcp.cli.doctor.finding import Finding, listed
from whatsapp_mcp.device.leader import leader_status, running_leader
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import GROUPS_SILENT, LINKED_DEVICES, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder

_DEVICES: Final = "SELECT jid FROM whatsmeow_device"
_LINK: Final = "Run `whatsapp-mcp link`."
NONE_YET: Final = Finding("linked devices", True, "no phone is linked yet", _LINK)
"""What is found while there is no account."""
_PHONE: Final = f"Compare with the phone: {LINKED_DEVICES}. Log out what you do not know."


def keys(folder: AccountFolder) -> Finding:
    """Whether the key of an encrypted account opens it."""
    name = "encryption"
    try:
        if not folder.vault.exists:
            return Finding(name, True, "not encrypted")
        folder.vault.unlock()
        step = folder.vault.step
    except WhatsAppError as error:
        return Finding.of_error(name, error)
    if step is not None:
        return Finding(name, False, f"{step} was interrupted", "Run `whatsapp-mcp encryption status`.")
    return Finding(name, True, "the key opens it; client.db is not encrypted")


def leader(folder: AccountFolder) -> Finding:
    """Which process leads the account, and what it says of itself. It is asked, and left as it is."""
    name, pid = "leader", running_leader(folder)
    try:
        status = anyio.run(leader_status, folder)
    except WhatsAppError as error:
        return Finding.of_error(name, error)
    if status is not None:
        return _told(name, status)
    if pid is not None:
        said = f"process {pid} has the account's lock and does not answer"
        return Finding(name, False, said, "If it has not just started, end that server and start it again.")
    if folder.in_database:
        return Finding(name, True, "no node on this machine leads this account")
    return Finding(name, True, "no server runs for this account")


def _told(name: str, status: ConnectionStatus) -> Finding:
    counts = {
        "events lost": status.events_lost,
        "events not decoded": status.undecoded,
        **{f"restarts of the task {task}": count for task, count in sorted(status.failures.items())},
    }
    said = "; ".join(
        (
            f"process {status.leader_pid} leads",
            str(status.state),
            *(f"{count} {what}" for what, count in counts.items() if count),
        )
    )
    if status.settings_error:
        # Not its words: they quote the file.
        return Finding(
            name, False, f"{said}; its config.toml is not in force", "Correct it, or restart the server."
        )
    if status.state.traits.needs_person and status.action:
        return Finding(name, True, said, advice(status.state, status.action))
    return Finding(name, True, said)


def groups(folder: AccountFolder) -> Finding:
    """Whether messages of groups still come, as far as the archive tells; a quiet day looks the same."""
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
    """Where servers of the account meet."""
    try:
        return Finding("socket", True, str(folder.meeting_place))
    except WhatsAppError as error:
        return Finding.of_error("socket", error)


def leftovers(folder: AccountFolder) -> Finding:
    """What former links and faults have left here, and which device this is among those on the phone.

    The library has no list of the phone's linked devices, so a person has to compare.
    """
    name = "linked devices"
    aside = sorted(path.name for path in folder.path.glob("*.db.damaged"))
    if aside:
        said = f"{listed(aside)} were damaged and set aside; they still hold keys or messages"
        return Finding(name, True, said, f"Delete them in {folder.path} when you do not need them any more.")
    if folder.in_database:
        return Finding(name, True, "the keys are in a database, and this is a copy of the rest")
    try:
        with read_only(folder, folder.client_db) as db:
            devices = [str(row[0]) for row in db.execute(_DEVICES)]
    except Unread as reason:
        if folder.client_db.exists():
            return Finding(name, True, f"client.db {reason}")
        devices = []
    except sqlite3.DatabaseError:  # `integrity` tells of it, and a new one has no table yet
        devices = []
    if len(devices) > 1:
        said = f"client.db holds the keys of {len(devices)} devices, and one is used"
        return Finding(name, False, said, f"Run `whatsapp-mcp unlink`, then `link`. {_PHONE}")
    if not devices:
        if not folder.archive_db.exists():
            said = "an account that no phone was ever linked to"
            return Finding(name, True, said, f"{_LINK} Or delete {folder.path} if you do not need it.")
        return Finding(name, True, "no phone is linked; the archive is here", _LINK)
    number = devices[0].partition(":")[2].partition("@")[0]
    return Finding(name, True, f"this is device {number} of the account. {_PHONE}")
