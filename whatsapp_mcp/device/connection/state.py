"""The connection's state machine: every state and every transition, and nothing else.

`step(connection, event, moment)` is pure: it answers the next `Connection` and what the loop must do
(`Action`). The loop in `reconnect.py` feeds it events (`events.py`) and does the actions; it decides nothing
itself.

Two rules hold throughout. Events of a client other than the running one change nothing. And every state
that may leave by itself has a `timer`, so that nothing waits forever for something that never comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from whatsapp_mcp.device.connection.events import (
    Answered,
    Banned,
    ClientEvent,
    Code,
    Disconnected,
    Doubtful,
    Ended,
    Event,
    KeysLost,
    LinkAsked,
    LinkingFailed,
    LoggedOut,
    Online,
    Opened,
    Outdated,
    Paired,
    PauseAsked,
    ProbeFailed,
    ReconnectAsked,
    Refused,
    Replaced,
    ResumeAsked,
    Started,
    Stuck,
    Tick,
    Unlinked,
    Unstuck,
    Woken,
)
from whatsapp_mcp.device.supervise import backoff
from whatsapp_mcp.errors import InvalidArgument, NotConnected, NotLinked
from whatsapp_mcp.models import ConnectionState as S

CONNECT_LIMIT: Final = 30.0
"""Seconds in which a new client must be logged in; a hanging dial has no limit of its own."""
LIBRARY_RECONNECT: Final = 5.0
"""Seconds that the library's own reconnect has before a new client takes over: cuts in a row can stop it."""
PROBE_LIMIT: Final = 12.0
"""Seconds in which the probe of a doubtful connection must be answered."""
FIRST_QR_LIMIT: Final = 30.0
"""Seconds in which WhatsApp must give the first QR or pairing code."""
QR_GRACE: Final = 5.0
"""Seconds after the last QR code's end in which another may still come."""
PAIRED_LIMIT: Final = 45.0
"""Seconds from a successful pairing to the first login."""
STEADY_AFTER: Final = 3.0
"""Seconds online after which the end of a client is no flapping."""
FREE_FLAPS: Final = 5
"""Ends soon after login that are still answered at once."""
RETRY_CAP: Final = 60.0
REFUSED_BASE: Final = 30.0
REFUSED_CAP: Final = 900.0
_NO_CODE: Final = "WhatsApp has not given a code yet."
_NO_KEYS: Final = "The last linking was not finished, or its keys were lost or damaged."
UNLINKED_HERE: Final = "Unlinked here"
"""Beginning of the reason after a person has unlinked the account here."""
UNREACHABLE: Final = "WhatsApp cannot be reached"
"""Beginning of the reason of a client that found no way to the servers."""
PHONE_REFUSED: Final = (
    "If the phone said that it could not link a device: it may be offline, or have four linked devices "
    "already (log one out there)."
)
"""Hint at a refusal by the phone, of which nothing arrives here: the codes run out as if nobody had taken
one."""
_CODE_EXPIRED: Final = f"The code expired before a phone took it. {PHONE_REFUSED}"
_REPLACED_ONCE: Final = (
    "Another client took over this session. It may be one of a former leader, which ends by itself: soon a "
    "client is started once more."
)
_WOKEN: Final = "The computer has slept; whether the connection has survived is being checked."
_PAUSED: Final = "Paused with `whatsapp-mcp pause`; a queued send waits for a day at most."
WALL_CLOCK_CHECK: Final = 60.0
"""Seconds between looks at the wall clock in a state that ends at a time of day: it may be set, and the
monotonic clock stops while the machine sleeps."""


class Action(Enum):
    """The task of the loop after a step."""

    START = auto()
    """End the client if there is one and start a new one."""
    STOP = auto()
    """End the client."""
    FORGET = auto()
    """Delete the keys of the linked device."""
    PROBE = auto()
    """Ask WhatsApp something over the running client and report the outcome."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a step happens: wall time, monotonic seconds, and a random number in [0, 1) for jitter."""

    now: datetime
    monotonic: float
    chance: float = 0.5


@dataclass(frozen=True, slots=True)
class Connection:
    """All that is known of the connection to WhatsApp.

    Attributes:
        running: Whether the client `generation` was started and not yet killed.
        linked: Whether keys of a linked device are stored.
        timer: Monotonic time at which `Tick` matters; None when nothing is awaited.
        until: Wall time at which a ban or a pause ends.
        failures: Ends of a client in a row before it was online.
        flaps: Ends of a client in a row soon after it was online.
        online_at: Monotonic time of the running client's login; None before it.
        stuck: Why the journal cannot be written; None when it can.
        probing: Whether the running probe decides about the client.
        returns_after: Seconds after which a client that is replaced is started again, once in a leadership.
            None: a person asks for it, since another program may use the session.
    """

    state: S
    since: datetime
    generation: int = 0
    running: bool = False
    linked: bool = False
    reason: str | None = None
    timer: float | None = None
    until: datetime | None = None
    failures: int = 0
    flaps: int = 0
    online_at: float | None = None
    stuck: str | None = None
    probing: bool = False
    returns_after: float | None = None


