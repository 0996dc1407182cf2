"""WhatsApp: one connection for a device, and a queue of messages until they are acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.fleet.simulation.monitor import Monitor
from tests.fleet.simulation.world import World

SLOWEST = 0.8
"""Seconds that a packet to WhatsApp takes at most: a handshake that is slower is given up by the server."""
FASTEST = 0.02
"""Seconds that it takes at least; a login takes three of them, and the client is needed for the third."""


class Message(NamedTuple):
    """A message for the device."""

    number: int


class Accepted(NamedTuple):
    """WhatsApp has a message of the device."""

    send: str


class LoggedIn(NamedTuple):
    """The login is accepted."""


class Gone(NamedTuple):
    """The connection is lost."""


class Replaced(NamedTuple):
    """Somebody has logged in with the same keys."""


Event = Message | Accepted | LoggedIn | Gone | Replaced


class Link:
    """A connection of a client; packets of one direction keep their order.

    Args:
        told: Called with what comes from WhatsApp.
        lives: Whether the client is there, without which no handshake is finished.
    """

    def __init__(
        self, whatsapp: WhatsApp, epoch: int, told: Callable[[Event], None], lives: Callable[[], bool]
    ) -> None:
        self._whatsapp = whatsapp
        self.epoch = epoch
        self.broken = False
        self._told = told
        self._lives = lives
        self._last = {"up": 0.0, "down": 0.0}

    def log_in(self) -> None:
        """Begin the handshake."""
        self._packet("up", lambda: self._packet("down", self._finish))

    def _finish(self) -> None:
        if self._lives():
            self._packet("up", self._welcome)

    def _welcome(self) -> None:
        self._whatsapp.log_in(self)

    def acknowledge(self, number: int) -> None:
        """Tell that a message has arrived."""
        self._packet("up", lambda: self._whatsapp.acknowledge(self, number))

    def send(self, send: str, keys: int) -> None:
        """Send a message that was encrypted as the `keys`th one."""
        self._packet("up", lambda: self._whatsapp.accept(self, send, keys))

    def tell(self, event: Event) -> None:
        """Send something to the client."""
        self._packet("down", lambda: self._told(event))

    def cut(self) -> None:
        """Lose the connection; the client notices later."""
        if not self.broken:
            self.broken = True
            self._whatsapp.world.later(self._whatsapp.world.delay(0.3), lambda: self._told(Gone()))

    def _packet(self, way: str, act: Callable[[], None]) -> None:
        world = self._whatsapp.world
        moment = max(self._last[way], world.now + min(SLOWEST, FASTEST + world.delay(0.01)))
        self._last[way] = moment
        world.later(moment - world.now, lambda: None if self.broken else act())


class WhatsApp:
    """One account."""

    def __init__(self, world: World, account: str, monitor: Monitor) -> None:
        self.world = world
        self.account = account
        self._monitor = monitor
        self._link: Link | None = None
        self._waiting: list[int] = []
        self._count = 0

    def log_in(self, link: Link) -> None:
        """Accept a login; the former connection is closed."""
        former, self._link = self._link, link
        if former is not None:
            former.tell(Replaced())
        self._monitor.logged_in(self.account, link.epoch)
        link.tell(LoggedIn())
        for number in self._waiting:
            link.tell(Message(number))

    def intrude(self) -> None:
        """Another program logs in with the same keys, and leaves."""
        if self._link is not None:
            self._link.tell(Replaced())
            self._link = None

    def arrive(self) -> None:
        """Somebody writes to the account."""
        self._count += 1
        self._waiting.append(self._count)
        if self._link is not None:
            self._link.tell(Message(self._count))

    def acknowledge(self, link: Link, number: int) -> None:
        """Forget a message that the current client has."""
        if link is self._link and number in self._waiting:
            self._waiting.remove(number)
            self._monitor.acknowledged[self.account].add(number)

    def accept(self, link: Link, send: str, keys: int) -> None:
        """Take a message from the current client."""
        if link is self._link:
            self._monitor.frame(self.account, link.epoch, send, keys)
            link.tell(Accepted(send))

    def waiting(self) -> int:
        """How many messages are not acknowledged."""
        return len(self._waiting)
