"""The connection to WhatsApp: the table of its states, its status, and the progress of linking.

Everything that depends on the state alone derives from this table: the advice of `status` and of refusals
(for a person at a shell, `cli/outcome.py` says it in commands), which states have no client, when a command
stops waiting, and the table in docs/troubleshooting.md. The transitions are in `device/connection/state.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from whatsapp_mcp.models.file_readings import FilesStatus
from whatsapp_mcp.text.zone import SystemZone, local

LINKED_DEVICES: Final = "Settings (iPhone) or the ⋮ menu (Android) → Linked devices"
"""Menu path in WhatsApp on a phone where linked devices are listed and added."""

_NAME: Final = re.compile(r"[a-z][a-z_]{0,30}")
"""Form of a state's name; no other text passes for a state of a later version."""


@dataclass(frozen=True, slots=True)
class StateTraits:
    """One row of the table.

    Attributes:
        meaning: What has happened.
        action: What an agent or a person should do, part of every status; None for nothing.
        action_until: The action if the end of the state is known; `{until}` is replaced by that time.
        ends: How the state ends by itself; None if it does not.
        note: More advice, for the documentation only.
        rests: Whether no client runs, so that waiting a few seconds for the connection is useless.
        needs_person: Whether the state may last until somebody acts.
        connecting: Whether a connection is being opened, so that the next state follows within seconds.
        outlasts_leader: Whether the next leader goes on with it: a person, or its own end, leads out of it.
    """

    meaning: str
    action: str | None = None
    action_until: str | None = None
    ends: str | None = None
    note: str | None = None
    rests: bool = False
    needs_person: bool = False
    connecting: bool = False
    outlasts_leader: bool = False

    def what_to_do(self, until: datetime | None = None) -> str | None:
        """The action; `until`, the end of the state, is given in this machine's time zone."""
        if until is None or self.action_until is None:
            return self.action
        local_time = local(until, SystemZone()).isoformat(sep=" ", timespec="minutes")
        return self.action_until.format(until=local_time)


class ConnectionState(StrEnum):
    """The states of the connection to WhatsApp, with their traits.

    A leader of a later version may be in a state that this version does not know. Such a name makes a member
    that equals no other and has neutral traits: a follower shows it, with what the leader advises.
    """

    traits: StateTraits
    _value_: str

    UNLINKED = (
        "unlinked",
        StateTraits(
            "no phone is linked, or it was logged out; the reason says which",
            "Link a phone with link_device, or run `whatsapp-mcp link`.",
            rests=True,
            needs_person=True,
        ),
    )
    LINKING = (
        "linking",
        StateTraits(
            "a QR code or pairing code is waiting for a phone",
            f"Scan the code with the phone: WhatsApp, {LINKED_DEVICES} → Link a device.",
            ends="when a phone accepts the code; back to `unlinked` when it expires",
            note="Type a pairing code on the phone instead.",
        ),
    )
    CONNECTING = (
        "connecting",
        StateTraits(
            "a new client connects for the first time",
            "Wait: it connects by itself.",
            ends="yes",
            connecting=True,
        ),
    )
    ONLINE = ("online", StateTraits("the connection works"))
    DEGRADED = (
        "degraded",
        StateTraits(
            "WhatsApp did not answer a request, or the disk is full. A probe is sent; if it fails too, a new "
            "client takes over",
            "Wait: the connection is checked and renewed by itself.",
            ends="within a minute",
            note="If the reason is a full disk, free some space.",
        ),
    )
    RECONNECTING = (
        "reconnecting",
        StateTraits(
            "the connection was lost",
            "Wait: it reconnects by itself.",
            ends="with growing pauses, never more than a minute",
            note="If it lasts, check the network.",
            connecting=True,
        ),
    )
    REPLACED = (
        "replaced",
        StateTraits(
            "another program uses the same session, most likely a copy of the home folder on another "
            "machine; reconnecting automatically would only make the two disconnect each other",
            "Close the other client of the session, then run `whatsapp-mcp reconnect`, or call reconnect.",
            rests=True,
            needs_person=True,
            outlasts_leader=True,
        ),
    )
    BANNED = (
        "banned",
        StateTraits(
            "WhatsApp banned the number temporarily; the status says until when",
            "Wait until WhatsApp lifts the ban.",
            "Wait until {until}; then it tries again once.",
            ends="at that time, once",
            note="Afterwards do less of what caused the ban. Restarting does not help.",
            rests=True,
            outlasts_leader=True,
        ),
    )
    OUTDATED = (
        "outdated",
        StateTraits(
            "WhatsApp no longer accepts this version of the client library",
            "Upgrade the whatsapp-mcp package, then restart it.",
            rests=True,
            needs_person=True,
        ),
    )
    REFUSED = (
        "refused",
        StateTraits(
            "WhatsApp refused the login for another reason; the status gives its code",
            "Wait: it is tried again slowly. If it stays so, look at the phone's linked devices.",
            ends="with retries at long intervals",
            note="Report it with the code.",
            rests=True,
        ),
    )
    PAUSED = (
        "paused",
        StateTraits(
            "`whatsapp-mcp pause` closed the connection; sends are queued",
            "Run `whatsapp-mcp resume` to connect again; nothing else ends this pause.",
            "Wait until {until}, when it connects by itself, or run `whatsapp-mcp resume`.",
            ends="at the time given with `--for`; without one, no",
            rests=True,
            needs_person=True,
            outlasts_leader=True,
        ),
    )
    OFFLINE = (
        "offline",
        StateTraits(
            "the client process ended and a new one is starting, or no server is running",
            "Wait: a new client is being started.",
            ends="usually within a second",
            note="When `whatsapp-mcp status` says that no server is running, open an application that uses "
            "it, or [keep one running](service.md).",
            connecting=True,
        ),
    )

    def __new__(cls, name: str, traits: StateTraits) -> Self:
        """A member of this name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.traits = traits
        return member

    @classmethod
    def _missing_(cls, value: object) -> ConnectionState | None:
        """A state of another version; None for what cannot be the name of a state."""
        if not isinstance(value, str) or _NAME.fullmatch(value) is None:
            return None
        member = str.__new__(cls, value)
        member._name_ = value.upper()
        member._value_ = value
        member.traits = _UNKNOWN
        return member


_UNKNOWN: Final = StateTraits(
    "a state of a later version", "Upgrade whatsapp-mcp here to the version of the server that leads."
)
"""Neutral traits: nobody here knows what ends such a state."""


class AddressBookState(StrEnum):
    """State of the phone's address book, with the names it gives to people, on this device.

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
    """Progress of linking.

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
        """True if linking has ended, with a phone or without."""
        return self.state is ConnectionState.ONLINE or self.state.traits.rests
