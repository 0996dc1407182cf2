"""The HTTP port of a node, for the machines that watch it. It changes nothing, and asks for no token."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_fleet.database import DatabaseCalls
from whatsapp_fleet.node.status.database import DatabaseFigures, database_figures
from whatsapp_fleet.node.status.figures import fleet_figures
from whatsapp_fleet.settings import HostPort
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.features.metrics import scraped
from whatsapp_mcp.storage import StorageError

if TYPE_CHECKING:
    from starlette.requests import Request

    from whatsapp_fleet.node.node import Node

_CONNECTIONS: Final = 32


class NodeStatus:
    """Answers for whichever run the process has.

    Args:
        calls: The database, which is asked at each scrape; with a patience of a few seconds.

    Attributes:
        node: The node while it has a run.
    """

    def __init__(self, calls: DatabaseCalls) -> None:
        self._calls = calls
        self.node: Node | None = None

    async def serve(self, place: HostPort) -> None:
        """Answer at that place until cancelled.

        Raises:
            InvalidArgument: The place cannot be used.
        """
        with _bound(place) as listener:
            config = uvicorn.Config(
                Starlette(routes=self.routes()),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_CONNECTIONS,
            )
            server = uvicorn.Server(config)
            await server._serve(sockets=[listener])  # pyright: ignore[reportPrivateUsage]  serve() takes signals

    def routes(self) -> list[Route]:
        """The paths that are answered."""
        return [
            Route("/healthz", self._health),
            Route("/readyz", self._ready),
            Route("/metrics", self._scraped),
        ]

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        """Answer whether this node may lead accounts now."""
        if self.node is None:
            return PlainTextResponse("not ready: the node has no run\n", 503)
        if not self.node.context.run.holds():
            return PlainTextResponse("not ready: the lease is not renewed\n", 503)
        return PlainTextResponse("ready\n")

    async def _scraped(self, request: Request) -> Response:
        if self.node is None:
            return PlainTextResponse("The node has no run.\n", 503)
        figures = fleet_figures(self.node, await self._asked(self.node))
        return await scraped(self.node.runtimes(), request, figures)

    async def _asked(self, node: Node) -> DatabaseFigures | None:
        try:
            return await self._calls.run(partial(database_figures, run=node.context.run.name))
        except StorageError:
            return None


def _bound(place: HostPort) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server(place, family=family)
    except OSError as error:
        raise InvalidArgument(
            f"{place} cannot be used for the status of the node: {cause(error)}",
            "Set node.status to another place, or to nothing.",
        ) from error
