"""Every metric: its name, what kind it is, its labels, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

PREFIX: Final = "whatsapp_"
ACCOUNT: Final = "account"
"""The label that every metric of an account has: the account's local name, such as `default`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The declaration of a metric.

    Attributes:
        name: Without the prefix; that of a counter ends with `_total`, as it is exposed.
        kind: A histogram is exposed as `_bucket`, `_sum` and `_count`.
        says: One sentence.
        labels: Beside the account. No label holds a jid, a name or a text: their values are words of this
            program.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    says: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as it is exposed."""
        return PREFIX + self.name


Values: TypeAlias = Mapping[tuple[str, ...], float]
"""The values of a metric, by its labels."""
Figures: TypeAlias = Mapping[Metric, Values]
"""The metrics that could be told."""

BUILD: Final = Metric(
    "build_info", "gauge", "Always 1; the labels name the versions.", ("version", "library")
)
"""The only one that is not of an account."""

LEADER_UP: Final = Metric("leader_up", "gauge", "Whether a server leads the account and answers.")
LEADING: Final = Metric("leading", "gauge", "Whether the server that is asked leads the account.")
OPEN: Final = Metric("account_open", "gauge", "Whether this server could open the account's files.")
STATE: Final = Metric(
    "connection_state", "gauge", "1 for the state of the connection, 0 for all others.", ("state",)
)
LINKED: Final = Metric("linked", "gauge", "Whether a phone is linked.")
READY: Final = Metric("ready", "gauge", "Whether the account can be used, as `/readyz` tells.")
GENERATION: Final = Metric(
    "client_generation", "gauge", "Number of the client process; grows with each new one."
)
LOGINS: Final = Metric("logins_total", "counter", "Logins at WhatsApp since the account was made.")
LEADING_SINCE: Final = Metric(
    "leading_since_timestamp_seconds", "gauge", "When the leader began to lead, in seconds since 1970."
)
LAST_EVENT: Final = Metric("last_event_timestamp_seconds", "gauge", "When WhatsApp last delivered anything.")
LAST_SENT: Final = Metric("last_sent_timestamp_seconds", "gauge", "When WhatsApp last accepted a send.")
PHONE_SEEN: Final = Metric(
    "phone_seen_timestamp_seconds", "gauge", "When the phone itself last sent anything."
)
JOURNAL_WAITING: Final = Metric(
    "journal_waiting", "gauge", "Events in the journal that are not archived yet."
)
JOURNAL_POSITION: Final = Metric("journal_position", "gauge", "Number of the newest event in the journal.")
ARCHIVE_POSITION: Final = Metric("archive_position", "gauge", "Number of the newest event that is archived.")
JOURNAL_STALLED: Final = Metric(
    "journal_stalled_seconds", "gauge", "For how long events have waited and none was archived."
)
LOST: Final = Metric(
    "events_lost_total", "counter", "Upper bound of events that were acknowledged and not stored."
)
UNDECODED: Final = Metric(
    "events_undecoded", "gauge", "Events that are kept and that this version cannot decode."
)
TASK_FAILURES: Final = Metric(
    "task_failures_total",
    "counter",
    "How often a background task of the leader failed and was restarted.",
    ("task",),
)
SENDS_OPEN: Final = Metric(
    "sends_open", "gauge", "Accepted sends that are not settled, by state.", ("status",)
)
SENDS: Final = Metric(
    "sends_total",
    "counter",
    "Sends that ended, or were not answered, since the leader leads.",
    ("status",),
)
OLDEST_SEND: Final = Metric(
    "oldest_unsettled_send_seconds", "gauge", "Age of the oldest send that is queued, on its way or unknown."
)
APPROVALS: Final = Metric("approvals_open", "gauge", "Questions that wait for a person.")
OLDEST_APPROVAL: Final = Metric("oldest_approval_seconds", "gauge", "Age of the oldest question that waits.")
REFUSALS: Final = Metric(
    "refusals_total",
    "counter",
    "Operations that the leader refused, or asked a person about first.",
    ("code",),
)
WEBHOOKS_FAILING: Final = Metric(
    "webhooks_failing", "gauge", "Webhooks whose receiver refuses the next event."
)
WEBHOOK_EVENTS_FAILED: Final = Metric(
    "webhook_events_failed", "gauge", "Events that were given up and can be replayed."
)
QUARANTINES: Final = Metric(
    "quarantined_files", "gauge", "Damaged databases that were quarantined and lie in the folder."
)
SETTINGS_INVALID: Final = Metric(
    "settings_invalid", "gauge", "Whether `config.toml` as it is now is not in force."
)
FILES_WAITING: Final = Metric("files_waiting", "gauge", "Files of messages that wait for a step.", ("step",))
FILES_FAILED: Final = Metric("files_failed", "gauge", "Files that can be neither fetched nor read.")
FILE_BYTES: Final = Metric("file_bytes", "gauge", "Size of a database with its log.", ("file",))
DISK_FREE: Final = Metric("disk_free_bytes", "gauge", "Free space where the account's files are.")
DISK_SIZE: Final = Metric(
    "disk_size_bytes", "gauge", "Size of the file system where the account's files are."
)
CLIENT_MEMORY: Final = Metric("client_memory_bytes", "gauge", "Memory of the client process (Linux).")
CLIENT_SECONDS: Final = Metric(
    "client_processor_seconds_total", "counter", "Processor time of the client process (Linux)."
)
CALLS: Final = Metric(
    "tool_calls_total",
    "counter",
    "Calls of tools and resources in this server, by how they ended.",
    ("tool", "outcome"),
)
CALL_SECONDS: Final = Metric("tool_call_seconds", "histogram", "How long these calls took.", ("tool",))

METRICS: Final = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order in which they are declared."""
