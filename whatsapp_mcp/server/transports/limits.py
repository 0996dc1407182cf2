"""How many requests an address or a principal may make, and have answered at a time."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.server.calls import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_MOST_KEYS: Final = 4096


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second in the long run, and so many at once after a pause."""

    per_second: float
    burst: float


UNADMITTED: Final = Rate(20, 200)
"""For each address: requests that are refused, or that anybody may make."""
ADMITTED: Final = Rate(100, 1000)
"""For each principal: requests that were admitted."""


MOST_OPEN: Final = 32
"""Requests of one principal that are answered at a time: streams and waiting are among them."""


class OpenRequests:
    """The requests of each principal that are being answered.

    Without a limit on those of one, it could take every connection of the server.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._open = Counter[str]()

    @contextmanager
    def counted(self, principal: str) -> Generator[bool]:
        """Count a request while the block lasts; whether there is room for it.

        Args:
            principal: Whose it is. Nobody in particular has no limit: `ANYBODY`, and an empty name.
        """
        if principal in ("", ANYBODY):
            yield True
            return
        has_room = self._open[principal] < self._most
        self._open[principal] += 1
        try:
            yield has_room
        finally:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]


@dataclass(slots=True)
class Buckets:
    """One token bucket for each key, for those that were seen last.

    A key that has been forgotten has a full bucket: with more keys than there is room for, the limit of each
    is lost, and what holds is the limit on connections.
    """

    rate: Rate
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(
        default_factory=OrderedDict[str, tuple[float, float]]
    )

    def take(self, key: str) -> float:
        """Take one token of this key's bucket.

        Returns:
            0 if there was one; else the seconds until there is.
        """
        now = self.clock()
        level, since = self._levels.pop(key, (self.rate.burst, now))
        level = min(self.rate.burst, level + (now - since) * self.rate.per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self.rate.per_second
        self._levels[key] = (level if wait else level - 1, now)
        if len(self._levels) > _MOST_KEYS:
            self._levels.popitem(last=False)
        return wait


def address_key(host: str) -> str:
    """The key of an address: of IPv6, the network of 64 bits that one subscriber has to himself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
