"""Folders in which a database cannot be kept: on network file systems, and in what a program synchronises.

SQLite's write-ahead log needs memory that all processes share and locks that hold
(https://sqlite.org/wal.html, https://sqlite.org/howtocorrupt.html, 2.1): another machine has neither. What
synchronises a folder copies a database in the middle of a write and puts former ones back.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final, NamedTuple

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
"""What the folders of synchronising programs are called by default, each group the program."""
_ONEDRIVE: Final = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")
"""Variables with which OneDrive names its folders on Windows."""
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_MOUNTED_ON_MACOS: Final = re.compile(r".+ on (/.*) \(([\w-]+)[,)]")
_LIMIT: Final = 2.0
"""Seconds that the list of mounts may take on macOS."""
_DRIVE_REMOTE: Final = 4


class Mount(NamedTuple):
    """Where a file system begins, and of which type it is."""

    point: PurePath
    kind: str


def sharing(
    folder: PurePath, mounts: Iterable[Mount], environment: Mapping[str, str], user_home: PurePath
) -> str | None:
    """What makes a folder unfit for a database, to be read after its name; None if nothing is known.

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
    found = next((match for part in inside.parts if (match := _SYNCED.fullmatch(part))), None)
    if found is not None:
        return f"is in a folder that {str(found.lastgroup).replace('_', ' ')} synchronises"
    return None


def _mount_of(folder: PurePath, mounts: Iterable[Mount]) -> Mount | None:
    """The file system that a folder is on."""
    above = [mount for mount in mounts if folder.is_relative_to(mount.point)]
    # Of two at one place the later one hides the earlier.
    nearest = max(enumerate(above), key=lambda each: (len(each[1].point.parts), each[0]), default=None)
    return nearest[1] if nearest else None


def read_mountinfo(text: str) -> list[Mount]:
    """The mounts in a `/proc/PID/mountinfo` (proc_pid_mountinfo(5))."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and after:
            point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
            mounts.append(Mount(Path(point), after.split(" ")[0]))
    return mounts


def read_mount_list(text: str) -> list[Mount]:
    """The mounts that `mount` lists on macOS: `//ann@nas/home on /Volumes/home (smbfs, nodev)`."""
    found = (_MOUNTED_ON_MACOS.match(line) for line in text.splitlines())
    return [Mount(Path(match[1]), match[2]) for match in found if match]


def mounts_here(folder: Path) -> list[Mount]:
    """The mounts of this machine, as far as they are known; on Windows that of the folder's drive."""
    try:
        if sys.platform == "linux":
            return read_mountinfo(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
        if sys.platform == "darwin":
            listed = subprocess.run(
                ["/sbin/mount"], capture_output=True, text=True, timeout=_LIMIT, check=True
            )
            return read_mount_list(listed.stdout)
        if sys.platform == "win32" and os.name == "nt":
            import ctypes

            is_remote = ctypes.windll.kernel32.GetDriveTypeW(folder.anchor) == _DRIVE_REMOTE
            return [Mount(Path(folder.anchor), "smbfs")] if is_remote else []
    except (OSError, subprocess.SubprocessError):
        return []
    return []


def sharing_of(folder: Path) -> str | None:
    """As `sharing`, of a folder of this machine; it need not be there yet."""
    resolved = folder.resolve()
    # Not `Path.home()`: in a container the user may be one whom no file names.
    user_home = Path(os.path.expanduser("~")).resolve()
    return sharing(resolved, mounts_here(resolved), os.environ, user_home)


def file_system_of(folder: Path) -> str | None:
    """The type of the file system that a folder is on, or would be; None where it is not known."""
    resolved = folder.resolve()
    mount = _mount_of(resolved, mounts_here(resolved))
    return mount.kind if mount else None
