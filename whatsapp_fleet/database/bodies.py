"""Bodies of files and snapshots that lie in an object store; a row of the database names each.

The row makes a body count, so the fence is that of the row. An object is deleted once no row names it: what a
killed leader has left as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self, TypeVar

from whatsapp_fleet.database.connections import Database, Session
from whatsapp_fleet.database.streams import change_fenced
from whatsapp_fleet.objects import NotThisStore, ObjectStore, Prefix

T = TypeVar("T")
Run = Callable[[Callable[[Session], Any]], Any]
"""A function that calls another one with a session and returns its answer: `Link.run`, for example."""

# Before the first body, so that whoever forgets the account knows where to look.
_REGISTER: Final = """
WITH lease AS (
    SELECT account FROM whatsapp_mcp.leases WHERE account = %(account)s AND epoch = %(epoch)s FOR SHARE
), registered AS (
    INSERT INTO whatsapp_mcp.account_stores (account, store, url)
    SELECT account, %(store)s, %(url)s FROM lease ON CONFLICT (account, store) DO NOTHING
) SELECT account FROM lease
"""
_NAMED: Final = """
SELECT object FROM whatsapp_mcp.files WHERE account = %(account)s AND object <> ''
UNION ALL SELECT object FROM whatsapp_mcp.snapshots WHERE account = %(account)s AND object <> ''
"""
_STORES: Final = "SELECT store, url FROM whatsapp_mcp.account_stores WHERE account = %s ORDER BY url"
_UNREGISTER: Final = "DELETE FROM whatsapp_mcp.account_stores WHERE account = %s AND store = %s"


class Reference(NamedTuple):
    """A row's reference to its body in the object store.

    Attributes:
        store: The identity of the store.
        epoch: Of the leader that has put it.
        body: Its own name in the store.
        parts: How many objects it has.
        sha256: Of the body: whoever can write to the store does not decide what an account holds.
    """

    store: str
    epoch: int
    body: str
    parts: int
    sha256: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text that a row holds."""
        store, epoch, body, parts, sha256 = text.split("/")
        return cls(store, int(epoch), body, int(parts), sha256)

    def __str__(self) -> str:
        return f"{self.store}/{self.epoch}/{self.body}/{self.parts}/{self.sha256}"

    def prefix(self, account: str) -> Prefix:
        """Return the body's prefix in the store."""
        return Prefix(account, self.epoch, self.body)


class Bodies:
    """The bodies of one account in the object store of the settings, for its leader.

    Args:
        database: Names the store, if there is one.
        account: Whose.
        epoch: Of the leader.
    """

    def __init__(self, database: Database, account: str, epoch: int) -> None:
        self._database = database
        self._about = {"account": account, "epoch": epoch}
        self._account = account
        self._epoch = epoch
        self._is_registered = False

    def put(self, run: Run, file: Path, note: Callable[[str, int, int], None]) -> bool:
        """Put a body into the store; False where there is none, and the database takes it.

        Args:
            run: Answers statements.
            file: The body.
            note: Writes the row, given the reference, the number of parts and the size.

        Raises:
            OSError: The file or the store cannot be used; there is no row.
            StorageError: What `run` and `note` raise.
        """
        objects = self._database.objects
        if objects is None:
            return False
        store = objects.identity()
        if not self._is_registered:
            run(partial(change_fenced, _REGISTER, {**self._about, "store": store, "url": objects.url}))
            self._is_registered = True
        put = objects.put(self._account, self._epoch, file, self._database.stopped)
        # If this fails, the row may come later. Then the body stays in `writing`, and is the next leader's.
        reference = Reference(store, self._epoch, put.prefix.body, put.parts, put.sha256)
        note(str(reference), put.parts, put.size)
        objects.settled(put.prefix)
        return True

    def clear(self, run: Run) -> None:
        """Delete what no row names, of this and former leaders.

        Raises:
            OSError: The store cannot be used.
            StorageError: What `run` raises.
        """
        objects = self._database.objects
        if objects is None:
            return
        # In this order: what is not being written any more has its row by now.
        store, there = objects.identity(), objects.bodies(self._account)
        writing = objects.writing
        named = self._named(run)
        gone: list[str] = []
        for prefix, names in there.items():
            is_named = (store, prefix) in named or prefix in writing
            if not is_named and prefix.epoch <= self._epoch:
                gone += names
        if gone:
            objects.delete(gone)

    def _named(self, run: Run) -> set[tuple[str, Prefix]]:
        rows: list[tuple[str]] = run(lambda session: session.execute(_NAMED, self._about).fetchall())
        references = [Reference.parse(text) for (text,) in rows]
        return {(one.store, one.prefix(self._account)) for one in references}


def fetch_body(database: Database, account: str, text: str, target: BinaryIO) -> None:
    """Write the body that a row names to a file.

    Args:
        database: Names the store.
        account: Whose.
        text: The reference in the row.
        target: Where to.

    Raises:
        FileNotFoundError: It is not in its store.
        OSError: The store cannot be used, or is not the one of the settings.
    """
    reference = Reference.parse(text)
    objects = database.objects
    if objects is None:
        raise NotThisStore(
            "A file of the account lies in an object store, and the setting `node.files` names none."
        )
    objects.require(reference.store)
    objects.fetch(reference.prefix(account), reference.parts, reference.sha256, target, database.stopped)


def forget_bodies(session: Session, database: Database, account: str) -> None:
    """Delete every object of an account that nobody leads, in each store that it ever had any in.

    Raises:
        NotThisStore: It has some in another store than that of the settings; those are not deleted.
        OSError: The store cannot be used, or keeps what was deleted.
    """
    objects = database.objects
    elsewhere: list[str] = []
    for store, url in session.execute(_STORES, [account]).fetchall():
        if objects is None or objects.identity() != store:
            elsewhere.append(url)
            continue
        objects.forget(account)
        session.deadline = database.monotonic() + database.patience
        session.execute(_UNREGISTER, [account, store])
    if elsewhere:
        raise NotThisStore(
            f"Files of {account} lie in {', '.join(elsewhere)}, which the setting `node.files` does not name"
            " here, or which is another store by now."
        )


def delete_bodies(session: Session, database: Database, account: str, epoch: int) -> None:
    """Delete the objects that leaders up to an epoch have put, all of which no row names any more.

    Raises:
        NotThisStore: As `forget_bodies`.
        OSError: As `forget_bodies`.
    """
    objects = database.objects
    for store, url in session.execute(_STORES, [account]).fetchall():
        if objects is None or objects.identity() != store:
            raise NotThisStore(
                f"Files of {account} lie in {url}, which the setting `node.files` does not name."
            )
        bodies = objects.bodies(account).items()
        objects.delete([name for prefix, names in bodies if prefix.epoch <= epoch for name in names])
    session.deadline = max(session.deadline, database.monotonic() + database.patience)


def delete_forgotten(objects: ObjectStore, forgotten: Callable[[Collection[str]], Collection[str]]) -> None:
    """Delete what a leader that was stopped in the middle has put for an account that was forgotten since.

    Args:
        objects: The store.
        forgotten: Those of these accounts that were.

    Raises:
        OSError: The store cannot be used.
        StorageError: What `forgotten` raises.
    """
    objects.identity()  # raises where the store is another fleet's
    for account in forgotten(objects.accounts()):
        bodies = objects.bodies(account).values()
        # Asked once more: what comes later belongs to an account that has come back under the name.
        if account in forgotten([account]):
            objects.delete([name for names in bodies for name in names])
