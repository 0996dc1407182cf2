"""The network between a node and the servers of its database: it delays, and it can be cut.

`python -m tests.fleet.chaos.network DELAY PORT…` serves one proxy for each port, and does as its stdin says.
A process of its own: in that of the simulated WhatsApp the proxies would wait for other work.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from tests.fault_proxy import fault_proxy

LIMIT = 30


class Network:
    """The proxies of one node, in front of ports of loopback.

    Args:
        targets: The ports of the servers.
        delay: Seconds by which each piece of data is delayed, in both directions.

    Attributes:
        ports: Where the node connects, in the same order.
    """

    def __init__(self, targets: Sequence[int], delay: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.chaos.network", str(delay), *map(str, targets)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.ports = [int(port) for port in self._process.stdout.readline().split()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate(timeout=LIMIT)

    def hold(self) -> None:
        """Let nothing through; connections stay."""
        self._say("hold")

    def release(self) -> None:
        """Let everything through again, what was held first."""
        self._say("release")

    def retarget(self, targets: Sequence[int]) -> None:
        """Lead new connections to other ports, in the order of the first ones."""
        self._say(" ".join(["retarget", *map(str, targets)]))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def main() -> None:
    """Serve until stdin ends."""
    delay, *targets = sys.argv[1:]
    with ExitStack() as stack:
        proxies = [stack.enter_context(fault_proxy(int(target), float(delay))) for target in targets]
        print(*(proxy.port for proxy in proxies), flush=True)
        for line in sys.stdin:
            what, *ports = line.split()
            for number, proxy in enumerate(proxies):
                if what == "hold":
                    proxy.hold()
                elif what == "release":
                    proxy.release()
                else:
                    proxy.target = int(ports[number])


if __name__ == "__main__":
    main()
