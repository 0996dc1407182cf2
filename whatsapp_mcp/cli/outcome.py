"""How a command ends: its exit code, the line that reports a failure, and times for programs."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import IntEnum

from whatsapp_mcp.cli.advice import advice
from whatsapp_mcp.cli.terminal import shown
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError


class ExitCode(IntEnum):
    """The exit codes of `whatsapp-mcp`."""

    OK = 0
    FAILED = 1
    """It failed, was declined, or what was asked about is not ready."""
    USAGE = 2
    """An option, an argument, a setting or the home folder cannot be used; nothing was done."""
    INTERRUPTED = 130
    """Ctrl-C, as shells have it."""


def exit_code(error: WhatsAppError) -> ExitCode:
    """The exit code of a command that ends with this error."""
    return ExitCode.USAGE if isinstance(error, InvalidArgument) else ExitCode.FAILED


def print_error(error: WhatsAppError, account: str = "default") -> None:
    """One line on stderr: what happened, then what to do, as shell commands for this account."""
    said = error.message
    if error.candidates:
        from whatsapp_mcp.server.calls import candidate_text

        offered = [text for each in error.candidates if (text := candidate_text(each))]
        said = f"{said.removesuffix('.')}: {'; '.join(offered)}."
    line = f"Error: {said} {advice(error.code, error.action, account)}\n"
    sys.stderr.write(shown(line, sys.stderr))


def rfc3339(moment: datetime) -> str:
    """A time for programs, with its zone."""
    return moment.isoformat(timespec="seconds")
