"""A TCP proxy that holds back one piece of what a client sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

LIMIT = 60


@dataclass
class Held:
    """What is held back.

    Attributes:
        port: Where the client connects, once.
        arrived: Set when the client has sent it.
        released: Set by the test: it goes on to the server.
    """

    port: int
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def holding(containing: bytes, target: int) -> Iterator[Held]:
    """A proxy for one connection to a port of loopback, which holds what contains these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = Held(listening.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listening, target, containing, held))
        thread.start()
        try:
            yield held
        finally:
            held.released.set()
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(LIMIT)


def _serve(listening: socket.socket, target: int, containing: bytes, held: Held) -> None:
    with contextlib.suppress(OSError):
        client, _ = listening.accept()
        with client, socket.create_connection(("127.0.0.1", target)) as server:
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            while data := client.recv(65536):
                if containing in data:
                    held.arrived.set()
                    held.released.wait(LIMIT)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            back.join(LIMIT)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
