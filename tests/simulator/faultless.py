"""The check of every scenario: nothing undecryptable, nothing malformed, no query unanswered."""

from __future__ import annotations

import re
from collections.abc import Iterable

from whatsapp_simulator import WhatsApp

CORRUPTED = ["^undecryptable: ", "mismatching MAC", "Error decrypting message"]
"""The errors that a message changed in transit causes."""

_COMPLAINT = re.compile(r"\b(WARN|WARNING|ERROR)\b")
_HARMLESS = re.compile(
    r"ffmpeg|ffprobe"
    # Pairing ends with code 515, which asks for a new connection. The library warns if the server closes the
    # old one before it has handled that itself, and connects again all the same.
    r'|Closing handler queue loop in the middle of handling <stream:error code="515"/>'
)
"""What says something of the machine, or of a race that either side may win."""


async def settled(wa: WhatsApp, timeout: float = 5.0) -> None:
    """Return once every logged-in client has acknowledged all its stanzas.

    Raises:
        TimeoutError: One has not.
    """
    companions = [each for phone in wa.network.accounts for each in phone.companions.values()]
    await wa.network.until(lambda: not any(each.active and each.pending for each in companions), timeout)


def complaints(wa: WhatsApp, library_logs: Iterable[str]) -> list[str]:
    """The errors that either side logged: those of the servers, and warnings of the clients."""
    lines = [line for log in library_logs for line in log.splitlines()]
    warnings = [line for line in lines if _COMPLAINT.search(line) and not _HARMLESS.search(line)]
    return [*(f"{each.kind}: {each.detail}" for each in wa.log), *warnings]


def assert_faultless(wa: WhatsApp, library_logs: Iterable[str], tolerated: Iterable[str] = ()) -> None:
    """Fail if there is an error that no regular expression of `tolerated` matches."""
    allowed = [re.compile(pattern) for pattern in tolerated]
    left = [
        each for each in complaints(wa, library_logs) if not any(pattern.search(each) for pattern in allowed)
    ]
    if left:
        raise AssertionError("\n".join(left))