Step = tuple[Connection, tuple[Action, ...]]


def step(connection: Connection, event: Event, moment: Moment) -> Step:
    """The connection after an event, and what the loop has to do."""
    if isinstance(event, ClientEvent):
        if not connection.running or event.generation != connection.generation:
            return connection, ()
        return _reported(connection, event, moment)
    match event:
        case Opened(True, str(refusal)):
            # Not deleted: it may be the archive that was replaced. Who links a phone deletes them.
            return _stopped(replace(connection, linked=False, failures=0), S.UNLINKED, refusal, moment)
        case Opened(linked):
            return _opened(
                replace(connection, running=False, linked=linked, online_at=None, stuck=None), moment
            )
        case Tick():
            return _passed(connection, moment) if _is_due(connection, moment) else (connection, ())
        case Woken():
            return _woken(connection, moment)
        case Started(generation):
            return _started(connection, generation, moment), ()
        case LinkAsked():
            return _link_asked(connection, moment)
        case Unlinked(reason):
            return _stopped(connection, S.UNLINKED, reason, moment, forget=True)
        case KeysLost() if connection.linked and connection.online_at is None:
            # Not deleted: what cannot be read may be readable tomorrow.
            return _stopped(replace(connection, linked=False, failures=0), S.UNLINKED, _NO_KEYS, moment)
        case ReconnectAsked() if connection.linked and connection.state is not S.PAUSED:
            return _start(replace(connection, failures=0, flaps=0), S.CONNECTING, None, moment)
        case PauseAsked(until) if _may_pause(connection):
            return _paused(connection, until, moment)
        case ResumeAsked() if connection.state is S.PAUSED:
            return _start(replace(connection, failures=0, flaps=0), S.CONNECTING, None, moment)
        case _:
            return connection, ()


def _reported(connection: Connection, event: ClientEvent, moment: Moment) -> Step:
    """Return the step that a report of the running client causes."""
    match event:
        case LoggedOut(_, reason):
            return _stopped(connection, S.UNLINKED, reason, moment, forget=True)
        case Replaced() if connection.returns_after is not None:
            wait = connection.returns_after
            until = moment.now + timedelta(seconds=wait)
            once = replace(connection, returns_after=None)
            return _stopped(once, S.REPLACED, _REPLACED_ONCE, moment, until=until, wait=wait)
        case Replaced():
            return _stopped(connection, S.REPLACED, "Another client took over this session.", moment)
        case Banned(_, reason, seconds) if seconds > 0:
            until = moment.now + timedelta(seconds=seconds)
            return _stopped(
                connection, S.BANNED, reason, moment, until=until, wait=min(seconds, WALL_CLOCK_CHECK)
            )
        case Outdated():
            return _stopped(connection, S.OUTDATED, "WhatsApp no longer accepts this client version.", moment)
        case Refused(_, reason) | Banned(_, reason) if connection.linked:
            failures = connection.failures + 1
            wait = backoff(failures, moment.chance, base=REFUSED_BASE, cap=REFUSED_CAP)
            return _stopped(replace(connection, failures=failures), S.REFUSED, reason, moment, wait=wait)
        case Ended(_, reason, strayed=True):
            # However long it has been online: the next one may do the same.
            return _ended(connection, reason, moment, flaps=max(connection.flaps, FREE_FLAPS) + 1)
        case Ended(_, reason) | Refused(_, reason) | Banned(_, reason):
            return _ended(connection, reason, moment)
        case Paired():
            paired = replace(connection, linked=True)
            return _enter(paired, S.CONNECTING, None, moment, wait=PAIRED_LIMIT), ()
        case Online():
            online = replace(connection, linked=True, failures=0, online_at=moment.monotonic)
            return _settle(online, moment), ()
        case LinkingFailed(_, reason) if connection.state is S.LINKING:
            return _stopped(connection, S.UNLINKED, reason, moment, forget=True)
        case Code(_, lifetime) if connection.state is S.LINKING:
            return replace(connection, reason=None, timer=moment.monotonic + lifetime + QR_GRACE), ()
        case _:
            return _while_online(connection, event, moment)


