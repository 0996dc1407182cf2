"""The result of an import, in sentences of ours that contain no word of a file."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.features.imports.requests import ImportProgress, ImportStep
from whatsapp_mcp.models import ImportReport, ImportState, Unreadable

_WHY: Final = {
    Unreadable.NO_ID: "without an id of WhatsApp",
    Unreadable.NO_CHAT: "without a chat",
    Unreadable.NO_SENDER: "without a sender",
    Unreadable.NO_TIME: "without a possible time",
    Unreadable.NO_NUMBER: "without a phone number",
    Unreadable.OTHER_ACCOUNT: "of another account",
    Unreadable.DAMAGED: "damaged",
    Unreadable.EMPTY: "empty",
    Unreadable.DELETED: "deleted there",
}


def brought(report: ImportReport) -> str:
    """`1,200 new messages, 300 known already, 12 names, 40 files; from 2014-01-02 to 2020-03-04.`."""
    parts = [f"{_counted(report.new, 'new message')}, {report.known:,} known already"]
    if report.filled:
        parts.append(f"{report.filled:,} filled that had no content here")
    if report.names:
        parts.append(_counted(report.names, "name"))
    if report.files:
        parts.append(_counted(report.files, "file"))
    span = ""
    if report.first and report.last:
        span = f"; from {report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}"
    return f"{', '.join(parts)}{span}."


def left_out(report: ImportReport) -> str:
    """`Not taken over: 3 without a time; 2 files.`, and what is here as unknown; empty if all was read."""
    parts = [f"{report.unreadable[why]:,} {what}" for why, what in _WHY.items() if report.unreadable.get(why)]
    if report.files_left_out:
        parts.append(_counted(report.files_left_out, "file"))
    sentences = [f"Not taken over: {'; '.join(parts)}."] if parts else []
    if unknown := report.unreadable.get(Unreadable.UNKNOWN_KIND):
        sentences.append(f"Of a kind that is not read, so taken over as unknown: {unknown:,}.")
    return " ".join(sentences)


def how_far(progress: ImportProgress) -> str:
    """`has looked at 12,000 of 1,000,000 messages (1 %)`, of what is not over."""
    if progress.state is ImportState.WAITING:
        return "waits for the imports before it"
    if progress.step is ImportStep.OPENING:
        return "is being opened"
    if progress.step is ImportStep.UNDOING:
        return f"is being undone, and has looked at {progress.done:,} messages"
    does = "has looked at" if progress.step is ImportStep.MESSAGES else "takes over files, and has looked at"
    if not progress.total:
        return f"{does} {progress.done:,} messages"
    done = min(progress.done, progress.total)
    return f"{does} {done:,} of {progress.total:,} messages ({100 * done // progress.total} %)"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
