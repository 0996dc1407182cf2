"""The protocol between the leader and its client process over the pipes.

The leader starts `python -m whatsapp_mcp.client`, tells it where to store what (`client_storage.py`) and
waits for `READY`; it calls by JSON-RPC, the client notifies. Every event of the library is first committed to
the journal; content is only announced (`JOURNALED`), state events come with their payload (`STATE`), so that
the state of the connection never waits behind a backlog of messages.

Calls about the connection, parameters in braces:

* `connect` {}: start connecting and return. The outcome comes as `STATE`, `QR` or `ENDED`; after `ENDED` it
  may be called again. `Busy` while it runs.
* `pair_phone` {number}: a pairing code, while QR texts are shown.
* `disconnect` {}, `logout` {}, `is_connected` {}, `is_logged_in` {} as the library has them: the last two lie
  when the connection is half dead, and any of them can take minutes while the library dials.
* `probe` {}: null when WhatsApp answers at all, a refusal included.
* `exit` {drain}: end the process, at once or after up to `drain` seconds in which the connection is closed
  and what is on its way is journaled. There is no answer: the pipe closes.

All other calls stand in `calls.CALLS`, one line each. Their parameters and results follow one rule: a jid is
its text, a protobuf is its base64, a list is a list of these, all else is plain JSON. Until the library has
logged in they answer `NotConnected` or `NotLinked`.

The leader notifies of one thing:

* `lease` {until}: its lease holds until then, in seconds of CLOCK_BOOTTIME. Where the leader has a lease at
  all, the kernel kills the process at its end.

What a client says is bounded. A frame has at most `FRAME_LIMIT` bytes; files go by file, and a long list goes
in parts: `{"part": [...], "number": number}`, after which `more` {number} answers the next; the last has no
number. A client that sends anything
else than these frames, or more than `FLOOD_BYTES` beside `BYTES_PER_SECOND`, is ended.

When the leader closes the pipe or dies, the process closes the connection, journals what is on its way and
ends, within `LEADER_GONE_SECONDS`, whatever state the library is in. Only while the library fetches the
phone's address book it stays until that is stored, `FETCH_LIMIT` at most, and says so (`claim.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

FETCH_LIMIT: Final = 10.0
"""Seconds in which the library has stored the phone's address book, once it has the key; or there is none."""
FRAME_LIMIT: Final = 1 << 20
"""Bytes of a frame of the client, newline included."""
PART_BYTES: Final = FRAME_LIMIT // 2
"""Bytes of a list, as JSON, that are answered at a time; one element may have more."""
MOST_PARTS: Final = 128
"""Parts of one list."""
FLOOD_BYTES: Final = 64 * FRAME_LIMIT
"""Bytes that a client may send at once."""
BYTES_PER_SECOND: Final = 4 * FRAME_LIMIT
"""Bytes that it may send on and on."""
LEAST_BYTES: Final = 512
"""Bytes for which each frame, list and object counts beside its own, since it takes as long to handle."""
PART: Final = "part"
"""Member of an answer that is a part of a list."""
MORE: Final = "more"
"""The call that answers what follows of a list."""
READY: Final = "ready"
"""Notification {pid, library, symbols}: neonize of that version is loaded and calls are answered; `symbols`
is what it exports of `capabilities.SYMBOLS`."""
JOURNALED: Final = "journaled"
"""Notification {seq}: the journal holds events up to `seq`; not sent where a `STATE` says so."""
STATE: Final = "state"
"""Notification {seq, code, payload}: a state event, its protobuf in base64."""
QR: Final = "qr"
"""Notification {text, lifetime}: a QR text to show, and for how many seconds."""
LOGIN_EVENT: Final = "login_event"
"""Notification {name}: how an attempt to link a phone ended, in the library's own name for it."""
ENDED: Final = "ended"
"""Notification {error}: the library's event pump has ended; a new client has to be started."""
LEASE: Final = "lease"
"""Notification of the leader {until}: see above."""
STUCK: Final = "journal_stuck"
"""Notification {error, damaged}: the journal cannot be written, or does not answer; the client has left
WhatsApp, and events wait."""
UNSTUCK: Final = "journal_unstuck"
"""Notification {}: the journal is written again."""

