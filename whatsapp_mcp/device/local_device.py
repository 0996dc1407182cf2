"""`LocalDevice`: the device in the leader."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device import connection
from whatsapp_mcp.device.archiving import Archiver
from whatsapp_mcp.device.client_events import ClientEvents, Note
from whatsapp_mcp.device.clock import Clock, SystemClock
from whatsapp_mcp.device.connection import (
    CALL_DEADLINE,
    AddressBook,
    Client,
    Clients,
    Connection,
    ConnectionControls,
    DeviceStorage,
    Linking,
    LinkPicture,
    ReconnectLoop,
    in_folder,
    notice_sleep,
    watch,
)
from whatsapp_mcp.device.counters import Counters
from whatsapp_mcp.device.files import NO_READERS, Files, Readers
from whatsapp_mcp.device.group_receipts import GroupReceipts
from whatsapp_mcp.device.name_lookups import Names, Unnamed
from whatsapp_mcp.device.operations import WhatsApp, groups, profile
from whatsapp_mcp.device.outbox import ClientSender, DeliveryEvidence, Outbox, Pacer
from whatsapp_mcp.device.owner import Owner
from whatsapp_mcp.device.status import Status
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.device.typing_people import TypingPeople
from whatsapp_mcp.errors import (
    TIMELOCKED,
    Busy,
    DeadlineExceeded,
    NotConnected,
    NotLinked,
    WhatsAppError,
    cause,
)
from whatsapp_mcp.ledger import PauseRecord
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import ConnectionState, JournalEvent
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, AccountSettings, CurrentSettings, Settings
from whatsapp_mcp.storage import LeadershipOver, StoredDevice

_CAUGHT_UP: Final = timedelta(seconds=10)
"""After so long a connection has brought what was said while there was none."""

logger = logging.getLogger(__name__)


class LocalDevice:
    """The linked device of an account whose lock this server holds: the parts of which it consists.

    What each part can be asked it declares itself; who uses it goes through `EnforcedDevice`.

    Args:
        folder: The account's files.
        settings: How the companion introduces itself, and what may be sent at the moment it would be.
        archive: The account's archive, for writing.
        tasks: Where its loops and clients run; the device ends with them.
        owner: The device whose keys are stored (`keys.stored_device`), if one is linked.
        refusal: Why those keys may not be used (`owner.refusal_of`); they are kept until a
            phone is linked.
        storage: Keys, journal and record of the connection; those of the folder if not given.
        ended: Told once nothing more can be written, since another leader has taken over or the database
            does not answer: whoever opened the device closes it.
        program: The client process's command, for tests.
        readers: What can read files here with these settings.

    Attributes:
        whatsapp: What WhatsApp can be asked.
        connection: Linking and unlinking, a new client, pausing.
        outbox: The sends on their way, and those that are held.
        files: The files of messages.
        stored: Files that are kept elsewhere as well.
        status: What it says of itself.
        pauses: Where it is written down what WhatsApp imposes.
    """

    def __init__(
        self,
        folder: AccountFolder,
        settings: CurrentSettings,
        archive: Archive,
        tasks: TaskGroup,
        *,
        owner: StoredDevice | None,
        storage: DeviceStorage | None = None,
        refusal: str | None = None,
        clock: Clock | None = None,
        ended: Callable[[LeadershipOver], None] | None = None,
        program: tuple[str, ...] | None = None,
        readers: Callable[[Settings], Readers] = lambda settings: NO_READERS,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._readers = readers
        self._archive = archive
        self._tasks = tasks
        self._clock = clock or SystemClock()
        self._storage = storage or in_folder(folder)
        self._ended = ended
        self._keys = self._storage.keys
        self._owner = Owner(self._keys, archive, owner)
        self._linking = Linking(self._clock, LinkPicture(folder.path))
        self._clients = self._make_clients(settings.now().account, program)
        self._counters = Counters(archive, self._clock)
        self._loop = self._make_loop(owner)
        # First of all events: what is asked of the device before it has started comes after.
        self._loop.post(connection.Opened(owner is not None, refusal))
        self._archiver = self._make_archiver()
        self._typing_people = TypingPeople(self._clock)
        self._evidence = self._make_evidence()
        self._worker = Worker()
        self.stored = StoredFiles(folder, self._storage.files)
        self.pauses: PauseRecord | None = None
        self.whatsapp = WhatsApp(archive, self.call)
        self.outbox = self._make_outbox()
        self.files = self._make_files()
        self._names = Names(archive, self.call, self._clock, online=self._is_online)
        self._address_book = AddressBook(self._keys, self._clock, self._names.wake)
        self._unnamed = self._make_unnamed()
        self.status = self._make_status()
        self.connection = ConnectionControls(
            self._clock, self._loop, self._linking, call=self.call, status=self.status.status
        )
        self._events = self._make_events()
        self._watch = partial(
            watch, self._clients.current, self._clock, online=self._is_online, report=self._loop.post
        )

    def _make_clients(self, account: AccountSettings, program: tuple[str, ...] | None) -> Clients:
        def make(generation: int, storage: Callable[[], Awaitable[ClientStorage]]) -> Client:
            return Client(
                generation,
                storage=storage,
                proxy=self._settings.now().network.proxy_url,
                folder=self._folder,
                account=account,
                report=self._events.report,
                notice=self._events.notice,
                program=program,
            )

        return Clients(make, self._storage, self._clock, unavailable=self._unavailable, over=self._over)

    def _over(self, error: LeadershipOver) -> None:
        if self._ended is not None:
            self._ended(error)

    def _make_loop(self, owner: StoredDevice | None) -> ReconnectLoop:
        record, lease = self._storage.record, self._storage.lease
        last = replace(
            record.loaded or record.load(self._clock.now()),
            linked=owner is not None,
            returns_after=lease.returns_after if lease is not None else None,
        )
        return ReconnectLoop(
            self._clients.current,
            self._clients.launch,
            self._tasks,
            self._forget_keys,
            record,
            connection=last,
            clock=self._clock,
            changed=lambda before, after: self._events.changed(before, after),
        )

    async def _forget_keys(self) -> None:
        if self._clients.any_running:
            # The library would make the file again. A client that ends is gone, or killed, within seconds.
            raise BlockingIOError("a client process still uses the keys")
        await self._keys.forget()

    def _make_archiver(self) -> Archiver:
        return Archiver(
            self._folder,
            self._archive,
            self._clock,
            journal=self._storage.journal,
            trouble=lambda reason: self._events.note_trouble(reason),
            damaged=lambda reason: self._events.report(
                connection.Stuck(self._loop.connection.generation, reason, damaged=True)
            ),
            before=lambda events: self._events.hear_before(events),
            archived=self._archived,
            seen=lambda event: self._events.saw(event),
            phone_seen=lambda at: self._events.saw_phone(at),
        )

    def _make_evidence(self) -> DeliveryEvidence:
        return DeliveryEvidence(
            self._keys,
            device=lambda: self._owner.device,
            generation=lambda: self._clients.current.generation,
            ended=self._has_ended,
        )

    def _make_unnamed(self) -> Unnamed:
        return Unnamed(
            self._archive,
            self._clock,
            look_up_group=partial(groups.group, self.whatsapp),
            look_up_people=self._names.look_up_people,
            online=self._is_online,
        )

    def _make_group_receipts(self) -> GroupReceipts:
        return GroupReceipts(
            self._archive,
            self._keys,
            self._settings,
            self._clock,
            call=self.call,
            privacy=partial(profile.privacy, self.whatsapp),
        )

    def _make_outbox(self) -> Outbox:
        sender = ClientSender(
            self._archive,
            self._keys,
            self._settings,
            self._worker,
            self._evidence,
            call=self.call,
            doubt=lambda: self._doubt(self._clients.current.generation),
            learn_lid=self._owner.learn_lid,
            at_hand=self.stored.at_hand,
        )
        return Outbox(
            self._archive,
            self._clock,
            sender,
            self._evidence,
            online=self._is_online,
            linked=lambda: self._loop.connection.linked,
            unavailable=self._unavailable,
            rests=lambda: self._loop.connection.state.traits.rests,
            knows_replies=lambda: self.may_send(after_replies=True),
            pacer=Pacer(self._settings),
            refused=self._refused,
            keep=self.stored.keep,
        )

    def _make_files(self) -> Files:
        return Files(
            self._folder,
            self._settings,
            self._archive,
            self._clock,
            call=self.call,
            online=self._is_online,
            readers=lambda: self._readers(self._settings.now()),
            stored=self.stored,
        )

    def _make_status(self) -> Status:
        return Status(
            self._folder,
            self._settings,
            self._archive,
            self._clock,
            loop=self._loop,
            owner=self._owner,
            archiver=self._archiver,
            outbox=self.outbox,
            counters=self._counters,
            address_book=self._address_book,
            files=self.files,
            typing_people=self._typing_people,
            client_pid=lambda: self.client_pid,
        )

    def _make_events(self) -> ClientEvents:
        return ClientEvents(
            self._clock,
            self._tasks,
            self._clients,
            self._loop,
            self._owner,
            self._linking,
            self._counters,
            self._archiver,
            self.outbox,
            self.files,
            self._names,
            self._address_book,
            self._typing_people,
            self.whatsapp,
            self._note_pause,
            self._over,
        )

    @property
    def parts(self) -> tuple[object, ...]:
        """The parts that can be asked something."""
        return self.whatsapp, self.connection, self.files, self.status

    def _archived(self) -> None:
        self._unnamed.wake()
        self.files.wake()

    async def _refused(self, error: WhatsAppError) -> None:
        if error.message == TIMELOCKED:
            await self._note_pause(PauseRecord.timelocked, self._clock.now())

    async def _note_pause(self, note: Note, now: datetime) -> None:
        """Write down what WhatsApp has imposed, for every server of the account."""
        if self.pauses is not None:
            try:
                await note(self.pauses, now)
            except Busy as error:
                logger.error("device: a pause cannot be written down: %s", error)

    async def start(self) -> None:
        """Begin: archive what the journal holds, then connect if a phone is linked."""
        try:
            await self._counters.load()
            await self._archiver.prepare()
        except (sqlite3.Error, OSError) as error:
            self.status.obstacle = f"The account's files cannot be used yet ({cause(error)})."
            raise
        self.status.obstacle = None
        for name, run in (
            ("reconnect loop", self._loop.run),
            ("archiving", self._archiver.run),
            ("decoding", self._worker.keep),
            ("outbox", self.outbox.run),
            ("names", self._names.run),
            ("address book", self._address_book.run),
            ("unnamed", self._unnamed.run),
            ("group receipts", self._make_group_receipts().run),
            ("keeping files", self.files.keeper.run),
            ("reading files", self.files.reading.run),
            ("watch", self._watch),
            ("sleep", partial(notice_sleep, self._clock, partial(self._loop.post, connection.Woken()))),
            ("counters", self._counters.run),
            ("lease", self._clients.renew),
        ):
            self._tasks.start_soon(
                partial(
                    supervised,
                    name,
                    run,
                    clock=self._clock,
                    failures=self._counters.failures,
                    ended=self._ended,
                )
            )

    @property
    def failures(self) -> Counter[str]:
        """Number of times that each background task has failed and was restarted."""
        return self._counters.failures

    @property
    def owner(self) -> StoredDevice | None:
        """This companion as its keys name it; None while no phone is linked."""
        return self._owner.device

    def own_addresses(self) -> frozenset[str]:
        """The account's own addresses without a device: its number and its LID, as far as they are known."""
        owner = self._owner.device
        return frozenset(filter(None, (str(owner.jid.bare), owner.lid))) if owner else frozenset()

    async def wait_for(self, met: Callable[[Connection], bool]) -> Connection:
        """Wait until the connection is as asked; the caller sets the limit."""
        return await self._loop.wait_for(met)

    async def settled(self) -> None:
        """Wait until every event that was reported so far has been handled; the caller sets the limit."""
        await self._loop.ask(connection.Tick())

    @property
    def client_pid(self) -> int | None:
        """Process id of the client; None while none runs."""
        return self._clients.pid if self._loop.connection.running else None

    def hear_messages(self, listener: Callable[[JournalEvent], None]) -> None:
        """Call `listener` from now on with every event of a message that comes, once it is archived."""
        self._events.hear_message = listener

    def hear_before_archiving(self, listener: Callable[[Sequence[JournalEvent]], Awaitable[None]]) -> None:
        """Call `listener` from now on with events before they are archived: again, if they could not be."""
        self._events.hear_before = listener

    # Calls of the client.

    def _has_ended(self, generation: int) -> bool:
        """Check whether a client has ended and a later one has taken its place at WhatsApp."""
        is_earlier = generation < self._loop.connection.generation
        return is_earlier and not self._clients.is_running(generation) and self._is_online()

    def _unavailable(self) -> NotLinked | NotConnected:
        return connection.unavailable(self._loop.connection)

    def _is_online(self) -> bool:
        now = self._loop.connection
        return now.state is ConnectionState.ONLINE

    def may_send(self, after_replies: bool = False) -> bool:
        """Check whether a send can go out now.

        Args:
            after_replies: Whether what came while the connection was down has to be known before.
        """
        online = self._is_online()
        if not after_replies:
            return online
        steady = self._clock.now() - self._loop.connection.since >= _CAUGHT_UP
        return online and steady and self._archiver.waiting == 0

    async def call(
        self, method: str, params: Params | None = None, *, deadline: float = CALL_DEADLINE
    ) -> Any:
        """Call the current client; one that does not answer in time is probed.

        Raises:
            WhatsAppError: What the client answered, or why there is none to ask.
        """
        generation = self._clients.current.generation
        try:
            async with self._clients.current.use(deadline) as client:
                return await client.call(method, params, deadline=deadline)
        except DeadlineExceeded:
            self._doubt(generation)
            raise
        except NotConnected as error:
            # The client process does not know what the connection's state advises.
            raise NotConnected(error.message, connection.advice(self._loop.connection)) from error

    def _doubt(self, generation: int) -> None:
        self._loop.post(connection.Doubtful(generation, "WhatsApp did not answer a call in time."))
