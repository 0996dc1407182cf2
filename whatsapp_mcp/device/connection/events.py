"""Events of the connection: the input of the state machine in `state.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from whatsapp_mcp.storage import LeadershipOver

# Events from outside the client.


@dataclass(frozen=True, slots=True)
class Opened:
    """A server begins to lead: `linked` says whether keys are stored, `refusal` why they may not be used."""

    linked: bool
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Woken:
    """The machine has slept: the connection may have died unnoticed, and waits may be long over."""


@dataclass(frozen=True, slots=True)
class LinkAsked:
    """Somebody wants to link a phone."""


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The person logged this companion out from here."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeysLost:
    """No keys of a linked device can be read any more."""


@dataclass(frozen=True, slots=True)
class ReconnectAsked:
    """Somebody wants a new client now."""


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """A person wants the connection closed: until then, or until `ResumeAsked` when None."""

    until: datetime | None


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """A person ends the pause."""


@dataclass(frozen=True, slots=True)
class Started:
    """The loop has started the client `generation`."""

    generation: int


# Events of a client; each carries its generation.


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """Base of what a client reports."""

    generation: int


@dataclass(frozen=True, slots=True)
class Code(ClientEvent):
    """A QR text or pairing code is out, good for `lifetime` seconds."""

    lifetime: float


@dataclass(frozen=True, slots=True)
class LinkingFailed(ClientEvent):
    """The attempt to link a phone is over; `reason` says why and what to try."""

    reason: str


@dataclass(frozen=True, slots=True)
class Paired(ClientEvent):
    """The phone accepted the companion; the login follows."""


@dataclass(frozen=True, slots=True)
class Online(ClientEvent):
    """Logged in."""


@dataclass(frozen=True, slots=True)
class Disconnected(ClientEvent):
    """The connection is lost; the library tries again by itself."""


@dataclass(frozen=True, slots=True)
class Doubtful(ClientEvent):
    """Something that should have been answered was not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered(ClientEvent):
    """WhatsApp answered a probe or a keep-alive."""


@dataclass(frozen=True, slots=True)
class ProbeFailed(ClientEvent):
    """WhatsApp did not answer the probe."""


@dataclass(frozen=True, slots=True)
class Stuck(ClientEvent):
    """The journal cannot be written; one that is `damaged` has to be recreated."""

    reason: str
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Unstuck(ClientEvent):
    """The journal is written again."""


@dataclass(frozen=True, slots=True)
class LoggedOut(ClientEvent):
    """WhatsApp ended the companion; its keys are worthless."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replaced(ClientEvent):
    """Another client took the session."""


@dataclass(frozen=True, slots=True)
class Banned(ClientEvent):
    """A temporary ban; `seconds` until it ends, 0 when that is unknown."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outdated(ClientEvent):
    """WhatsApp no longer takes this version of the client library."""


@dataclass(frozen=True, slots=True)
class Refused(ClientEvent):
    """WhatsApp refused the login for any other reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended(ClientEvent):
    """The event pump has ended, the connect failed, or the process died.

    Attributes:
        reason: Why, for a person.
        over: Why the leader may not go on either, if so.
        strayed: Whether it was ended because it did not keep to its protocol.
    """

    reason: str
    over: LeadershipOver | None = None
    strayed: bool = False


Event = (
    Opened
    | Tick
    | Woken
    | LinkAsked
    | Unlinked
    | KeysLost
    | ReconnectAsked
    | PauseAsked
    | ResumeAsked
    | Started
    | ClientEvent
)