FORMS: Final[Mapping[str, Mapping[str, type[object] | tuple[type[object], ...]]]] = {
    READY: {"pid": int, "library": str, "symbols": list},
    JOURNALED: {"seq": int},
    STATE: {"seq": int, "code": int, "payload": str},
    QR: {"text": str, "lifetime": (int, float)},
    LOGIN_EVENT: {"name": str},
    ENDED: {"error": str},
    STUCK: {"error": str, "damaged": bool},
    UNSTUCK: {},
}
"""Every notification of a client, with what its parameters are."""

ENVIRONMENT: Final = {"NEONIZE_BOT_TAG": "off"}
"""Variables that the leader adds: without it the library marks direct messages as written by a business bot.

The Go side sees only what was set when the process started, so the client cannot do it itself.
"""
LEADER_GONE_SECONDS: Final = 1.0
"""Seconds that a client process may outlive its leader; a busy machine needs them for what has already
arrived.

A little longer while the library fetches the address book: see above.
"""
EXIT_DONE: Final = 0
"""Exit code: it was told to end, or the leader is gone."""
EXIT_BAD_ARGUMENTS: Final = 2
"""Exit code: the command line is wrong."""
EXIT_NO_LIBRARY: Final = 3
"""Exit code: neonize or the journal could not be opened, the log says why."""
EXIT_NO_KEYS: Final = 4
"""Exit code: the library could not use the database of its keys."""
EXIT_NO_JOURNAL: Final = 5
"""Exit code: the journal's database did not take an event."""
EXIT_REWOUND: Final = 6
"""Exit code: the journal's database lacks events that it had confirmed."""
EXIT_FENCED: Final = 7
"""Exit code: a newer leader, or a newer client, writes to the journal. Any other code: it died."""


class EventCode(IntEnum):
    """neonize's numbers of its events (neonize 0.5.2, `neonize/events.py`)."""

    DEVICE = 0
    QR = 1
    PAIR_STATUS = 2
    CONNECTED = 3
    KEEP_ALIVE_TIMEOUT = 4
    KEEP_ALIVE_RESTORED = 5
    LOGGED_OUT = 6
    STREAM_REPLACED = 7
    TEMPORARY_BAN = 8
    CONNECT_FAILURE = 9
    CLIENT_OUTDATED = 10
    STREAM_ERROR = 11
    DISCONNECTED = 12
    HISTORY_SYNC = 13
    NEWSLETTER_MESSAGE_META = 16
    MESSAGE = 17
    RECEIPT = 18
    CHAT_PRESENCE = 19
    PRESENCE = 20
    JOINED_GROUP = 21
    GROUP_INFO = 22
    PICTURE = 23
    IDENTITY_CHANGE = 24
    PRIVACY_SETTINGS = 25
    OFFLINE_SYNC_PREVIEW = 26
    OFFLINE_SYNC_COMPLETED = 27
    BLOCKLIST = 30
    BLOCKLIST_CHANGE = 31
    NEWSLETTER_JOIN = 32
    NEWSLETTER_LEAVE = 33
    NEWSLETTER_MUTE_CHANGE = 34
    NEWSLETTER_LIVE_UPDATE = 35
    CALL_OFFER = 36
    CALL_ACCEPT = 37
    CALL_PRE_ACCEPT = 38
    CALL_TRANSPORT = 39
    CALL_OFFER_NOTICE = 40
    CALL_RELAY_LATENCY = 41
    CALL_TERMINATE = 42
    UNKNOWN_CALL_EVENT = 43
    UNDECRYPTABLE_MESSAGE = 44
    ROTATE_ADV_SECRET = 45


STATE_EVENTS: Final = frozenset(
    {
        EventCode.PAIR_STATUS,
        EventCode.CONNECTED,
        EventCode.KEEP_ALIVE_TIMEOUT,
        EventCode.KEEP_ALIVE_RESTORED,
        EventCode.LOGGED_OUT,
        EventCode.STREAM_REPLACED,
        EventCode.TEMPORARY_BAN,
        EventCode.CONNECT_FAILURE,
        EventCode.CLIENT_OUTDATED,
        EventCode.STREAM_ERROR,
        EventCode.DISCONNECTED,
        EventCode.OFFLINE_SYNC_PREVIEW,
        EventCode.OFFLINE_SYNC_COMPLETED,
    }
)
"""Events about the connection, not about what was said in chats."""
