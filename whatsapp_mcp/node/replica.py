"""`serve_replica`: an HTTP server that holds no account, for all accounts of a fleet."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import anyio
from anyio.abc import ByteStream, TaskGroup
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.fleet.database import MIGRATIONS, Database, DatabaseCalls, Session, migrate, shared_secret
from whatsapp_mcp.node.admin import Administration, DatabaseDirectory, admin_routes
from whatsapp_mcp.node.replicas import (
    FleetAccounts,
    FleetDirectory,
    Peers,
    ReplicaFigures,
    connect,
    devices_of,
)
from whatsapp_mcp.node.serving import database_of
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.log import log_to_stderr
from whatsapp_mcp.server.main import ServeOptions
from whatsapp_mcp.server.transports import prepare_replica
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.storage import StorageError
from whatsapp_mcp.system import END, receive_signals, share_arenas

logger = logging.getLogger(__name__)

_PATIENCE: Final = 2.0
"""Seconds that a look at the database may take."""
_STATE: Final = "request state"
"""The secret with which replicas seal what hosts bring back with a person's answer."""
_START_LIMIT: Final = 30.0
"""Seconds in which the database has to answer when a replica starts."""


def serve_replica(options: ServeOptions, settings: Settings) -> NoReturn:
    """Serve until SIGINT or SIGTERM comes, then end the process with status 0.

    Raises:
        InvalidArgument: An option or a setting cannot be used; nothing has been started.
        Busy: The database or the port cannot be used.
    """
    _refuse(options)
    share_arenas()
    log_to_stderr(settings.log_level, settings.log_format)
    anyio.run(_Replica(options, settings, database_of(settings)).serve)
    raise AssertionError("serving ends the process")


def _refuse(options: ServeOptions) -> None:
    if options.transport != "http":
        raise InvalidArgument(
            "Accounts in a `database` are served over HTTP alone.",
            "Give --transport http; or empty the setting `database` to serve accounts of the home folder.",
        )
    if not options.auth:
        raise InvalidArgument(
            "--no-auth would give whoever reaches this server every account of the `database`.",
            "Omit --no-auth, and make a token: whatsapp-mcp fleet admit NAME --accounts … --scope …",
        )
    if options.account or options.chat or options.channel:
        raise InvalidArgument(
            "A server of accounts in a `database` serves all of them.",
            "Leave --account, --chat and --channel out, and limit tokens to accounts.",
        )


@dataclass(frozen=True, slots=True)
class _Replica:
    options: ServeOptions
    settings: Settings
    database: Database

    async def serve(self) -> None:
        """Serve until a signal comes."""
        quick = replace(self.database, patience=_PATIENCE)
        async with DatabaseCalls(quick) as calls, background_tasks() as tasks:
            state_key = await _begun(calls)
            accounts = FleetAccounts(self.settings, lambda name: directory.settings_of(name))
            peers = Peers(self._connect, tasks)

            def changed(names: Sequence[str]) -> None:
                accounts.update(names, directory, peers, tasks)

            directory = FleetDirectory(calls, changed)
            tasks.start_soon(_end_on_signal)
            tasks.start_soon(directory.run)
            with anyio.move_on_after(_START_LIMIT):
                while not directory.is_current:
                    await directory.look_again()
            await self._speak(accounts, directory, peers, state_key, tasks)
            _end()

    async def _speak(
        self,
        accounts: FleetAccounts,
        directory: FleetDirectory,
        peers: Peers,
        state_key: bytes,
        tasks: TaskGroup,
    ) -> None:
        options, server = self.options, self.settings.server
        application = create(
            Accounts(accounts.sources),
            options.toolsets or server.toolsets,
            structured=server.structured if options.structured is None else options.structured,
            state_key=state_key,
        )
        principals = DatabaseDirectory(self.database)
        tasks.start_soon(principals.run)
        administration = Administration(self.database, self.settings.home, devices_of(directory, peers))
        figures = ReplicaFigures(accounts, directory)
        speak = prepare_replica(
            application,
            self.settings,
            host=options.host or server.host,
            port=server.port if options.port is None else options.port,
            auth=options.auth,
            directory=principals,
            served=lambda: frozenset(accounts.sources),
            further=[*_probe_routes(), figures.route(), *admin_routes(administration)],
        )
        await speak()

    async def _connect(self, address: str) -> ByteStream:
        return await connect(address, self.settings.node)


async def _begun(calls: DatabaseCalls) -> bytes:
    """The key that replicas share.

    Raises:
        Busy: The database does not answer, or may not be used.
    """
    fresh = secrets.token_bytes(32)

    def begin(session: Session) -> bytes:
        migrate(session, MIGRATIONS)
        return shared_secret(session, _STATE, fresh)

    try:
        return await calls.run(begin)
    except StorageError as error:
        logger.exception("replica: the database cannot be used")
        raise Busy(
            "The database does not answer, or may not be used.",
            "The log says why; docs/database.md says what it must be.",
        ) from error


def _probe_routes() -> list[Route]:
    """`/healthz` and `/readyz`, once the replica has read the database.

    It stays ready while the database is away: then nodes answer what is read.
    """

    async def well(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        return PlainTextResponse("ready\n")

    return [Route("/healthz", well), Route("/readyz", ready)]


async def _end_on_signal() -> None:
    with receive_signals(END) as signals:
        async for _ in signals:
            _end()


def _end() -> NoReturn:
    """Exit: no call of a replica is lost by it that its client may not repeat."""
    logging.shutdown()
    os._exit(0)
