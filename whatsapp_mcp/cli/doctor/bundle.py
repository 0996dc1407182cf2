"""The report for an issue: what the checks found, with everything taken out that tells who somebody is.

Three nets, each for what the one before lets through: the texts of errors, which may quote a person, are
left out or lose what they quote; every value that this computer and the settings are known to hold is
replaced; and so is whatever has the form of an address, a number, a path or a key.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.doctor.redacting import Redactor
from whatsapp_mcp.cli.terminal import aligned

_HEAD = "whatsapp-mcp doctor: a report without names, numbers, messages, paths of yours, tokens and keys"


def report(found: Sequence[Finding], redactor: Redactor | None = None) -> str:
    """The text.

    Args:
        found: What the checks found.
        redactor: Takes out what is private; None knows this computer and its settings.
    """
    redact = redactor or Redactor.here()
    rows = [(_mark(finding), redact.name_of(finding), redact.detail_of(finding)) for finding in found]
    return f"{_HEAD}\n\n{_system()}\n\n{aligned(rows)}\n"


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "FAIL"
    return "note" if finding.action else "ok"


def _system() -> str:
    """The system, by words that many computers have in common."""
    libc = " ".join(platform.libc_ver()).strip()
    parts = [platform.system(), platform.release(), platform.machine(), libc, f"{os.cpu_count()} CPUs"]
    return "system: " + ", ".join(part for part in parts if part)
