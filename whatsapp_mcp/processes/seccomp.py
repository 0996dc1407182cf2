"""seccomp: filters in the kernel for what processes of ours need not do.

`compute_only` is a list of what is allowed, since what a kernel offers grows with every release. Any other
call fails with EPERM: opening, finding, changing and removing files, sockets, programs, processes, signals to
anybody, memory of others. `keep_to_itself` is a list of what is refused, for a process whose library may make
any other call. The numbers are those of asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from whatsapp_mcp.processes.system_calls import failure, system_call


class _Machine(NamedTuple):
    """An architecture: its number in linux/audit.h, and those of calls."""

    audit: int
    seccomp: int
    clone: int
    clone3: int
    prlimit64: int
    newfstatat: int
    socket: int
    bind: int
    fcntl: int
    ioctl: int
    mmap: int
    about_itself: str
    allowed: str
    refused: str


_MACHINES: Final = {
    # In both: read write close fstat lseek pread64 mmap mprotect munmap brk mremap mincore madvise, readv
    # writev poll ppoll, rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall, sched_yield
    # sched_getaffinity nanosleep clock_gettime clock_getres clock_nanosleep gettimeofday times getrusage
    # getcpu, getpid gettid uname sysinfo getrandom, exit exit_group futex set_tid_address set_robust_list
    # membarrier rseq; getrlimit and time are calls of their own on x86-64 alone.
    # Refused in both: fork vfork execve execveat, tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal
    # pidfd_open pidfd_getfd, listen, ptrace process_vm_readv process_vm_writev kcmp process_madvise, keyctl
    # add_key request_key, io_uring_* (which no filter sees into), bpf perf_event_open userfaultfd, setns
    # unshare pivot_root chroot mount umount2 and what moves mounts, name_to_handle_at open_by_handle_at,
    # memory, semaphores and queues of System V and of POSIX, and what Landlock does not look at when it is
    # done to a path: truncate chmod chown utime setxattr removexattr, mknod; inotify and fanotify, which tell
    # names in any folder; setpriority sched_setparam sched_setscheduler sched_setattr sched_setaffinity
    # ioprio_set migrate_pages move_pages, which slow other processes; memfd_create memfd_secret, whose memory
    # no limit of this process counts.
    "x86_64": _Machine(
        0xC000003E, 317, 56, 435, 302, 262, 41, 49, 72, 16, 9, "62 234",
        "0 1 3 5 8 17 9 10 11 12 25 27 28 19 20 7 271 13 14 15 131 219 24 204 35 228 229 230 96 100 98 309"
        " 39 186 63 99 318 60 231 202 218 273 324 334 97 201",
        "57 58 59 322 200 129 297 424 434 438 50 101 310 311 312 440 250 248 249 425 426 427 321 298 323"
        " 308 272 155 161 165 166 428 429 430 431 432 433 442 303 304 29 30 31 67 64 65 66 71 68 69 70"
        " 240 241 242 243 244 245 76 90 92 94 132 235 261 268 260 452 280 188 189 197 198 463 466 133 259"
        " 253 254 294 300 301 141 142 144 203 251 314 256 279 319 447",
    ),
    "aarch64": _Machine(
        0xC00000B7, 277, 220, 435, 261, 79, 198, 200, 25, 29, 222, "129 131",
        "63 64 57 80 62 67 222 226 215 214 216 232 233 65 66 73 134 135 139 132 128 124 123 101 113 114 115"
        " 169 153 165 168 172 178 160 179 278 93 94 98 96 99 283 293",
        "221 281 130 138 240 424 434 438 201 117 270 271 272 440 219 217 218 425 426 427 280 241 282"
        " 268 97 41 51 40 39 428 429 430 431 432 433 442 264 265 194 195 196 197 190 191 192 193 186 187"
        " 188 189 180 181 182 183 184 185 45 53 54 452 88 5 6 14 15 463 466 33"
        " 26 27 262 263 140 118 119 122 30 274 238 239 279 447",
    ),
}  # fmt: skip

_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_FAIL: Final = 0x00050000
"""SECCOMP_RET_ERRNO: the call fails with the error in the lower 16 bits, and the process goes on."""
_JUMP_IF_AT_LEAST: Final = 0x35
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_FIRST_ARGUMENT: Final = 16
_SECOND_ARGUMENT: Final = 24
_THIRD_ARGUMENT: Final = 32
_FOURTH_ARGUMENT: Final = 40
"""Offsets in `struct seccomp_data` (linux/seccomp.h); of an argument, its lower half on these machines."""
_CLONE_THREAD: Final = 0x10000
_OTHER_CALLS: Final = 0x40000000
"""From here on the numbers are those of x32, under which x86-64 offers its calls again."""
_NETWORK: Final = (2, 10, 16)
"""AF_INET and AF_INET6, and AF_NETLINK, by which the C library asks which addresses this machine has."""
_NETLINK: Final = 16
_UNIX: Final = 1
"""AF_UNIX (sys/socket.h)."""
_MPTCP: Final = 262
"""IPPROTO_MPTCP (linux/in.h), whose ports Landlock does not look at."""
_NETLINK_ADDRESS: Final = 12
"""Bytes of `struct sockaddr_nl`; an address of the network has more."""
_SIGNAL_OWNERS: Final = (8, 10, 15, 1026)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: whom the kernel signals for a file, and how; F_NOTIFY watches a folder."""
_IOCTL_OWNERS: Final = (0x8901, 0x8902)
"""FIOSETOWN, SIOCSPGRP: the same for a socket."""
_SHARED: Final = 1
_ANONYMOUS: Final = 0x20
"""MAP_SHARED, MAP_ANONYMOUS: together, memory that no limit of this process counts."""
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
    machine = _machine()
    if machine is not None:
        _install(machine, _computing(machine, sizes=sizes))
    return machine is not None


