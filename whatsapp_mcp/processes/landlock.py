"""Landlock: rules of the kernel on what this process may do with files, TCP and other processes.

It is Linux's own (landlock(7), Linux 5.13 or newer); its calls are made here, because no library for Python
wraps them in a release that is maintained. The rules hold for the thread that sets them and for threads and
processes that it starts later. They do not cover reading or changing what is known of a file by its path
(stat, chmod, chown, utime), nor files that are open.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from whatsapp_mcp.processes.system_calls import failure, system_call

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""Numbers of the calls, the same on every architecture (asm-generic/unistd.h)."""
_VERSION: Final = 1
"""Flag of `landlock_create_ruleset`: return the newest version of the interface (linux/landlock.h)."""
_PATH_BENEATH: Final = 1
"""`LANDLOCK_RULE_PATH_BENEATH` (linux/landlock.h)."""
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
_TRUNCATE: Final = 1 << 14
_OF_FILES: Final = (1 << 0) | WRITE_FILE | READ_FILE | _TRUNCATE | (1 << 15)
"""The rights that a rule for one file may name."""
READ: Final = READ_FILE | READ_DIR
WORK: Final = READ | WRITE_FILE | _TRUNCATE | (1 << 5) | (1 << 7) | (1 << 8)
"""Reading, writing and removing files, and making files and folders."""
_KNOWN: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 5: 0xFFFF}
"""From which version on which rights on files are known; all that are known are taken away."""
BIND_TCP: Final = 1 << 0
CONNECT_TCP: Final = 1 << 1
_HAS_TCP: Final = 4
"""Version of the interface that restricts TCP (Linux 6.7)."""
ABSTRACT_UNIX_SOCKET: Final = 1 << 0
"""Connecting to an abstract Unix socket (a name without a file) that another process has made."""
SIGNAL: Final = 1 << 1
"""Sending a signal to a process that is not confined in the same way."""
_HAS_SCOPES: Final = 6
"""Version of the interface that has scopes (Linux 6.12)."""


def apply_landlock(files: Iterable[tuple[Path, int]], *, network: int, scopes: int) -> int:
    """Take away every right on files but those given, some on TCP, and some on other processes.

    Args:
        files: Files and folders, with the rights that stay on them and on what is below; those that are not
            there are passed over.
        network: `BIND_TCP`, `CONNECT_TCP`: what is taken away, on any port, with Linux 6.7 or newer.
        scopes: `ABSTRACT_UNIX_SOCKET`, `SIGNAL`: what is taken away, with Linux 6.12 or newer.

    Returns:
        The version of Landlock that is in force; 0 where the kernel has none.

    Raises:
        OSError: The kernel refuses.
    """
    version = system_call(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:  # not built in, or switched off at boot
        return 0
    known = max(rights for since, rights in _KNOWN.items() if since <= version)
    # The structure grows with the versions, and a kernel refuses fields that it does not know (E2BIG).
    attributes = struct.pack("=Q", known)
    if version >= _HAS_TCP:
        attributes += struct.pack("=Q", network)
    if version >= _HAS_SCOPES:
        attributes += struct.pack("=Q", scopes)
    ruleset = system_call(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise failure("landlock_create_ruleset")
    try:
        for path, rights in files:
            # A rule may grant only what the ruleset takes away (EINVAL).
            _allow(ruleset, path, rights & known)
        if system_call(_RESTRICT_SELF, ruleset, 0):
            raise failure("landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        # O_PATH needs no right to read, and neither waits for a FIFO nor wakes a device.
        beneath = os.open(path, os.O_PATH)
    except OSError:  # not on this system
        return
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            # The kernel refuses rights on folders in the rule for a file (EINVAL).
            rights &= _OF_FILES
        # `struct landlock_path_beneath_attr` is packed.
        if system_call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, beneath), 0):
            raise failure("landlock_add_rule")
    finally:
        os.close(beneath)
