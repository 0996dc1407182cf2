"""The files of one account, and the folder of the sockets through which its servers meet."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from whatsapp_mcp.errors import InvalidArgument, disk_failure
from whatsapp_mcp.files.allowed_files import MEDIA
from whatsapp_mcp.files.encryption import DatabaseKey, Vault
from whatsapp_mcp.files.home import HOME_VARIABLE, SERVER_LOG
from whatsapp_mcp.processes.child_process import RECEIVED, SENDING
from whatsapp_mcp.system import (
    SOCKET_PATH_LIMIT,
    MeetingPlace,
    is_read_only,
    meeting_place,
    runtime_folder,
    runtime_folders,
)

_NEW_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""Lower case alone: some file systems take names that differ in case for one."""
RENAMING: Final = ".renaming"
"""A file beside the folders of accounts: which rename has begun, `[old, new]`."""
REMOVING: Final = ".removing-"
"""Begins the name of the folder of an account that is being removed."""
_EVERY: Final = "all"
"""Name that tools use for all accounts."""


def check_new_name(name: str) -> None:
    """Check that a new account can have this name, which every file system and every host accepts.

    Raises:
        InvalidArgument: It cannot.
    """
    if _NEW_NAME.fullmatch(name) is None or name == _EVERY:
        raise InvalidArgument(
            f"{name!r} cannot be the name of a new account.",
            f"Use up to 32 of a-z, 0-9, '_' and '-', a letter or digit first, and not {_EVERY!r}.",
        )


