"""A soak's figures as text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final

from benchmarks.soak.run import Outcome
from benchmarks.soak.watch import Holding

_SHOWN: Final = 20
PROMISED: Final = {
    "TCP cut": 0.5,
    "kill -9 of the client": 1.0,
    "kill -9 of the host": 3.0,
    "half-open link": 60.0,
}
"""Seconds within which the link shall be online again, on a machine with nothing else to do."""


def report(outcome: Outcome) -> str:
    """All figures of a soak."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    chaos, verdict = outcome.chaos, outcome.verdict
    yield f"soak of {outcome.seconds:g} s, seed {outcome.seed}"
    yield ""
    yield f"{'fault':<52}{'done':>5}{'survived':>10}{'online after, p50':>19}{'max':>9}  promised"
    for name in sorted(chaos.injected):
        heals = chaos.heals.get(name, [])
        times = f"{statistics.median(heals):>17.2f} s{max(heals):>7.2f} s" if heals else ""
        line = f"{name:<52}{chaos.injected[name]:>5}{chaos.survived[name]:>10}{times}"
        yield f"{line}  {_kept_promise(heals, PROMISED[name])}" if name in PROMISED else line
    yield f"{'all':<52}{chaos.injected.total():>5}{chaos.survived.total():>10}"
    for name, why in chaos.skipped.items():
        yield f"skipped at least once: {name} ({why})"
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
    yield f"{'first → last quarter (medians)':<34}{'MB':>16}{'threads':>12}{'files':>12}{'sockets':>12}"
    for role, (first, last) in outcome.growth.quarters().items():
        yield _change(role, first, last)
    for role, (seconds, first, last) in outcome.growth.oldest().items():
        yield _change(f"{role} that lived {seconds:.0f} s", first, last)


def _change(what: str, first: Holding, last: Holding) -> str:
    return (
        f"{what:<34}{f'{first.memory:g} → {last.memory:g}':>16}{f'{first.threads} → {last.threads}':>12}"
        f"{f'{first.files} → {last.files}':>12}{f'{first.sockets} → {last.sockets}':>12}"
    )
