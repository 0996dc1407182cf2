"""The files of one account, the folder of its servers' sockets, and folders in which no database can be kept.

Those are on network file systems, and in what a program synchronises. SQLite's write-ahead log needs memory
that all processes share and locks that hold (https://sqlite.org/wal.html,
https://sqlite.org/howtocorrupt.html, 2.1): another machine has neither. What synchronises a folder copies a
database in the middle of a write and puts former ones back.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final

from whatsapp_mcp.errors import InvalidArgument, disk_failure
from whatsapp_mcp.files.allowed_files import MEDIA
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.files.home import HOME_VARIABLE, SERVER_LOG
from whatsapp_mcp.files.vault import Vault
from whatsapp_mcp.processes.child_process import RECEIVED, SENDING
from whatsapp_mcp.system import (
    SOCKET_PATH_LIMIT,
    MeetingPlace,
    Mount,
    is_read_only,
    meeting_place,
    mounts_here,
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
_NETWORK: Final = frozenset(
    """
    9p afpfs afs beegfs ceph cifs coda davfs drvfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 osxfs
    prl_fs smb2 smb3 smbfs vboxsf vmhgfs webdav
    fuse.ceph fuse.davfs fuse.gcsfuse fuse.glusterfs fuse.google-drive-ocamlfuse fuse.grpcfuse
    fuse.gvfsd-fuse fuse.mount.davfs fuse.onedriver fuse.osxfs fuse.rclone fuse.s3fs fuse.sshfs
    fuse.vmhgfs-fuse macfuse_sshfs osxfuse_sshfs
    """.split()
)
"""Types of file systems whose files other machines, or the host of a virtual one, write to as well."""
_SYNCED: Final = re.compile(
    r"(?P<Dropbox>dropbox( \(.+\))?|\.dropbox)|(?P<OneDrive>onedrive( - .+)?)"
    r"|(?P<Google_Drive>google ?drive(-.+)?|my drive)|(?P<iCloud_Drive>icloud ?drive|mobile documents)"
    r"|(?P<Nextcloud>nextcloud)|(?P<a_cloud_service>cloudstorage)",
    re.IGNORECASE,
)
"""Default names of the folders of synchronising programs; each group names the program."""
_ONEDRIVE: Final = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")
"""Variables with which OneDrive names its folders on Windows."""


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


def sharing(
    folder: PurePath, mounts: Iterable[Mount], environment: Mapping[str, str], user_home: PurePath
) -> str | None:
    """Return the reason why a folder is unfit for a database, to read after its name; None if none is known.

    Args:
        folder: The folder, absolute and without links.
        mounts: The machine's file systems in the order in which they were mounted; may be empty.
        environment: The process's variables.
        user_home: The user's home folder, whose own name says nothing.
    """
    if isinstance(folder, PureWindowsPath) and folder.drive.startswith("\\\\"):
        return f"is on a network share ({folder.drive})"
    mount = _mount_of(folder, mounts)
    if mount is not None and mount.kind in _NETWORK:
        return f"is on a network or shared file system ({mount.kind} at {mount.point})"
    for name in _ONEDRIVE:
        root = environment.get(name)
        if root and folder.is_relative_to(type(folder)(root)):
            return "is in a folder that OneDrive synchronises"
    inside = folder.relative_to(user_home) if folder.is_relative_to(user_home) else folder
    service_match = next((match for part in inside.parts if (match := _SYNCED.fullmatch(part))), None)
    if service_match is not None:
        return f"is in a folder that {str(service_match.lastgroup).replace('_', ' ')} synchronises"
    return None


def _mount_of(folder: PurePath, mounts: Iterable[Mount]) -> Mount | None:
    """The file system that a folder is on."""
    above = [mount for mount in mounts if folder.is_relative_to(mount.point)]
    # Of two at one place the later one hides the earlier.
    nearest = max(enumerate(above), key=lambda each: (len(each[1].point.parts), each[0]), default=None)
    return nearest[1] if nearest else None


def sharing_of(folder: Path) -> str | None:
    """Return `sharing` for a folder of this machine, which need not exist yet."""
    resolved = folder.resolve()
    # Not `Path.home()`: in a container the user may be one whom no file names.
    user_home = Path(os.path.expanduser("~")).resolve()
    return sharing(resolved, mounts_here(resolved), os.environ, user_home)


def file_system_of(folder: Path) -> str | None:
    """The type of the file system that a folder is on, or would be; None where it is not known."""
    resolved = folder.resolve()
    mount = _mount_of(resolved, mounts_here(resolved))
    return mount.kind if mount else None