def _while_online(connection: Connection, event: ClientEvent, moment: Moment) -> Step:
    """Reports that matter only between login and end."""
    if connection.online_at is None:
        return connection, ()
    match event:
        case Disconnected() if connection.state is S.RECONNECTING:
            # The library tries at once only the first time, then pauses two seconds more each time.
            return _start(connection, S.RECONNECTING, "The connection was lost again.", moment)
        case Disconnected():
            lost = replace(connection, probing=False)
            return _enter(
                lost, S.RECONNECTING, "The connection was lost.", moment, wait=LIBRARY_RECONNECT
            ), ()
        case Doubtful(_, reason) if connection.state in {S.ONLINE, S.DEGRADED} and not connection.probing:
            return _doubt(connection, reason, moment)
        case Answered() if connection.state is S.DEGRADED:
            return _settle(connection, moment), ()
        case ProbeFailed() if connection.probing:
            return _start(
                connection, S.RECONNECTING, "WhatsApp did not answer; a new client takes over.", moment
            )
        case Stuck(_, reason):
            stuck = replace(connection, stuck=reason)
            if connection.state is S.ONLINE:
                return _enter(stuck, S.DEGRADED, reason, moment), ()
            return stuck, ()
        case Unstuck():
            free = replace(connection, stuck=None)
            return (
                _settle(free, moment) if connection.state is S.DEGRADED and not connection.probing else free
            ), ()
        case _:
            return connection, ()


def _opened(connection: Connection, moment: Moment) -> Step:
    """A leader takes over what the one before left: what it must not end, and its count of failures."""
    if not connection.linked:
        reason = connection.reason if connection.state is S.UNLINKED else _NO_KEYS
        return _enter(replace(connection, until=None), S.UNLINKED, reason, moment), ()
    if connection.state.traits.outlasts_leader:
        return replace(connection, timer=None if connection.until is None else moment.monotonic), ()
    if connection.failures == 0 or connection.state in {S.UNLINKED, S.OUTDATED}:
        return _start(connection, S.CONNECTING, None, moment)
    wait = _backoff(connection, moment)
    if connection.state is S.REFUSED:
        return replace(connection, timer=moment.monotonic + wait), ()
    return _enter(connection, S.OFFLINE, connection.reason, moment, wait=wait), ()


def _link_asked(connection: Connection, moment: Moment) -> Step:
    if connection.linked or connection.state is S.LINKING:
        return connection, ()
    asked, actions = _start(replace(connection, failures=0, flaps=0), S.LINKING, _NO_CODE, moment)
    # Damaged keys would keep the client from beginning.
    return asked, (Action.FORGET, *actions)


def check_may_pause(connection: Connection, event: PauseAsked | ResumeAsked, now: datetime) -> None:
    """Refuse what would change nothing.

    Raises:
        InvalidArgument: The end of the pause has passed.
        NotLinked: No phone is linked.
        NotConnected: The connection is closed already, and a pause would forget why.
    """
    if not connection.linked or (isinstance(event, PauseAsked) and not _may_pause(connection)):
        raise unavailable(connection)
    if isinstance(event, PauseAsked) and event.until is not None and event.until <= now:
        raise InvalidArgument("The end of the pause has passed already.", "Give a time to come.")


def _may_pause(connection: Connection) -> bool:
    # At the end of a pause, a replaced session would be fought, and a ban not waited out.
    kept = connection.state.traits.outlasts_leader and connection.state is not S.PAUSED
    return connection.linked and not kept


def _paused(connection: Connection, until: datetime | None, moment: Moment) -> Step:
    wait = None if until is None else min((until - moment.now).total_seconds(), WALL_CLOCK_CHECK)
    return _stopped(connection, S.PAUSED, _PAUSED, moment, until=until, wait=wait)


def _is_due(connection: Connection, moment: Moment) -> bool:
    return connection.timer is not None and moment.monotonic >= connection.timer


def _woken(connection: Connection, moment: Moment) -> Step:
    """A client that is online is asked at once, and a wait is over unless WhatsApp has imposed it."""
    if (
        connection.online_at is not None
        and connection.state in {S.ONLINE, S.DEGRADED}
        and not connection.probing
    ):
        return _doubt(connection, _WOKEN, moment)
    if not connection.running and connection.timer is not None and connection.state is not S.REFUSED:
        return replace(connection, timer=moment.monotonic), ()
    return connection, ()


def _doubt(connection: Connection, reason: str, moment: Moment) -> Step:
    """Let a probe decide about the client."""
    return _enter(replace(connection, probing=True), S.DEGRADED, reason, moment, wait=PROBE_LIMIT), (
        Action.PROBE,
    )


def _passed(connection: Connection, moment: Moment) -> Step:
    """The timer of the state has run out."""
    match connection.state:
        case S.LINKING:
            why = "WhatsApp gave no code in time." if connection.reason == _NO_CODE else _CODE_EXPIRED
            return _stopped(connection, S.UNLINKED, why, moment, forget=True)
        case S.CONNECTING if connection.running:
            return _ended(connection, "WhatsApp could not be reached in time.", moment)
        case S.RECONNECTING if connection.running and connection.online_at is None:
            return _ended(connection, "WhatsApp could not be reached in time.", moment)
        case S.RECONNECTING | S.DEGRADED:
            return _start(connection, S.RECONNECTING, connection.reason, moment)
        case S.BANNED | S.PAUSED | S.REPLACED if (
            connection.until is not None and moment.now < connection.until
        ):
            return _wait_for(connection, connection.until, moment), ()
        case S.PAUSED:
            return _start(connection, S.CONNECTING, None, moment)
        case _:
            return _start(connection, S.CONNECTING, connection.reason, moment)