def keep_to_itself(*, unix_sockets: bool = False) -> bool:
    """Let this process, in all its threads, start no process and reach none on this machine from now on.

    It runs no program, starts threads alone, and neither signals nor looks into other processes. It connects
    to the network, listens nowhere, and has no way to sockets that are files or names: those of a session
    start programs for whoever asks. It needs `no_new_privileges` first.

    Args:
        unix_sockets: Whether it must be able to connect to those all the same.

    Returns:
        Whether the filter is in force; False on an architecture for which there is none.

    Raises:
        OSError: The kernel refuses, or has no seccomp.
    """
    machine = _machine()
    if machine is not None:
        families = (*_NETWORK, _UNIX) if unix_sockets else _NETWORK
        _install(machine, _keeping_to_itself(machine, families))
    return machine is not None


def _machine() -> _Machine | None:
    # A Python of 32 bits makes other calls.
    return _MACHINES.get(platform.machine()) if struct.calcsize("P") == 8 else None


def _install(machine: _Machine, instructions: Iterator[_Instruction]) -> None:
    packed = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    # `struct sock_filter` has 8 bytes.
    program = _Program(len(packed) // 8, packed)
    if system_call(machine.seccomp, _SET_MODE_FILTER, _TSYNC, program):
        raise failure("seccomp")


def _own_calls(machine: _Machine) -> Iterator[_Instruction]:
    """Refuse a call of another architecture, which has other numbers, and load the number of the call."""
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _JUMP_IF_EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _LOAD, 0, 0, _NUMBER


def _threads_alone(machine: _Machine) -> Iterator[_Instruction]:
    """Let threads be started, and no processes."""
    # Its arguments are in memory, where a filter cannot look. The C library then uses `clone`.
    yield _JUMP_IF_EQUAL, 0, 1, machine.clone3
    yield _RETURN, 0, 0, _FAIL | errno.ENOSYS
    yield _JUMP_IF_EQUAL, 0, 4, machine.clone
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield _JUMP_IF_ANY_BIT, 0, 1, _CLONE_THREAD
    yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _FAIL | errno.EPERM


def _own_limits(machine: _Machine) -> Iterator[_Instruction]:
    """Let the limits of this process be set, and those of no other."""
    yield _JUMP_IF_EQUAL, 0, 4, machine.prlimit64
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield _JUMP_IF_EQUAL, 0, 1, 0
    yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _FAIL | errno.EPERM


def _keeping_to_itself(machine: _Machine, families: tuple[int, ...]) -> Iterator[_Instruction]:
    yield from _own_calls(machine)
    yield _JUMP_IF_AT_LEAST, 0, 1, _OTHER_CALLS
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    for number in map(int, machine.refused.split()):
        yield _JUMP_IF_EQUAL, 0, 1, number
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield from _threads_alone(machine)
    yield from _own_limits(machine)
    # `kill` and `tgkill` of this process; its number stays, since it starts no other.
    for number in map(int, machine.about_itself.split()):
        yield _JUMP_IF_EQUAL, 0, 4, number
        yield _LOAD, 0, 0, _FIRST_ARGUMENT
        yield _JUMP_IF_EQUAL, 0, 1, os.getpid()
        yield _RETURN, 0, 0, _ALLOW
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield from _own_files(machine)
    yield from _network_alone(machine, families)
    yield _RETURN, 0, 0, _ALLOW


def _own_files(machine: _Machine) -> Iterator[_Instruction]:
    """Let no file signal anybody, and no memory be taken beside the limit of this process."""
    # The kernel takes these commands as 32 bits, so their lower half is all of them.
    for number, commands in ((machine.fcntl, _SIGNAL_OWNERS), (machine.ioctl, _IOCTL_OWNERS)):
        yield _JUMP_IF_EQUAL, 0, 2 + 2 * len(commands), number
        yield _LOAD, 0, 0, _SECOND_ARGUMENT
        for command in commands:
            yield _JUMP_IF_EQUAL, 0, 1, command
            yield _RETURN, 0, 0, _FAIL | errno.EPERM
        yield _RETURN, 0, 0, _ALLOW
    yield _JUMP_IF_EQUAL, 0, 5, machine.mmap
    yield _LOAD, 0, 0, _FOURTH_ARGUMENT
    yield _JUMP_IF_ANY_BIT, 0, 2, _ANONYMOUS
    yield _JUMP_IF_ANY_BIT, 0, 1, _SHARED
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _RETURN, 0, 0, _ALLOW


def _network_alone(machine: _Machine, families: tuple[int, ...]) -> Iterator[_Instruction]:
    """Let sockets of these families be made, and none of them be bound to a port."""
    yield _JUMP_IF_EQUAL, 0, 4, machine.bind
    yield _LOAD, 0, 0, _THIRD_ARGUMENT
    yield _JUMP_IF_EQUAL, 0, 1, _NETLINK_ADDRESS
    yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _JUMP_IF_EQUAL, 0, 7 + 2 * len(families), machine.socket
    yield _LOAD, 0, 0, _THIRD_ARGUMENT
    yield _JUMP_IF_EQUAL, 4 + 2 * len(families), 0, _MPTCP
    yield _JUMP_IF_EQUAL, 2, 0, 0
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield _JUMP_IF_EQUAL, 1 + 2 * len(families), 0, _NETLINK  # of its protocols the C library needs 0
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    for family in families:
        yield _JUMP_IF_EQUAL, 0, 1, family
        yield _RETURN, 0, 0, _ALLOW
    # As a kernel without that family answers (socket(2)), which libraries expect.
    yield _RETURN, 0, 0, _FAIL | errno.EAFNOSUPPORT


def _computing(machine: _Machine, *, sizes: bool) -> Iterator[_Instruction]:
    yield from _own_calls(machine)
    # The numbers of x32 need no test of their own: none of them is allowed.
    for number in map(int, machine.allowed.split()):
        yield _JUMP_IF_EQUAL, 0, 1, number
        yield _RETURN, 0, 0, _ALLOW
    yield from _threads_alone(machine)
    if sizes:
        yield _JUMP_IF_EQUAL, 0, 4, machine.newfstatat
        yield _LOAD, 0, 0, _FOURTH_ARGUMENT
        yield _JUMP_IF_EQUAL, 0, 1, _AT_EMPTY_PATH
        yield _RETURN, 0, 0, _ALLOW
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield from _own_limits(machine)
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
