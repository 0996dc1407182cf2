"""Rights that the client process gives up before it loads the library, which reads what strangers send.

On Linux, whatever program the library is part of:

* new privileges (`no_new_privs`, prctl(2));
* by Landlock, every file but those of its own folder and what it is given to send, and signals to others;
* by seccomp, on x86-64 and AArch64, starting processes and programs, listening, sockets other than those of
  the network, signals to other processes and looks into them.

The rules hold for threads that start later, so they are set while there is one. Elsewhere nothing is given
up.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import whatsapp_mcp
from whatsapp_mcp.processes.child_process import SENDING
from whatsapp_mcp.processes.landlock import (
    ABSTRACT_UNIX_SOCKET,
    BIND_TCP,
    READ,
    READ_FILE,
    SIGNAL,
    WORK,
    WRITE_FILE,
    apply_landlock,
)
from whatsapp_mcp.processes.seccomp import keep_to_itself
from whatsapp_mcp.processes.system_calls import no_new_privileges

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
"""Paths of shared libraries, certificates and the network's configuration, for reading. Programs keep
passwords and keys of their own in `/etc` and `/opt`, which the user of a server may have to read."""
_MOVING: Final = Path("/etc/resolv.conf")
"""File that is often a link to a file elsewhere that is replaced now and then: the folder of that one is
readable."""
_PACKAGES: Final = ("dist-packages", "site-packages")
"""Names of the folders of `sys.path` in which packages are."""
_DEVICES: Final = (Path("/dev/null"), Path("/dev/random"), Path("/dev/urandom"))
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that the library's TLS obeys. A server passes none of them on."""


logger = logging.getLogger(__name__)


class Confinement(NamedTuple):
    """The confinement in force.

    Attributes:
        landlock: The version of Landlock; 0 where there is none.
        seccomp: Whether the filter is.
    """

    landlock: int = 0
    seccomp: bool = False


def confine(folder: Path, certificates: Iterable[Path] = (), *, unix_sockets: bool = False) -> Confinement:
    """Give up what a client does not need; call it in the only thread.

    What the kernel lacks is no reason not to run.

    Args:
        folder: The client's own, in which files are read and written.
        certificates: Files that are read beside those of the system.
        unix_sockets: Whether the database of the keys is reached by such a socket.
    """
    if sys.platform != "linux":
        return Confinement()
    version, is_filtered = 0, False
    try:
        # First: without it the kernel lets an unprivileged process use neither landlock(7) nor seccomp(2).
        no_new_privileges()
        rules = chain(_rules(folder), ((path.resolve(), READ_FILE) for path in certificates))
        version = apply_landlock(rules, network=BIND_TCP, scopes=ABSTRACT_UNIX_SOCKET | SIGNAL)
    except OSError as error:
        logger.warning("client: not confined by Landlock: %s", error)
    try:
        # Apart from Landlock: a kernel may have either without the other.
        is_filtered = keep_to_itself(unix_sockets=unix_sockets)
    except OSError as error:
        logger.warning("client: not confined by seccomp: %s", error)
    return Confinement(version, is_filtered)


def _rules(folder: Path) -> Iterator[tuple[Path, int]]:
    yield folder, WORK
    yield folder.parent / SENDING, READ_FILE
    yield from ((device, READ_FILE | WRITE_FILE) for device in _DEVICES)
    # The client's folder is `accounts/NAME/client` of the home folder.
    home = folder.parent.parent.parent.resolve()
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
    """Yield the parts of a path outside the home folder, where other accounts and passwords lie."""
    if not home.is_relative_to(path.resolve()):
        yield path
    elif path.resolve() != home:
        for child in path.iterdir():
            # A link may lead into the home folder again, and a rule holds for what it leads to.
            if not child.is_symlink():
                yield from _beside(home, child)
