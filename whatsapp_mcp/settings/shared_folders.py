"""Folders in which a database cannot be kept: on network file systems, and in what a program synchronises.

SQLite's write-ahead log needs memory that all processes share and locks that hold
(https://sqlite.org/wal.html, https://sqlite.org/howtocorrupt.html, 2.1): another machine has neither. What
synchronises a folder copies a database in the middle of a write and puts former ones back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final

from whatsapp_mcp.system import Mount, mounts_here

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
