"""The link's state machine: every state and every transition, and nothing else. Its events: `events.py`.

`step(link, event, moment)` is pure: it answers the next `Link` and what the loop must do (`Effect`). The
loop in `reconnect.py` feeds it events and does the effects; it decides nothing itself.

Two rules hold throughout. Events of a client other than the running one change nothing. And every state
that may leave by itself has a `timer`, so that nothing waits for ever on something that never comes.
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
"""Seconds in which the probe of a doubtful link must be answered."""
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
_CODE_EXPIRED: Final = "The code expired before a phone took it."
_WOKEN: Final = "The computer has slept; whether the connection has survived is being checked."
_PAUSED: Final = "Paused with `whatsapp-mcp pause`; a queued send waits for a day at most."
WALL_CLOCK_CHECK: Final = 60.0
"""Seconds between looks at the wall clock in a state that ends at a time of day: it may be set, and the
monotonic clock stands still while the machine sleeps."""


class Effect(Enum):
    """What the loop has to do after a step."""

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
class Link:
    """All that is known of the link.

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


Step = tuple[Link, tuple[Effect, ...]]

_KEPT: Final = frozenset({S.REPLACED, S.BANNED, S.PAUSED})
"""States that a new leader goes on with: only a person, or their own end, leads out of them."""


def step(link: Link, event: Event, moment: Moment) -> Step:
    """The link after an event, and what the loop has to do."""
    if isinstance(event, ClientEvent):
        if not link.running or event.generation != link.generation:
            return link, ()
        return _reported(link, event, moment)
    match event:
        case Opened(linked):
            return _opened(replace(link, running=False, linked=linked, online_at=None, stuck=None), moment)
        case Tick():
            return _passed(link, moment) if _is_due(link, moment) else (link, ())
        case Woken():
            return _woken(link, moment)
        case Started(generation):
            return _started(link, generation, moment), ()
        case LinkAsked():
            return _link_asked(link, moment)
        case Unlinked(reason):
            return _rest(link, S.UNLINKED, reason, moment, forget=True)
        case KeysLost() if link.linked and link.online_at is None:
            # Not deleted: what cannot be read may be readable tomorrow.
            return _rest(replace(link, linked=False, failures=0), S.UNLINKED, _NO_KEYS, moment)
        case ReconnectAsked() if link.linked and link.state is not S.PAUSED:
            return _start(replace(link, failures=0, flaps=0), S.CONNECTING, None, moment)
        case PauseAsked(until) if _may_pause(link):
            return _paused(link, until, moment)
        case ResumeAsked() if link.state is S.PAUSED:
            return _start(replace(link, failures=0, flaps=0), S.CONNECTING, None, moment)
        case _:
            return link, ()


def _reported(link: Link, event: ClientEvent, moment: Moment) -> Step:
    """What the running client says."""
    match event:
        case LoggedOut(_, reason):
            return _rest(link, S.UNLINKED, reason, moment, forget=True)
        case Replaced():
            return _rest(link, S.REPLACED, "Another client took over this session.", moment)
        case Banned(_, reason, seconds) if seconds > 0:
            until = moment.now + timedelta(seconds=seconds)
            return _rest(link, S.BANNED, reason, moment, until=until, wait=min(seconds, WALL_CLOCK_CHECK))
        case Outdated():
            return _rest(link, S.OUTDATED, "WhatsApp no longer accepts this client version.", moment)
        case Refused(_, reason) | Banned(_, reason) if link.linked:
            failures = link.failures + 1
            wait = backoff(failures, moment.chance, base=REFUSED_BASE, cap=REFUSED_CAP)
            return _rest(replace(link, failures=failures), S.REFUSED, reason, moment, wait=wait)
        case Ended(_, reason) | Refused(_, reason) | Banned(_, reason):
            return _ended(link, reason, moment)
        case Paired():
            paired = replace(link, linked=True)
            return _enter(paired, S.CONNECTING, None, moment, wait=PAIRED_LIMIT), ()
        case Online():
            online = replace(link, linked=True, failures=0, online_at=moment.monotonic)
            return _settle(online, moment), ()
        case LinkingFailed(_, reason) if link.state is S.LINKING:
            return _rest(link, S.UNLINKED, reason, moment, forget=True)
        case Code(_, lifetime) if link.state is S.LINKING:
            return replace(link, reason=None, timer=moment.monotonic + lifetime + QR_GRACE), ()
        case _:
            return _while_online(link, event, moment)


