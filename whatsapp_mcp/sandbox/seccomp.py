"""seccomp: a filter in the kernel that lets a process compute, and use what it has open; nothing else.

A list of what is allowed, since what a kernel offers grows with every release. Any other call fails with
EPERM: opening, finding, changing and removing files, sockets, programs, processes, signals to anybody, memory
of others. The numbers are those of asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from whatsapp_mcp.sandbox.system_calls import failure, system_call


class _Machine(NamedTuple):
    """An architecture: its number in linux/audit.h, and those of calls."""

    audit: int
    seccomp: int
    clone: int
    clone3: int
    prlimit64: int
    newfstatat: int
    allowed: str


_MACHINES: Final = {
    # In both: read write close fstat lseek pread64 mmap mprotect munmap brk mremap mincore madvise, readv
    # writev poll ppoll, rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall, sched_yield
    # sched_getaffinity nanosleep clock_gettime clock_getres clock_nanosleep gettimeofday times getrusage
    # getcpu, getpid gettid uname sysinfo getrandom, exit exit_group futex set_tid_address set_robust_list
    # membarrier rseq; getrlimit and time are calls of their own on x86-64 alone.
    "x86_64": _Machine(
        0xC000003E, 317, 56, 435, 302, 262,
        "0 1 3 5 8 17 9 10 11 12 25 27 28 19 20 7 271 13 14 15 131 219 24 204 35 228 229 230 96 100 98 309"
        " 39 186 63 99 318 60 231 202 218 273 324 334 97 201",
    ),
    "aarch64": _Machine(
        0xC00000B7, 277, 220, 435, 261, 79,
        "63 64 57 80 62 67 222 226 215 214 216 232 233 65 66 73 134 135 139 132 128 124 123 101 113 114 115"
        " 169 153 165 168 172 178 160 179 278 93 94 98 96 99 283 293",
    ),
}  # fmt: skip

_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_FAIL: Final = 0x00050000
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_FIRST_ARGUMENT: Final = 16
_FOURTH_ARGUMENT: Final = 40
"""Offsets in `struct seccomp_data` (linux/seccomp.h); of an argument, its lower half on these machines."""
_CLONE_THREAD: Final = 0x10000
_AT_EMPTY_PATH: Final = 0x1000
_SET_MODE_FILTER: Final = 1
_TSYNC: Final = 1
"""The filter is to hold for all threads, those that were started before it too."""

_Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip if a comparison holds, and if not, and a value (linux/filter.h)."""


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def compute_only(*, sizes: bool = False) -> bool:
    """Allow this process, in all its threads, nothing from now on but computing and using what is open.

    It needs `no_new_privileges` first.

    Args:
        sizes: Whether it must be able to ask for the size of an open file, with any C library. glibc 2.33 to
            2.38 does that with a call that takes a path too, and a filter does not see whether that is
            empty: the process can then ask for the size and times of any file, though not for its content.

    Returns:
        Whether the filter is in force; False on an architecture for which there is none.

    Raises:
        OSError: The kernel refuses, or has no seccomp.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or struct.calcsize("P") != 8:  # a Python of 32 bits makes other calls
        return False
    instructions = b"".join(struct.pack("=HBBI", *each) for each in _filter(machine, sizes=sizes))
    program = _Program(len(instructions) // 8, instructions)
    if system_call(machine.seccomp, _SET_MODE_FILTER, _TSYNC, program):
        raise failure("seccomp")
    return True


def _filter(machine: _Machine, *, sizes: bool) -> Iterator[_Instruction]:
    """The instructions; a call of another architecture, which has other numbers, fails like any other."""
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _JUMP_IF_EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _LOAD, 0, 0, _NUMBER
    for number in map(int, machine.allowed.split()):
        yield _JUMP_IF_EQUAL, 0, 1, number
        yield _RETURN, 0, 0, _ALLOW
    # Its arguments are in memory, where a filter cannot look. The C library then uses `clone`.
    yield _JUMP_IF_EQUAL, 0, 1, machine.clone3
    yield _RETURN, 0, 0, _FAIL | errno.ENOSYS
    # Threads are started, processes are not.
    yield _JUMP_IF_EQUAL, 0, 4, machine.clone
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield _JUMP_IF_ANY_BIT, 0, 1, _CLONE_THREAD
    yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    if sizes:
        yield _JUMP_IF_EQUAL, 0, 4, machine.newfstatat
        yield _LOAD, 0, 0, _FOURTH_ARGUMENT
        yield _JUMP_IF_EQUAL, 0, 1, _AT_EMPTY_PATH
        yield _RETURN, 0, 0, _ALLOW
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
    # The limits of this process, not those of others.
    yield _JUMP_IF_EQUAL, 0, 3, machine.prlimit64
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield _JUMP_IF_EQUAL, 0, 1, 0
    yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
