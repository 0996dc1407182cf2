"""`ObjectStore`: bodies of accounts, each in parts below `ACCOUNT/EPOCH/RANDOM`.

A part is an object of its own, so whatever was written shows when the objects of an account are listed: an
upload of several parts that was not completed would not.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from whatsapp_fleet.object_places import Bucket, Folder, ObjectBackend, StoreFailed

PART: Final = 4 << 20
"""Bytes of one part."""
_IDENTITY: Final = ".store-id"
_FLEET: Final = ".fleet"
"""Objects of the store itself; no account has a name that begins so."""


class NotThisStore(StoreFailed):
    """A body lies in another object store than the one that the settings name, or in none of theirs."""


class Prefix(NamedTuple):
    """Location of a body in a store, or of parts of one that were left there.

    Attributes:
        account: Whose it is.
        epoch: Of the leader that has put it.
        body: Its own random name.
    """

    account: str
    epoch: int
    body: str

    @classmethod
    def of(cls, name: str) -> Self | None:
        """That of an object; None where it is none of these."""
        account, _, rest = name.partition("/")
        epoch, _, rest = rest.partition("/")
        body, _, part = rest.partition("/")
        return cls(account, int(epoch), body) if epoch.isdecimal() and body and part else None

    def __str__(self) -> str:
        return f"{self.account}/{self.epoch}/{self.body}"


class Stored(NamedTuple):
    """A body that was put.

    Attributes:
        prefix: Where it lies.
        parts: How many objects it has.
        size: In bytes.
        sha256: Of all of it, in hexadecimal.
    """

    prefix: Prefix
    parts: int
    size: int
    sha256: str


class ObjectStore:
    """Bodies in one place. Each method may raise `StoreFailed`; usable from any thread.

    Args:
        url: What the settings say; it holds no password.
        place: Where that is.

    Attributes:
        url: As given.
    """

    def __init__(self, url: str, place: ObjectBackend) -> None:
        self.url: Final = url
        self._place = place
        self._lock = threading.Lock()
        self._identity: str | None = None
        self._fleet: bytes | None = None
        self._writing: set[Prefix] = set()

    def belong_to(self, fleet: str) -> None:
        """Use the store for one fleet alone: another would delete what its own database does not name.

        Args:
            fleet: What tells it from others.
        """
        self._fleet = fleet.encode()

    def identity(self) -> str:
        """Return the identity of this store, which differs even from a later store at the same URL.

        Raises:
            NotThisStore: Another fleet uses it.
        """
        with self._lock:
            if self._identity is None:
                fleet = self._fleet
                if fleet is not None and self._place.put_first(_FLEET, fleet) != fleet:
                    raise NotThisStore(f"{self.url} is the object store of another fleet.")
                made = secrets.token_hex(8).encode()
                self._identity = self._place.put_first(_IDENTITY, made).decode("ascii", "replace")
            return self._identity

    def require(self, identity: str) -> None:
        """Check that this store has the given identity.

        Raises:
            NotThisStore: It is not.
        """
        if self.identity() != identity:
            raise NotThisStore(f"A file of the account lies in another object store than {self.url}.")

    @property
    def writing(self) -> frozenset[Prefix]:
        """Bodies of this process that no row may name yet."""
        with self._lock:
            return frozenset(self._writing)

    def put(self, account: str, epoch: int, file: Path, stopped: Callable[[], bool]) -> Stored:
        """Put a body; it is one of `writing` until `settled`.

        Args:
            account: Whose.
            epoch: Of the leader.
            file: The body.
            stopped: Whether to give up before the next part.
        """
        prefix = Prefix(account, epoch, secrets.token_hex(8))
        with self._lock:
            self._writing.add(prefix)
        try:
            parts, size, sha256 = 0, 0, hashlib.sha256()
            with file.open("rb") as source:
                while body := source.read(PART):
                    _go_on(stopped)
                    self._place.put(_part(prefix, parts), body)
                    sha256.update(body)
                    parts, size = parts + 1, size + len(body)
        except BaseException:
            self.settled(prefix)
            raise
        return Stored(prefix, parts, size, sha256.hexdigest())

    def settled(self, prefix: Prefix) -> None:
        """A row names this body now, or none ever will."""
        with self._lock:
            self._writing.discard(prefix)

    def fetch(
        self, prefix: Prefix, parts: int, sha256: str, target: BinaryIO, stopped: Callable[[], bool]
    ) -> None:
        """Write a body to a file.

        Raises:
            FileNotFoundError: A part of it is not there.
            StoreFailed: What was written is not what was put.
        """
        digest = hashlib.sha256()
        for number in range(parts):
            _go_on(stopped)
            body = self._place.get(_part(prefix, number))
            if body is None:
                raise FileNotFoundError(errno.ENOENT, "A file of the account is not in the object store.")
            digest.update(body)
            target.write(body)
        if digest.hexdigest() != sha256:
            raise StoreFailed("A file of the account in the object store is not what was put there.")

    def bodies(self, account: str) -> dict[Prefix, list[str]]:
        """Whatever there is of an account, whole or not: the objects of each body."""
        bodies: dict[Prefix, list[str]] = {}
        for prefix, name in _with_prefixes(self._place.names(account)):
            bodies.setdefault(prefix, []).append(name)
        return bodies

    def accounts(self) -> list[str]:
        """List the accounts that may have objects here."""
        return self._place.tops()

    def delete(self, names: Collection[str]) -> None:
        """Delete objects by their names; those that are not there are passed over."""
        self._place.delete(names)

    def forget(self, account: str) -> None:
        """Delete whatever there is of an account, which nobody leads, and see that nothing is left."""
        if names := self._place.names(account):
            self._place.delete(names)
        self._place.clear(account)
        if self._place.names(account):
            raise StoreFailed("The object store keeps objects that were deleted.")


def open_objects(url: str) -> ObjectStore | None:
    """The object store that a setting names; nothing is asked of it yet. None for an empty one.

    Args:
        url: `s3://bucket/prefix` or `file:///folder`.
    """
    if not url:
        return None
    parts = urlsplit(url)
    return ObjectStore(url, Folder(Path(unquote(parts.path))) if parts.scheme == "file" else Bucket.at(url))


def _part(prefix: Prefix, number: int) -> str:
    return f"{prefix}/{number:06}"


def _go_on(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise StoreFailed("Nothing more is asked of the object store.")


def _with_prefixes(names: Iterable[str]) -> Iterator[tuple[Prefix, str]]:
    for name in names:
        if (prefix := Prefix.of(name)) is not None:
            yield prefix, name