def _while_online(link: Link, event: ClientEvent, moment: Moment) -> Step:
    """Reports that matter only between login and end."""
    if link.online_at is None:
        return link, ()
    match event:
        case Disconnected() if link.state is S.RECONNECTING:
            # The library tries at once only the first time, then pauses two seconds more each time.
            return _start(link, S.RECONNECTING, "The connection was lost again.", moment)
        case Disconnected():
            lost = replace(link, probing=False)
            return _enter(
                lost, S.RECONNECTING, "The connection was lost.", moment, wait=LIBRARY_RECONNECT
            ), ()
        case Doubtful(_, reason) if link.state in {S.ONLINE, S.DEGRADED} and not link.probing:
            return _doubt(link, reason, moment)
        case Answered() if link.state is S.DEGRADED:
            return _settle(link, moment), ()
        case ProbeFailed() if link.probing:
            return _start(link, S.RECONNECTING, "WhatsApp did not answer; a new client takes over.", moment)
        case Stuck(_, reason):
            stuck = replace(link, stuck=reason)
            if link.state is S.ONLINE:
                return _enter(stuck, S.DEGRADED, reason, moment), ()
            return stuck, ()
        case Unstuck():
            free = replace(link, stuck=None)
            return (_settle(free, moment) if link.state is S.DEGRADED and not link.probing else free), ()
        case _:
            return link, ()


def _opened(link: Link, moment: Moment) -> Step:
    """A leader takes over what the one before left: what it must not end, and its count of failures."""
    if not link.linked:
        reason = link.reason if link.state is S.UNLINKED else _NO_KEYS
        return _enter(replace(link, until=None), S.UNLINKED, reason, moment), ()
    if link.state in _KEPT:
        return replace(link, timer=None if link.until is None else moment.monotonic), ()
    if link.failures == 0 or link.state in {S.UNLINKED, S.OUTDATED}:
        return _start(link, S.CONNECTING, None, moment)
    wait = _backoff(link, moment)
    if link.state is S.REFUSED:
        return replace(link, timer=moment.monotonic + wait), ()
    return _enter(link, S.OFFLINE, link.reason, moment, wait=wait), ()


def _link_asked(link: Link, moment: Moment) -> Step:
    if link.linked or link.state is S.LINKING:
        return link, ()
    asked, effects = _start(replace(link, failures=0, flaps=0), S.LINKING, _NO_CODE, moment)
    # Damaged keys would keep the client from beginning.
    return asked, (Effect.FORGET, *effects)


def check_may_pause(link: Link, event: PauseAsked | ResumeAsked, now: datetime) -> None:
    """Refuse what would change nothing.

    Raises:
        InvalidArgument: The end of the pause has passed.
        NotLinked: No phone is linked.
        NotConnected: The connection is closed already, and a pause would forget why.
    """
    if not link.linked or (isinstance(event, PauseAsked) and not _may_pause(link)):
        raise unavailable(link)
    if isinstance(event, PauseAsked) and event.until is not None and event.until <= now:
        raise InvalidArgument("The end of the pause has passed already.", "Give a time to come.")


def _may_pause(link: Link) -> bool:
    # At the end of a pause, a replaced session would be fought, and a ban not waited out.
    return link.linked and link.state not in {S.REPLACED, S.BANNED}


def _paused(link: Link, until: datetime | None, moment: Moment) -> Step:
    wait = None if until is None else min((until - moment.now).total_seconds(), WALL_CLOCK_CHECK)
    return _rest(link, S.PAUSED, _PAUSED, moment, until=until, wait=wait)


def _is_due(link: Link, moment: Moment) -> bool:
    return link.timer is not None and moment.monotonic >= link.timer


def _woken(link: Link, moment: Moment) -> Step:
    """A client that is online is asked at once, and a wait is over unless WhatsApp has imposed it."""
    if link.online_at is not None and link.state in {S.ONLINE, S.DEGRADED} and not link.probing:
        return _doubt(link, _WOKEN, moment)
    if not link.running and link.timer is not None and link.state is not S.REFUSED:
        return replace(link, timer=moment.monotonic), ()
    return link, ()


def _doubt(link: Link, reason: str, moment: Moment) -> Step:
    """Let a probe decide about the client."""
    return _enter(replace(link, probing=True), S.DEGRADED, reason, moment, wait=PROBE_LIMIT), (Effect.PROBE,)


