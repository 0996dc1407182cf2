"""A simulated WhatsApp that knows from which node a client logs in."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple, Self

import anyio.abc

from whatsapp_simulator import WhatsApp, companion
from whatsapp_simulator.whatsapp import Handler, Proxy

_NODE: ContextVar[str] = ContextVar("node")


class Login(NamedTuple):
    """A client that is about to get messages.

    Attributes:
        number: Of the account, as digits.
        node: From which it came.
        at: Seconds since 1970.
    """

    number: str
    node: str
    at: float


class WatchedWhatsApp(WhatsApp):
    """A WhatsApp with a way in for each node.

    Attributes:
        logins: All of them, in order.
    """

    def __init__(self, nodes: tuple[str, ...]) -> None:
        super().__init__()
        self.logins: list[Login] = []
        self._ways = {
            node: Proxy(self._authority, self.faults, self.network.log, partial(self._route_of, node))
            for node in nodes
        }
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        for way in self._ways.values():
            await self._entered.enter_async_context(way)
        self._entered.enter_context(_telling(self.logins))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._entered.aclose()
        await super().__aexit__(None, None, None)

    def environment_of(self, node: str) -> dict[str, str]:
        """The variables with which the clients of a node use this WhatsApp."""
        own, theirs = self._proxy.url, self._ways[node].url
        return {name: value.replace(own, theirs) for name, value in self.environment().items()}

    def _route_of(self, node: str, host: str) -> Handler | None:
        handler = self._route(host)
        if handler is None:
            return None

        async def serve(stream: anyio.abc.ByteStream) -> None:
            _NODE.set(node)
            await handler(stream)

        return serve


@contextmanager
def _telling(logins: list[Login]) -> Generator[None]:
    """Note each login while the body runs."""
    activate = companion.Companion.activate

    def noted(self: companion.Companion) -> None:
        if not self.active:
            logins.append(Login(self.pn.user, _NODE.get(""), time.time()))
        activate(self)

    companion.Companion.activate = noted
    try:
        yield
    finally:
        companion.Companion.activate = activate
