"""A soak's figures as text."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from typing import Final

from benchmarks.soak.run import Outcome
from benchmarks.soak.watch import Life

_SHOWN: Final = 20
_EIGHTHS: Final = 8
PROMISED: Final = {
    "TCP cut": 0.5,
    "kill -9 of the client": 1.0,
    "kill -9 of the leader": 3.0,
    "half-open link": 60.0,
}
"""Seconds within which the link shall be online again, on a machine with nothing else to do."""


def report(outcome: Outcome) -> str:
    """All figures of a soak."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    chaos, verdict = outcome.chaos, outcome.verdict
    load = " → ".join(f"{each:.1f}" for each in outcome.load)
    yield f"soak of {outcome.seconds:g} s, seed {outcome.seed}; load {load} on {os.cpu_count()} cores"
    yield ""
    times = f"{'online after, p50':>19}{'max':>9}"
    yield f"{'fault':<52}{'done':>5}{'survived':>10}{times}{'clients ended':>15}  promised"
    for name in sorted(chaos.injected):
        heals = chaos.heals.get(name, [])
        times = f"{statistics.median(heals):>17.2f} s{max(heals):>7.2f} s" if heals else " " * 28
        line = f"{name:<52}{chaos.injected[name]:>5}{chaos.survived[name]:>10}{times}{chaos.ends[name]:>15}"
        yield f"{line}  {_kept_promise(heals, PROMISED[name])}" if name in PROMISED else line
    yield f"{'all':<52}{chaos.injected.total():>5}{chaos.survived.total():>10}"
    for name, why in chaos.skipped.items():
        yield f"skipped at least once: {name} ({why})"
    if chaos.left:
        yield f"no time for {len(chaos.left)}: {', '.join(chaos.left)}"
    yield ""
    yield f"server processes started {outcome.servers_started}, lost {len(outcome.servers_lost)}"
    yield f"client processes replaced {len(chaos.client_ends)}"
    yield f"messages to the account {verdict.spoken}, archived {verdict.archived}"
    yield "of these " + ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.kinds.items()))
    states = ", ".join(f"{count} {state}" for state, count in sorted(verdict.states.items()))
    yield f"sends asked for {verdict.asked}: {states}; received {verdict.received} (each reader counts)"
    fetched = ", ".join(f"{count} {what}" for what, count in sorted(outcome.downloads.items()))
    yield f"files fetched: {fetched or 'none'}; damaged {len(outcome.damaged)}"
    yield f"missing {verdict.missing}, doubled {verdict.doubled}, unexplained {len(outcome.complaints)}"
    yield f"gaps that the archive itself tells of: {len(outcome.gaps)}"
    for kind, count in sorted(outcome.remarks.items()):
        yield f"WhatsApp's remarks about the client: {count} × {kind}"
    for cause, texts in sorted(verdict.explained.items()):
        yield f"explained: {len(texts)} × {cause}"
    yield ""
    yield from _growth(outcome)
    for complaint in outcome.complaints[:_SHOWN]:
        yield f"UNEXPLAINED: {complaint}"
    if len(outcome.complaints) > _SHOWN:
        yield f"… and {len(outcome.complaints) - _SHOWN} more"


def _kept_promise(heals: list[float], limit: float) -> str:
    return f"< {limit:g} s: {sum(heal < limit for heal in heals)} of {len(heals)}"


def _growth(outcome: Outcome) -> Iterator[str]:
    lives = outcome.growth.lives()
    judged = [life.grown for life in lives if life.grown is not None]
    grown = sum(verdict != "nothing" for verdict in judged)
    yield f"processes that lived for long enough to tell whether they grow: {len(judged)}; grown {grown}"
    yield "those of each role that lived longest, in eighths of their lives (medians)"
    for life in _longest(lives):
        yield f"{life.role}, seen for {life.seconds:.0f} s: grown {life.grown or 'unknown, too short a life'}"
        parts = life.parts(_EIGHTHS)
        for name in ("memory", "threads", "files", "sockets"):
            yield f"{name + (' (MB)' if name == 'memory' else ''):>14}" + "".join(
                f"{getattr(part, name):>8g}" for part in parts
            )


def _longest(lives: list[Life]) -> Iterator[Life]:
    """Yield the longest life of each role, and all others that have grown."""
    told: set[str] = set()
    for life in lives:
        if life.role not in told or life.grown not in {None, "nothing"}:
            told.add(life.role)
            yield life