@dataclass(frozen=True, slots=True)
class AccountFolder:
    """The files of one account; folders are made 0700, files 0600.

    Attributes:
        name: Of the account.
        path: The folder.
        vault: Holds the key of the databases, with where the settings say that the person's is.
        in_database: Whether a database has the account, so that what lies here is a copy.
    """

    name: str
    path: Path
    vault: Vault = field(default=None, compare=False, repr=False)  # pyright: ignore[reportAssignmentType]
    in_database: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.vault is None:  # pyright: ignore[reportUnnecessaryComparison]
            object.__setattr__(self, "vault", Vault(self.path))

    def create(self) -> None:
        """Make the folder if it is not there, private to its owner.

        Raises:
            InvalidArgument: It cannot be made or written, a new account cannot have this name, or the account
                has moved.
        """
        if not self.path.exists():
            # An account that is there keeps its name, also one that a new account could not have.
            check_new_name(self.name)
        self.check_unmoved()
        of_clients = self.client, self.received, self.sending
        for folder in (self.path.parent.parent, self.path.parent, self.path, *of_clients, self.media):
            make_private(folder)

    @property
    def moved(self) -> Path:
        """Says that the account is in a database, or may be: no server starts here."""
        return self.path / "moved.json"

    def check_there(self) -> None:
        """Check that the folder still exists; if it were made again, it would be another account.

        Raises:
            InvalidArgument: It was renamed or removed.
        """
        if not self.path.is_dir():
            raise InvalidArgument(
                f"The account {self.name} was renamed or removed.", "Restart the application that uses it."
            )

    def check_unmoved(self) -> None:
        """Check that the account was not moved into a database.

        Raises:
            InvalidArgument: It may be elsewhere.
        """
        if self.moved.exists():
            raise InvalidArgument(
                f"{self.name} was moved into a database, or is on its way there.",
                "If that was interrupted, run the command that moves it again.",
            )

    def key_of(self, database: Path) -> DatabaseKey | None:
        """The key of a database of the account; None where the account is not encrypted.

        Raises:
            InvalidArgument: The person's key is missing or wrong.
        """
        return self.vault.key_of(database.name)

    @property
    def client(self) -> Path:
        """The folder of the client process, which reaches nothing else of the account but `sending`."""
        return self.path / "client"

    @property
    def received(self) -> Path:
        """Folder where the client process puts files that it was asked for, until the leader takes them."""
        return self.client / RECEIVED

    @property
    def sending(self) -> Path:
        """Copies of the files that the client process uploads at the moment; it only reads them."""
        return self.path / SENDING

    @property
    def with_databases(self) -> tuple[Path, Path]:
        """The folders in which databases are, and what becomes of damaged ones."""
        return self.path, self.client

    @property
    def client_db(self) -> Path:
        """Keys and sessions of the client library."""
        return self.client / "client.db"

    @property
    def inbox_db(self) -> Path:
        """The journal."""
        return self.client / "inbox.db"

    @property
    def archive_db(self) -> Path:
        """The archive."""
        return self.path / "archive.db"

    @property
    def raw_db(self) -> Path:
        """Raw protobufs of archived events."""
        return self.path / "raw.db"

    @property
    def ledger_db(self) -> Path:
        """The ledger: data handed out to agents, questions to the person, and actions done."""
        return self.path / "ledger.db"

    @property
    def databases(self) -> tuple[Path, ...]:
        """Databases that are encrypted in an encrypted account."""
        return self.archive_db, self.raw_db, self.inbox_db, self.ledger_db

    def files_to_seal(self) -> list[Path]:
        """Return the files that encryption seals, sealed or not: downloads and exports, no links."""
        paths = (path for folder in (self.media, self.exports) for path in folder.rglob("*"))
        # Copies on their way out are left out: they are deleted an hour after they were made.
        return sorted(
            path
            for path in paths
            if path.is_file() and not path.is_symlink() and not path.is_relative_to(self.outgoing)
        )

    @property
    def approval_key(self) -> Path:
        """The key that seals approvals."""
        return self.path / "approval.key"

    @property
    def reserve(self) -> Path:
        """A file that reserves space, so that a full disk can recover."""
        return self.path / "reserve"

    @property
    def media(self) -> Path:
        """Downloaded files."""
        return self.path / MEDIA

    @property
    def outgoing(self) -> Path:
        """Copies of files on their way out."""
        return self.media / "outgoing"

    @property
    def exports(self) -> Path:
        """Chats that an agent wrote out; not in `media`, from where files may be sent."""
        return self.path / "exports"

    @property
    def leader_lock(self) -> Path:
        """Locked by the account's leader."""
        return self.path / "leader.lock"

    @property
    def server_log(self) -> Path:
        """The log of the servers, which are also those of the other accounts beside this one."""
        return self.path.parent.parent / SERVER_LOG

    @property
    def client_log(self) -> Path:
        """Standard error of the client process."""
        return self.path / "client.log"

    @property
    def meeting_place(self) -> MeetingPlace:
        """Meeting place at which the leader is reached.

        Raises:
            InvalidArgument: As `socket`, where that is the place.
        """
        return meeting_place(lambda: self.socket, self.path / "host.json")

    @property
    def socket(self) -> Path:
        """The leader's unix socket.

        Raises:
            InvalidArgument: No folder for it is this user's, and this one has too long a path.
        """
        shared = runtime_folder()
        if shared is not None:
            # Of the resolved path, so that all servers find it; a digest, since a socket's path has a limit.
            digest = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:20]
            return shared / f"{digest}.sock"
        own = self.path.resolve() / "leader.sock"
        if len(os.fsencode(own)) > SOCKET_PATH_LIMIT:
            raise InvalidArgument(
                "There is no folder for the unix socket of the leader: "
                f"{' and '.join(map(str, runtime_folders()))} belong to other users or cannot be created, "
                f"and {own.parent} has too long a path.",
                f"Have those folders removed, or set {HOME_VARIABLE} to a folder with a shorter path.",
            )
        return own


def make_private(folder: Path) -> None:
    """Make a folder of the home if it is not there, private to its owner.

    Raises:
        InvalidArgument: It cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            # Asking does not say why not; this user may be root, whom no mode keeps out.
            raise OSError(errno.EROFS if is_read_only(folder) else errno.EACCES, "")
    except OSError as error:
        why, action = disk_failure(
            error, f"Make it a folder that you can write, or set {HOME_VARIABLE} to another."
        )
        raise InvalidArgument(f"{folder} cannot be used: {why}.", action) from error
