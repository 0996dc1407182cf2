"""What the client process gives up before it loads the library, which reads what strangers send.

On Linux: new privileges (`no_new_privs`, prctl(2)) and, by Landlock, every file but those that it works with,
running programs, listening on TCP and signals to other processes. It can still connect to any unix socket:
what keeps it from leaders is that it may not read their secrets. The rules hold for threads that start later,
so they are set while there is one. Elsewhere nothing is given up.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final

import whatsapp_mcp
from whatsapp_mcp.allowed_files import MEDIA
from whatsapp_mcp.sandbox import (
    ABSTRACT_UNIX_SOCKET,
    BIND_TCP,
    READ,
    READ_DIR,
    READ_FILE,
    SIGNAL,
    WORK,
    WRITE_FILE,
    apply_landlock,
    no_new_privileges,
)

_SYSTEM: Final = tuple(
    map(
        Path,
        """
        /usr /lib /lib32 /lib64 /nix/store /gnu/store /proc/self /sys/devices/system/cpu /etc/alternatives
        /etc/ca-certificates /etc/crypto-policies /etc/gai.conf /etc/group /etc/host.conf /etc/hostname
        /etc/hosts /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /etc/ld.so.preload /etc/localtime
        /etc/machine-id /etc/mime.types /etc/nsswitch.conf /etc/passwd /etc/pki/ca-trust
        /etc/pki/tls/cacert.pem /etc/pki/tls/cert.pem /etc/pki/tls/certs /etc/pki/tls/openssl.cnf
        /etc/protocols /etc/resolv.conf /etc/services /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem /etc/ssl/certs
        /etc/ssl/openssl.cnf /etc/timezone
        """.split(),
    )
)
"""Where shared libraries, certificates and the configuration of the network are; to read. Programs keep
passwords and keys of their own in `/etc` and `/opt`, which the user of a server may have to read."""
_MOVING: Final = Path("/etc/resolv.conf")
"""What is often a link to a file elsewhere that is replaced now and then: its folder there is read."""
_PACKAGES: Final = ("dist-packages", "site-packages")
"""Names of the folders of `sys.path` in which packages are."""
_DEVICES: Final = (Path("/dev/null"), Path("/dev/zero"), Path("/dev/random"), Path("/dev/urandom"))
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that the library's TLS obeys. A server passes none of them on."""


logger = logging.getLogger(__name__)


def confine(folder: Path, certificates: Iterable[Path] = ()) -> int:
    """Give up what a client does not need; call it in the only thread.

    Args:
        folder: The account's folder, in which files are read and written.
        certificates: Files that are read beside those of the system.

    Returns:
        The version of Landlock that is in force; 0 where none is, which is no reason not to run.
    """
    if sys.platform != "linux":
        return 0
    try:
        no_new_privileges()
        rules = chain(_rules(folder), ((path.resolve(), READ_FILE) for path in certificates))
        return apply_landlock(rules, network=BIND_TCP, scopes=ABSTRACT_UNIX_SOCKET | SIGNAL)
    except OSError as error:
        logger.warning("client: not confined: %s", error)
        return 0


def _rules(folder: Path) -> Iterator[tuple[Path, int]]:
    yield folder, WORK
    yield folder / MEDIA, WORK  # which may be a link to another disk
    # To know the files of this package, which are never sent: their names and inodes, not what they hold.
    yield folder.parent.parent, READ_DIR
    yield from ((device, READ_FILE | WRITE_FILE) for device in _DEVICES)
    home = folder.parent.parent.resolve()
    yield from ((part, READ) for path in _readable() for part in _beside(home, path))


def _readable() -> Iterable[Path]:
    """The system's files, this Python, the packages, and what the variables of TLS name."""
    yield from _SYSTEM
    if (moving := _MOVING.resolve()) != _MOVING:
        yield moving.parent
    yield from (Path(prefix) for prefix in (sys.prefix, sys.base_prefix))
    yield from (Path(entry) for entry in sys.path if Path(entry).name in _PACKAGES)
    yield Path(whatsapp_mcp.__file__).parent
    neonize = find_spec("neonize")  # does not import it
    if neonize is not None and neonize.origin is not None:
        yield Path(neonize.origin).parent.parent
    for name in _CERTIFICATES:
        yield from map(Path, filter(None, os.environ.get(name, "").split(os.pathsep)))


def _beside(home: Path, path: Path) -> Iterator[Path]:
    """What there is of a path, but for the home folder: other accounts and their passwords lie there."""
    if not home.is_relative_to(path.resolve()):
        yield path
    elif path.resolve() != home:
        for child in path.iterdir():
            if not child.is_symlink():
                yield from _beside(home, child)
