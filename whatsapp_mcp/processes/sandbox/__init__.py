"""Permanent kernel restrictions on a process: no core dumps, and much more on Linux."""

from whatsapp_mcp.processes.sandbox.landlock import (
    ABSTRACT_UNIX_SOCKET,
    BIND_TCP,
    CONNECT_TCP,
    READ,
    READ_DIR,
    READ_FILE,
    SIGNAL,
    WORK,
    WRITE_FILE,
    apply_landlock,
)
from whatsapp_mcp.processes.sandbox.seccomp import compute_only, keep_to_itself
from whatsapp_mcp.processes.sandbox.system_calls import forbid_core_dumps, no_new_privileges

__all__ = [
    "ABSTRACT_UNIX_SOCKET",
    "BIND_TCP",
    "CONNECT_TCP",
    "READ",
    "READ_DIR",
    "READ_FILE",
    "SIGNAL",
    "WORK",
    "WRITE_FILE",
    "apply_landlock",
    "compute_only",
    "forbid_core_dumps",
    "keep_to_itself",
    "no_new_privileges",
]
