"""`LocalDevice`: the device in the leader."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device import connection
from whatsapp_mcp.device.archiving import Archiver
from whatsapp_mcp.device.client_events import ClientEvents
from whatsapp_mcp.device.clock import Clock, SystemClock
from whatsapp_mcp.device.connection import (
    CALL_DEADLINE,
    Accessor,
    AddressBook,
    Client,
    Connection,
    ConnectionOperations,
    DeviceStorage,
    Linking,
    LinkPicture,
    ReconnectLoop,
    in_folder,
    notice_sleep,
    watch,
)
from whatsapp_mcp.device.counters import Counters
from whatsapp_mcp.device.files import NO_READERS, FileOperations, Files, Readers
from whatsapp_mcp.device.group_receipts import GroupReceipts
from whatsapp_mcp.device.name_lookups import Names
from whatsapp_mcp.device.operations import Topics
from whatsapp_mcp.device.outbox import ClientSender, DeliveryEvidence, MessageActions, Outbox, Pacer
from whatsapp_mcp.device.owner import Owner
from whatsapp_mcp.device.send_operations import SendOperations
from whatsapp_mcp.device.status_operations import StatusOperations
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.device.typing_people import TypingPeople
from whatsapp_mcp.device.unnamed import Unnamed
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
from whatsapp_mcp.models import Activity, ConnectionState, JournalEvent
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, AccountSettings, CurrentSettings, Settings
from whatsapp_mcp.storage import LeadershipOver, StoredDevice

logger = logging.getLogger(__name__)


class LocalDevice(
    StatusOperations,
    SendOperations,
    ConnectionOperations,
    MessageActions,
    FileOperations,
    Topics,
    ClientEvents,
):
    """The linked device of an account whose lock this server holds.

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
        self._opened_at = self._clock.now()
        self._storage = storage or in_folder(folder)
        self._ended = ended
        self._keys = self._storage.keys
        self._owner = Owner(self._keys, archive, owner)
        self._linking = Linking(self._clock, LinkPicture(folder.path))
        self._clients: Accessor[Client] = Accessor(self._unavailable, self._storage.record, end=Client.end)
        self._counters = Counters(archive, self._clock)
        self._client_pid: int | None = None
        self._obstacle: str | None = None
        self._trouble: str | None = None
        self._running: set[int] = set()
        self._client_gone = anyio.Event()
        self._damaged_of = 0
        self._refused_client = 0
        self._make_client = self._client_maker(settings.now().account, program)
        self._loop = self._make_loop(owner)
        # First of all events: what is asked of the device before it has started comes after.
        self._loop.post(connection.Opened(owner is not None, refusal))
        self._archiver = self._make_archiver()
        self._hear_message: Callable[[JournalEvent], None] = lambda event: None
        self._typing_people = TypingPeople(self._clock)
        self._evidence = self._make_evidence()
        self._worker = Worker()
        self.stored = StoredFiles(folder, self._storage.files)
        self.pauses: PauseRecord | None = None
        self._outbox = self._make_outbox()
        self._files = self._make_files()
        self._names = Names(archive, self.call, self._clock, online=self._is_online)
        self._address_book = AddressBook(self._keys, self._clock, self._names.poke)
        self._unnamed = self._make_unnamed()
        self._watch = partial(
            watch, self._clients, self._clock, online=self._is_online, report=self._loop.post
        )

    def _client_maker(
        self, account: AccountSettings, program: tuple[str, ...] | None
    ) -> Callable[..., Client]:
        return partial(
            Client,
            folder=self._folder,
            account=account,
            report=self._report,
            notice=self._notice,
            program=program,
        )

    def _make_loop(self, owner: StoredDevice | None) -> ReconnectLoop:
        record, lease = self._storage.record, self._storage.lease
        last = replace(
            record.loaded or record.load(self._clock.now()),
            linked=owner is not None,
            returns_after=lease.returns_after if lease is not None else None,
        )
        return ReconnectLoop(
            self._clients,
            self._launch,
            self._tasks,
            self._forget_keys,
            record,
            connection=last,
            clock=self._clock,
            changed=self._changed,
        )

    async def _forget_keys(self) -> None:
        if self._running:
            # The library would make the file again. A client that ends is gone, or killed, within seconds.
            raise BlockingIOError("a client process still uses the keys")
        await self._keys.forget()

    def _make_archiver(self) -> Archiver:
        return Archiver(
            self._folder,
            self._archive,
            self._clock,
            journal=self._storage.journal,
            trouble=self._archiving_trouble,
            damaged=lambda reason: self._report(
                connection.Stuck(self._loop.connection.generation, reason, damaged=True)
            ),
            before=self._before_archiving,
            archived=self._archived,
            seen=self._saw,
            phone_seen=self._saw_phone,
        )

    def _make_evidence(self) -> DeliveryEvidence:
        return DeliveryEvidence(
            self._keys,
            device=lambda: self._owner.device,
            generation=lambda: self._clients.generation,
            ended=self._has_ended,
        )

    def _make_unnamed(self) -> Unnamed:
        return Unnamed(
            self._archive,
            self._clock,
            look_up_group=self.group,
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
            privacy=self.privacy,
        )

    def _make_outbox(self) -> Outbox:
        sender = ClientSender(
            self._archive,
            self._keys,
            self._settings,
            self._worker,
            self._evidence,
            call=self.call,
            doubt=lambda: self._doubt(self._clients.generation),
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

    def _archived(self) -> None:
        self._unnamed.look()
        self._files.look()

    async def _refused(self, error: WhatsAppError) -> None:
        if error.message == TIMELOCKED:
            await self._note_pause(PauseRecord.timelocked, self._clock.now())

    async def _note_pause(
        self, note: Callable[[PauseRecord, datetime], Awaitable[object]], at: datetime
    ) -> None:
        """Write down what WhatsApp has imposed, for every server of the account."""
        if self.pauses is not None:
            try:
                await note(self.pauses, at)
            except Busy as error:
                logger.error("device: a pause cannot be written down: %s", error)

    async def start(self) -> None:
        """Begin: archive what the journal holds, then connect if a phone is linked."""
        try:
            await self._counters.load()
            await self._archiver.prepare()
        except (sqlite3.Error, OSError) as error:
            self._obstacle = f"The account's files cannot be used yet ({cause(error)})."
            raise
        self._obstacle = None
        for name, run in (
            ("reconnect loop", self._loop.run),
            ("archiving", self._archiver.run),
            ("decoding", self._worker.keep),
            ("outbox", self._outbox.run),
            ("names", self._names.run),
            ("address book", self._address_book.run),
            ("unnamed", self._unnamed.run),
            ("group receipts", self._make_group_receipts().run),
            ("keeping files", self._files.keeper.run),
            ("reading files", self._files.reading.run),
            ("watch", self._watch),
            ("sleep", partial(notice_sleep, self._clock, partial(self._loop.post, connection.Woken()))),
            ("counters", self._counters.run),
            ("lease", self._renew),
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
        """How often each background task has failed and was started again."""
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
        return self._client_pid if self._loop.connection.running else None

    # Calls of the client.

    def _unavailable(self) -> NotLinked | NotConnected:
        return connection.unavailable(self._loop.connection)

    def _is_online(self) -> bool:
        now = self._loop.connection
        return now.state is ConnectionState.ONLINE

    async def call(
        self, method: str, params: Params | None = None, *, deadline: float = CALL_DEADLINE
    ) -> Any:
        """Call the current client; one that does not answer in time is probed.

        Raises:
            WhatsAppError: What the client answered, or why there is none to ask.
        """
        generation = self._clients.generation
        try:
            async with self._clients.use(deadline) as client:
                return await client.call(method, params, deadline=deadline)
        except DeadlineExceeded:
            self._doubt(generation)
            raise
        except NotConnected as error:
            # The client process does not know what the connection's state advises.
            raise NotConnected(error.message, connection.advice(self._loop.connection)) from error

    def _doubt(self, generation: int) -> None:
        self._loop.post(connection.Doubtful(generation, "WhatsApp did not answer a call in time."))

    # The rest of the `Device` protocol.

    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        """See `Device.activity`."""
        last = await self._archive.wait_change(after, wait)
        chats = self._typing_people.chats()
        known = [await self._archive.contact(chat) for chat in chats]
        return Activity(last, tuple(one.jid if one else chat for chat, one in zip(chats, known, strict=True)))