def _wait_for(connection: Connection, until: datetime, moment: Moment) -> Connection:
    """The state goes on; on a clock that was set back to before it began, once more for its whole length."""
    if moment.now < connection.since:
        until = moment.now + (until - connection.since)
        connection = replace(connection, since=moment.now, until=until)
    left = (until - moment.now).total_seconds()
    return replace(connection, timer=moment.monotonic + min(left, WALL_CLOCK_CHECK))


def _ended(connection: Connection, reason: str, moment: Moment, *, flaps: int | None = None) -> Step:
    """The client is of no more use: a new one, at once if the old one had been online.

    Args:
        flaps: How many ends in a row it is, where that does not depend on how long it was online.
    """
    if connection.state is S.LINKING or not connection.linked:
        return _stopped(connection, S.UNLINKED, f"Linking failed: {reason}", moment, forget=True)
    if flaps is not None:
        connection = replace(connection, flaps=flaps)
    elif connection.online_at is None:
        connection = replace(connection, failures=connection.failures + 1)
    elif moment.monotonic - connection.online_at < STEADY_AFTER:
        connection = replace(connection, flaps=connection.flaps + 1)
    else:
        connection = replace(connection, flaps=0)
    wait = _backoff(connection, moment)
    stopped = replace(connection, running=False, online_at=None, stuck=None, probing=False)
    state = S.RECONNECTING if connection.state is S.RECONNECTING else S.OFFLINE
    return _enter(stopped, state, reason, moment, wait=wait), (Action.STOP,)


def _backoff(connection: Connection, moment: Moment) -> float:
    return max(
        backoff(connection.failures, moment.chance, cap=RETRY_CAP),
        backoff(connection.flaps - FREE_FLAPS, moment.chance, cap=RETRY_CAP),
    )


def _start(connection: Connection, state: S, reason: str | None, moment: Moment) -> Step:
    """Ask for a new client; `Started` follows, and the timer stands in if it does not."""
    fresh = replace(connection, running=False, online_at=None, stuck=None, probing=False, until=None)
    return _enter(fresh, state, reason, moment, wait=CONNECT_LIMIT), (Action.START,)


def _started(connection: Connection, generation: int, moment: Moment) -> Connection:
    limit = FIRST_QR_LIMIT if connection.state is S.LINKING else CONNECT_LIMIT
    return replace(
        connection, generation=generation, running=True, online_at=None, timer=moment.monotonic + limit
    )


def _settle(connection: Connection, moment: Moment) -> Connection:
    """Online, unless the journal is stuck."""
    settled = replace(connection, probing=False)
    if connection.stuck is not None:
        return _enter(settled, S.DEGRADED, connection.stuck, moment)
    return _enter(settled, S.ONLINE, None, moment)


def _stopped(
    connection: Connection,
    state: S,
    reason: str,
    moment: Moment,
    *,
    until: datetime | None = None,
    wait: float | None = None,
    forget: bool = False,
) -> Step:
    """A state without a client."""
    rested = replace(
        connection, running=False, online_at=None, stuck=None, probing=False, until=until, flaps=0
    )
    if forget:
        rested = replace(rested, linked=False, failures=0)
    actions = (Action.STOP, Action.FORGET) if forget else (Action.STOP,)
    return _enter(rested, state, reason, moment, wait=wait), actions


def _enter(
    connection: Connection, state: S, reason: str | None, moment: Moment, *, wait: float | None = None
) -> Connection:
    since = connection.since if state is connection.state else moment.now
    timer = None if wait is None else moment.monotonic + wait
    return replace(connection, state=state, since=since, reason=reason, timer=timer)


def advice(connection: Connection) -> str | None:
    """Return what a person or an agent should do now; None when nothing is to be done."""
    if connection.stuck is not None:
        return (
            "Free disk space, or have the database answer if one is used: nothing new is acknowledged to"
            " WhatsApp until then."
        )
    return connection.state.traits.what_to_do(connection.until)


def unavailable(connection: Connection) -> NotLinked | NotConnected:
    """Why nothing can be asked of WhatsApp now, and what to do."""
    if not connection.linked:
        return NotLinked("No phone is linked to this account.")
    reason = f": {connection.reason}" if connection.reason else "."
    return NotConnected(f"The connection to WhatsApp is {connection.state.value}{reason}", advice(connection))
