"""The filter on system calls, run as the kernel runs it: for architectures that are not at hand, too."""

from __future__ import annotations

import errno
import platform
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.processes import seccomp
from whatsapp_mcp.processes.seccomp import compute_only

ALLOWED, REFUSED, MISSING = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
MACHINES = st.sampled_from(sorted(seccomp._MACHINES))
WORDS = st.integers(0, 2**32 - 1)


def verdict(
    machine: str,
    number: int,
    argument: int = 0,
    *,
    fourth: int = 0,
    audit: int | None = None,
    sizes: bool = False,
) -> int:
    """What the filter of a machine answers to a call with these arguments (linux/filter.h)."""
    known = seccomp._MACHINES[machine]
    data = {0: number, 4: known.audit if audit is None else audit, 16: argument, 40: fourth}
    return answer(list(seccomp._computing(known, sizes=sizes)), data)


def answer(program: list[seccomp._Instruction], data: dict[int, int]) -> int:
    """What a filter answers to `struct seccomp_data`, by offset."""
    loaded, at = 0, 0
    while True:
        code, if_so, if_not, value = program[at]
        at += 1
        match code:
            case 0x20:
                loaded = data[value]
            case 0x15:
                at += if_so if loaded == value else if_not
            case 0x35:
                at += if_so if loaded >= value else if_not
            case 0x45:
                at += if_so if loaded & value else if_not
            case _:
                return value


UNSUPPORTED = 0x50000 | errno.EAFNOSUPPORT


@for_each("machine", sorted(seccomp._MACHINES))
@for_each(
    ("call", "arguments", "expected"),
    [
        ("socket", (2, 1, 0), ALLOWED),
        ("socket", (10, 2, 17), ALLOWED),
        ("socket", (16, 3, 0), ALLOWED),
        ("socket", (16, 3, 15), UNSUPPORTED),
        ("socket", (2, 1, 262), UNSUPPORTED),
        ("socket", (10, 1, 262), UNSUPPORTED),
        ("socket", (1, 1, 0), UNSUPPORTED),
        ("socket", (40, 1, 1), UNSUPPORTED),
        ("bind", (3, 0, 12), ALLOWED),
        ("bind", (3, 0, 16), REFUSED),
        ("bind", (3, 0, 28), REFUSED),
        ("fcntl", (3, 4, 0), ALLOWED),
        ("fcntl", (3, 8, 1), REFUSED),
        ("fcntl", (3, 10, 9), REFUSED),
        ("fcntl", (3, 15, 0), REFUSED),
        ("ioctl", (3, 0x5401, 0), ALLOWED),
        ("ioctl", (3, 0x8901, 0), REFUSED),
        ("ioctl", (3, 0x8902, 0), REFUSED),
        ("mmap", (0, 0, 3, 0x22), ALLOWED),
        ("mmap", (0, 0, 3, 0x01), ALLOWED),
        ("mmap", (0, 0, 3, 0x21), REFUSED),
    ],
)
def test_a_client_may_use_its_files_and_the_network_and_signal_nobody_by_them(
    machine: str, call: str, arguments: tuple[int, ...], expected: int
) -> None:
    known = seccomp._MACHINES[machine]
    data = dict.fromkeys(range(16, 64, 8), 0) | {0: getattr(known, call), 4: known.audit}
    data |= {16 + 8 * at: value for at, value in enumerate(arguments)}
    assert answer(list(seccomp._keeping_to_itself(known, seccomp._NETWORK)), data) == expected


@given(MACHINES, st.integers(0, 1_000) | WORDS, WORDS)
def test_a_call_that_is_not_on_the_list_fails(machine: str, number: int, argument: int) -> None:
    known = seccomp._MACHINES[machine]
    allowed = {*map(int, known.allowed.split())}
    if number not in {known.clone, known.clone3, known.prlimit64}:
        assert verdict(machine, number, argument) == (ALLOWED if number in allowed else REFUSED)


@given(MACHINES, WORDS)
def test_threads_are_started_and_processes_are_not(machine: str, flags: int) -> None:
    known = seccomp._MACHINES[machine]
    assert verdict(machine, known.clone, flags) == (ALLOWED if flags & 0x10000 else REFUSED)
    assert verdict(machine, known.clone3, flags) == MISSING


@given(MACHINES, WORDS, st.booleans())
def test_the_size_of_a_file_is_asked_for_by_its_descriptor(machine: str, flags: int, sizes: bool) -> None:
    call = seccomp._MACHINES[machine].newfstatat
    assert verdict(machine, call, fourth=flags, sizes=sizes) == (
        ALLOWED if sizes and flags == 0x1000 else REFUSED
    )
    assert verdict(machine, call, fourth=0x1000, sizes=sizes) == (ALLOWED if sizes else REFUSED)


@given(MACHINES, WORDS)
def test_only_the_limits_of_the_process_itself_are_set(machine: str, pid: int) -> None:
    known = seccomp._MACHINES[machine]
    assert verdict(machine, known.prlimit64, pid) == (REFUSED if pid else ALLOWED)
    assert verdict(machine, known.prlimit64, 0) == ALLOWED


@given(MACHINES, st.integers(0, 500), WORDS)
def test_the_numbers_of_another_architecture_are_not_taken_for_its_own(
    machine: str, number: int, audit: int
) -> None:
    if audit != seccomp._MACHINES[machine].audit:
        assert verdict(machine, number, audit=audit) == REFUSED


@pytest.mark.skipif(sys.platform != "linux", reason="a filter is Linux's")
def test_an_architecture_without_a_filter_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert compute_only() is False
