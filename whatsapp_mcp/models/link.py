"""The connection to WhatsApp: its status, and the progress of linking."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from whatsapp_mcp.models.connection_states import ConnectionState
from whatsapp_mcp.models.file_readings import FilesStatus


class AddressBookState(StrEnum):
    """Whether the address book of the phone, with the names it gives to people, has come.

    `COMING` only in the seconds after linking in which the library fetches it.
    """

    COMING = "coming"
    HERE = "here"
    MISSING = "missing"


ADDRESS_BOOK_MISSING: Final = (
    "The phone's address book has not come, so people are shown without the names it gives them. Adding or "
    "changing any contact on the phone makes all of it come. (An empty one never comes.)"
)


GROUPS_SILENT: Final = (
    "No message of a group has come for a day, though direct messages have and {} groups had some on most "
    "days of the week before. If the phone shows newer ones, WhatsApp does not deliver them to this device: "
    "docs/troubleshooting.md, When groups fall silent, says what to try."
)
"""With the number of groups."""


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The status of the connection, for a person or an agent.

    Attributes:
        reason: Why it is in this state, one sentence; None when nothing needs saying.
        action: What to do next; None when nothing is to be done.
        number: The account's own number, E.164; None until linked.
        name: The account's own name on WhatsApp.
        generation: Number of the current client process; only grows.
        last_event_at: When WhatsApp last delivered anything.
        last_sent_at: When a send was last accepted by WhatsApp.
        phone_seen_at: When the phone itself last sent something.
        until: When the state ends by itself (the expiry of a ban, the end of a pause).
        journal_waiting: Events received and not yet in the archive.
        events_lost: Upper bound of events that WhatsApp considers delivered and that were not stored.
        undecoded: Events kept that this version cannot decode.
        cut_short: Messages not kept whole, because too much came of their senders in a day.
        addons_dropped: Reactions, edits and the like that waited for their message in vain, and are gone.
        history_progress: Percent of the first history sync; None when none is running or it is done.
        leader_pid: Process id of the leader; None when there is none.
        address_book: Whether the phone's address book has come; None while nothing can be said.
        failures: How often each background task of the leader has failed and was restarted.
        files: How far fetching and reading of files has come; None while nothing can be said.
        silent_groups: Groups that were busy and have all been silent for a day in which direct messages came.
        settings_error: Why `config.toml` as it is now is not in force; None when it is.
    """

    state: ConnectionState
    since: datetime
    account: str
    reason: str | None = None
    action: str | None = None
    connected: bool = False
    logged_in: bool = False
    device_id: str | None = None
    number: str | None = None
    name: str | None = None
    generation: int = 0
    last_event_at: datetime | None = None
    last_sent_at: datetime | None = None
    phone_seen_at: datetime | None = None
    until: datetime | None = None
    journal_waiting: int = 0
    events_lost: int = 0
    undecoded: int = 0
    cut_short: int = 0
    addons_dropped: int = 0
    catching_up: bool = False
    history_progress: int | None = None
    leader_pid: int | None = None
    address_book: AddressBookState | None = None
    failures: dict[str, int] = field(default_factory=dict[str, int])
    files: FilesStatus | None = None
    silent_groups: int = 0
    settings_error: str | None = None


@dataclass(frozen=True, slots=True)
class QrCode:
    """One QR text to scan with the phone; `file` is the path of its picture, as long as it is valid."""

    text: str
    expires_at: datetime
    file: str | None = None


@dataclass(frozen=True, slots=True)
class LinkState:
    """How far linking has come.

    Attributes:
        revision: Grows with every change, so a caller can wait for the next.
        failed: Why the last attempt failed, also while a new one runs.
    """

    state: ConnectionState
    revision: int
    qr: QrCode | None = None
    code: str | None = None
    code_expires_at: datetime | None = None
    reason: str | None = None
    number: str | None = None
    failed: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether linking has ended, with a phone or without."""
        return self.state is ConnectionState.ONLINE or self.state.traits.rests