def _passed(link: Link, moment: Moment) -> Step:
    """The timer of the state has run out."""
    match link.state:
        case S.LINKING:
            why = "WhatsApp gave no code in time." if link.reason == _NO_CODE else _CODE_EXPIRED
            return _rest(link, S.UNLINKED, why, moment, forget=True)
        case S.CONNECTING if link.running:
            return _ended(link, "WhatsApp could not be reached in time.", moment)
        case S.RECONNECTING if link.running and link.online_at is None:
            return _ended(link, "WhatsApp could not be reached in time.", moment)
        case S.RECONNECTING | S.DEGRADED:
            return _start(link, S.RECONNECTING, link.reason, moment)
        case S.BANNED | S.PAUSED if link.until is not None and moment.now < link.until:
            return _wait_for(link, link.until, moment), ()
        case S.PAUSED:
            return _start(link, S.CONNECTING, None, moment)
        case _:
            return _start(link, S.CONNECTING, link.reason, moment)


def _wait_for(link: Link, until: datetime, moment: Moment) -> Link:
    """The state goes on; on a clock that was set back to before it began, once more for its whole length."""
    if moment.now < link.since:
        until = moment.now + (until - link.since)
        link = replace(link, since=moment.now, until=until)
    left = (until - moment.now).total_seconds()
    return replace(link, timer=moment.monotonic + min(left, WALL_CLOCK_CHECK))


def _ended(link: Link, reason: str, moment: Moment) -> Step:
    """The client is of no more use: a new one, at once if the old one had been online."""
    if link.state is S.LINKING or not link.linked:
        return _rest(link, S.UNLINKED, f"Linking failed: {reason}", moment, forget=True)
    if link.online_at is None:
        link = replace(link, failures=link.failures + 1)
    elif moment.monotonic - link.online_at < STEADY_AFTER:
        link = replace(link, flaps=link.flaps + 1)
    else:
        link = replace(link, flaps=0)
    wait = _backoff(link, moment)
    stopped = replace(link, running=False, online_at=None, stuck=None, probing=False)
    state = S.RECONNECTING if link.state is S.RECONNECTING else S.OFFLINE
    return _enter(stopped, state, reason, moment, wait=wait), (Effect.STOP,)


def _backoff(link: Link, moment: Moment) -> float:
    return max(
        backoff(link.failures, moment.chance, cap=RETRY_CAP),
        backoff(link.flaps - FREE_FLAPS, moment.chance, cap=RETRY_CAP),
    )


def _start(link: Link, state: S, reason: str | None, moment: Moment) -> Step:
    """Ask for a new client; `Started` follows, and the timer stands in if it does not."""
    fresh = replace(link, running=False, online_at=None, stuck=None, probing=False, until=None)
    return _enter(fresh, state, reason, moment, wait=CONNECT_LIMIT), (Effect.START,)


def _started(link: Link, generation: int, moment: Moment) -> Link:
    limit = FIRST_QR_LIMIT if link.state is S.LINKING else CONNECT_LIMIT
    return replace(link, generation=generation, running=True, online_at=None, timer=moment.monotonic + limit)


def _settle(link: Link, moment: Moment) -> Link:
    """Online, unless the journal is stuck."""
    settled = replace(link, probing=False)
    if link.stuck is not None:
        return _enter(settled, S.DEGRADED, link.stuck, moment)
    return _enter(settled, S.ONLINE, None, moment)


def _rest(
    link: Link,
    state: S,
    reason: str,
    moment: Moment,
    *,
    until: datetime | None = None,
    wait: float | None = None,
    forget: bool = False,
) -> Step:
    """A state without a client."""
    rested = replace(link, running=False, online_at=None, stuck=None, probing=False, until=until, flaps=0)
    if forget:
        rested = replace(rested, linked=False, failures=0)
    effects = (Effect.STOP, Effect.FORGET) if forget else (Effect.STOP,)
    return _enter(rested, state, reason, moment, wait=wait), effects


def _enter(link: Link, state: S, reason: str | None, moment: Moment, *, wait: float | None = None) -> Link:
    since = link.since if state is link.state else moment.now
    timer = None if wait is None else moment.monotonic + wait
    return replace(link, state=state, since=since, reason=reason, timer=timer)


def action(link: Link) -> str | None:
    """What a person or an agent should do now; None when nothing is to be done."""
    if link.stuck is not None:
        return "Free some disk space: nothing new is acknowledged to WhatsApp until then."
    return link.state.traits.what_to_do(link.until)


def unavailable(link: Link) -> NotLinked | NotConnected:
    """Why nothing can be asked of WhatsApp now, and what to do."""
    if not link.linked:
        return NotLinked("No phone is linked to this account.")
    reason = f": {link.reason}" if link.reason else "."
    return NotConnected(f"The connection to WhatsApp is {link.state.value}{reason}", action(link))
