"""What the client process gives up before it loads the library, which reads what strangers send.

On Linux: new privileges (`no_new_privs`, prctl(2)) and, by Landlock, every file but those that it works with,
running programs and listening on TCP. Landlock is the kernel's own (landlock(7), Linux 5.13 or newer); its
five calls are made here, because no library for Python wraps them in a release that is maintained. The rules
hold for threads that start later, so they are set while there is one. Elsewhere nothing is given up.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import whatsapp_mcp
from whatsapp_mcp.allowed_files import MEDIA

_PR_SET_NO_NEW_PRIVS: Final = 38
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""Numbers of the calls, the same on every architecture (asm-generic/unistd.h)."""
_VERSION: Final = 1
"""Flag of `landlock_create_ruleset`: return the newest version of the interface (linux/landlock.h)."""
_PATH_BENEATH: Final = 1
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_TRUNCATE: Final = 1 << 14
_OF_FILES: Final = (1 << 0) | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)
"""The rights that a rule for one file may name."""
_READ: Final = _READ_FILE | _READ_DIR
_WORK: Final = _READ | _WRITE_FILE | _TRUNCATE | (1 << 5) | (1 << 7) | (1 << 8)
"""Reading, writing and removing files, and making files and folders."""
_KNOWN: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 5: 0xFFFF}
"""From which version on which rights on files are known; all that are known are taken away."""
_BIND_TCP: Final = 1
_ABSTRACT_UNIX_SOCKET: Final = 1
_HAS_TCP: Final = 4
_HAS_SCOPES: Final = 6

_SYSTEM: Final = tuple(
    map(
        Path,
        "/usr /lib /lib32 /lib64 /etc /opt /nix/store /gnu/store /proc/self /sys/devices/system/cpu".split(),
    )
)
"""Where shared libraries, certificates and the configuration of the network are; to read."""
_MOVING: Final = (Path("/etc/resolv.conf"), Path("/etc/ssl/certs"), Path("/etc/ssl/cert.pem"))
"""What is often a link to a file elsewhere that is replaced now and then: its folder is what is read."""
_PACKAGES: Final = ("dist-packages", "site-packages")
"""Names of the folders of `sys.path` in which packages are."""
_DEVICES: Final = (Path("/dev/null"), Path("/dev/zero"), Path("/dev/random"), Path("/dev/urandom"))
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that the library's TLS obeys. A server passes none of them on."""


logger = logging.getLogger(__name__)


def confine(folder: Path) -> int:
    """Give up what a client does not need; call it in the only thread.

    Args:
        folder: The account's folder, in which files are read and written.

    Returns:
        The version of Landlock that is in force; 0 where none is, which is no reason not to run.
    """
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise _failure("no_new_privs")
        return _restrict(libc, folder)
    except OSError as error:
        logger.warning("client: not confined: %s", error)
        return 0


def _restrict(libc: ctypes.CDLL, folder: Path) -> int:
    version = _call(libc, _CREATE_RULESET, None, 0, _VERSION)
    if version < 1:  # not built in, or switched off at boot
        return 0
    known = max(rights for since, rights in _KNOWN.items() if since <= version)
    ruleset = _ruleset(libc, version, known)
    try:
        for path, rights in _rules(folder):
            _allow(libc, ruleset, path, rights & known)
        if _call(libc, _RESTRICT_SELF, ruleset, 0):
            raise _failure("landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _ruleset(libc: ctypes.CDLL, version: int, known: int) -> int:
    attributes = struct.pack("=Q", known)
    if version >= _HAS_TCP:
        attributes += struct.pack("=Q", _BIND_TCP)
    if version >= _HAS_SCOPES:
        attributes += struct.pack("=Q", _ABSTRACT_UNIX_SOCKET)
    ruleset = _call(libc, _CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise _failure("landlock_create_ruleset")
    return ruleset


def _rules(folder: Path) -> Iterator[tuple[Path, int]]:
    yield folder, _WORK
    yield folder / MEDIA, _WORK  # which may be a link to another disk
    # To know the files of this package, which are never sent: their names and inodes, not what they hold.
    yield folder.parent.parent, _READ_DIR
    yield from ((device, _READ_FILE | _WRITE_FILE) for device in _DEVICES)
    yield from ((path, _READ) for path in _readable())


def _readable() -> Iterable[Path]:
    """The system's files, this Python, the packages, and what the variables of TLS name."""
    yield from _SYSTEM
    for path in _MOVING:
        yield path.resolve().parent
    yield from (Path(prefix) for prefix in (sys.prefix, sys.base_prefix))
    yield from (Path(entry) for entry in sys.path if Path(entry).name in _PACKAGES)
    yield Path(whatsapp_mcp.__file__).parent
    neonize = find_spec("neonize")  # does not import it
    if neonize is not None and neonize.origin is not None:
        yield Path(neonize.origin).parent.parent
    for name in _CERTIFICATES:
        yield from map(Path, filter(None, os.environ.get(name, "").split(os.pathsep)))


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH)
    except OSError:  # not on this system
        return
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= _OF_FILES
        # `struct landlock_path_beneath_attr` is packed.
        if _call(libc, _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, beneath), 0):
            raise _failure("landlock_add_rule")
    finally:
        os.close(beneath)


def _call(libc: ctypes.CDLL, number: int, *arguments: int | bytes | None) -> int:
    """A system call; numbers are as wide as a register."""
    wide = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return libc.syscall(ctypes.c_long(number), *wide)


def _failure(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {errno.errorcode.get(code, code)}")
