"""`serve_replica`: an HTTP server that holds no account, for all accounts of a fleet."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

import anyio
from anyio.abc import ByteStream, TaskGroup
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from whatsapp_fleet.database import (
    MIGRATIONS,
    REPLICA_RIGHTS,
    Database,
    DatabaseCalls,
    NotPrepared,
    Session,
    require_schema,
    shared_secret,
)
from whatsapp_fleet.node.admin import Administration, DatabaseDirectory, admin_routes
from whatsapp_fleet.node.replicas import (
    FleetAccounts,
    FleetDirectory,
    Peers,
    ReplicaFigures,
    connect,
    devices_of,
    fleet_secret,
)
from whatsapp_fleet.node.serving import database_of
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.log import log_to_stderr
from whatsapp_mcp.server.main import ServeOptions
from whatsapp_mcp.server.transports import prepare_replica
from whatsapp_mcp.storage import StorageError
from whatsapp_mcp.system import END, receive_signals, share_arenas

logger = logging.getLogger(__name__)

_PATIENCE: Final = 2.0
"""Seconds that a look at the database may take."""
_STATE: Final = "request state"
"""The secret with which replicas seal what hosts bring back with a person's answer."""
_START_LIMIT: Final = 30.0
"""Seconds in which the database has to answer when a replica starts, and to have its tables."""
_LOOK_AGAIN: Final = 1.0
NOTICE: Final = 5.0
"""Seconds for which a replica that is to end says so at `/readyz`, before it takes no more connections."""


def serve_replica(options: ServeOptions, settings: FleetSettings) -> NoReturn:
    """Serve until SIGINT or SIGTERM comes, finish what runs, then end the process with status 0.

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
            "Omit --no-auth, and make a token: whatsapp-mcp-fleet fleet admit NAME --accounts … --scope …",
        )
    if options.account or options.chat or options.channel:
        raise InvalidArgument(
            "A server of accounts in a `database` serves all of them.",
            "Leave --account, --chat and --channel out, and limit tokens to accounts.",
        )


@dataclass(frozen=True, slots=True)
class _Replica:
    options: ServeOptions
    settings: FleetSettings
    database: Database
    ending: anyio.Event = field(default_factory=anyio.Event)

    async def serve(self) -> None:
        """Serve until a signal comes."""
        quick = replace(self.database, patience=_PATIENCE)
        async with DatabaseCalls(quick) as calls, background_tasks() as tasks:
            state_key, secret = await _begun(calls)
            accounts = FleetAccounts(self.settings, lambda name: directory.settings_of(name))
            peers = Peers(self._connect, secret, tasks)

            def changed(names: Sequence[str]) -> None:
                accounts.update(names, directory, peers, tasks)

            directory = FleetDirectory(calls, changed)
            tasks.start_soon(_end_on_signal, self.ending)
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
        await tasks.start(principals.run)  # before that, everybody would be refused
        further = [*_probe_routes(self.ending), ReplicaFigures(accounts, directory).route()]
        if server.admin:
            devices = devices_of(directory, peers)
            further += admin_routes(Administration(self.database, self.settings.home, devices))
        speak = prepare_replica(
            application,
            self.settings,
            host=options.host or server.host,
            port=server.port if options.port is None else options.port,
            auth=options.auth,
            directory=principals,
            served=lambda: frozenset(accounts.sources),
            further=further,
            until=self._until_noticed,
        )
        await speak()

    async def _until_noticed(self) -> None:
        """Return when proxies have had the time to see that this replica is about to end."""
        await self.ending.wait()
        logger.info("replica: ends in %g s, and when its calls are done; a second signal ends it", NOTICE)
        await anyio.sleep(NOTICE)

    async def _connect(self, address: str) -> ByteStream:
        return await connect(address, self.settings.node)


async def _begun(calls: DatabaseCalls) -> tuple[bytes, str]:
    """The key that replicas share, and what they show to nodes.

    Raises:
        Busy: The database does not answer, has no tables of this version, or may not be used.
    """
    fresh = secrets.token_bytes(32)

    def begin(session: Session) -> tuple[bytes, str]:
        require_schema(session, MIGRATIONS, REPLICA_RIGHTS)
        return shared_secret(session, _STATE, fresh), fleet_secret(session)

    until, last = anyio.current_time() + _START_LIMIT, ""
    while True:
        try:
            return await calls.run(begin)
        except NotPrepared as error:
            if str(error) != last:
                logger.warning("replica: waits for the database: %s", error)
            if anyio.current_time() >= until:
                raise Busy(
                    "The database has no tables of this version that the role of this replica may use.",
                    "The log says what is missing; docs/fleet/operations.md (What PostgreSQL needs) how"
                    " to add it.",
                ) from error
            last = str(error)
        except StorageError as error:
            logger.error("replica: the database cannot be used: %s", error)
            raise Busy(
                "The database does not answer, or may not be used.",
                "The log says why; docs/fleet/database.md says what it must be.",
            ) from error
        await anyio.sleep(_LOOK_AGAIN)


def _probe_routes(ending: anyio.Event) -> list[Route]:
    """`/healthz` and `/readyz`, once the replica has read the database.

    It stays ready while the database is away: then nodes answer what is read.

    Args:
        ending: Set once the replica is to end.
    """

    async def well(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        if ending.is_set():
            return PlainTextResponse("not ready: the replica ends\n", 503)
        return PlainTextResponse("ready\n")

    return [Route("/healthz", well), Route("/readyz", ready)]


async def _end_on_signal(ending: anyio.Event) -> None:
    with receive_signals(END) as signals:
        async for _ in signals:
            if ending.is_set():
                _end()
            ending.set()


def _end() -> NoReturn:
    """Exit: nothing is lost by it that a client may not ask for again."""
    logging.shutdown()
    os._exit(0)
