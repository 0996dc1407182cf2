"""The metrics of a node and of its fleet: from its own process, and from the database where it answers."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from cryptography import x509

from whatsapp_fleet.node.status import catalogue as f
from whatsapp_fleet.node.status.database import DatabaseFigures
from whatsapp_mcp.features.metrics import Figures, Metric, Values

if TYPE_CHECKING:
    from pathlib import Path

    from whatsapp_fleet.node.node import Node

_STATES: Final = ("taking", "leading", "offline")
_ACCOUNT_STATES: Final = ("active", "drained", "quarantined", "moved")
_HOW: Final = ("warm", "cold")


def fleet_figures(node: Node, database: DatabaseFigures | None) -> Figures:
    """All that can be told now.

    Args:
        node: This one.
        database: What the database says; None if it does not answer.
    """
    metrics = _of_process(node) | {f.NODE_DATABASE: _one(database is not None)}
    return metrics if database is None else metrics | _of_database(database)


def _of_process(node: Node) -> dict[Metric, Values]:
    context = node.context
    states = Counter(account.state for account in node.accounts.values())
    took = {
        (name,): account.last_takeover_seconds
        for name, account in node.accounts.items()
        if account.last_takeover_seconds is not None
    }
    now = time.monotonic()
    metrics: dict[Metric, Values] = {
        f.NODE_LEASE: _one(max(0.0, context.run.until() - context.clock())),
        f.NODE_CAPACITY: _one(context.settings.node.accounts),
        f.NODE_ACCOUNTS: {(state,): float(states[state]) for state in _STATES},
        f.NODE_TAKEOVERS: {(how,): float(node.takeovers[how]) for how in _HOW},
        f.NODE_FENCED: _one(node.fenced),
        f.NODE_REWOUND: _one(node.rewound),
        f.TAKEOVER_SECONDS: took,
        f.COPY_AGE: {
            (name,): max(0.0, now - as_of)
            for name in node.copies.accounts
            if (as_of := node.copies.as_of(name)) is not None
        },
    }
    if context.run.commit_seconds is not None:
        metrics[f.NODE_COMMIT] = _one(context.run.commit_seconds)
    certificate = context.settings.node.certificate
    if certificate is not None and (expires := _expiry(certificate)) is not None:
        metrics[f.NODE_CERTIFICATE] = _one(expires)
    return metrics


def _of_database(figures: DatabaseFigures) -> dict[Metric, Values]:
    states = {each.state: each for each in figures.states}
    counts = {(state,): float(states[state].accounts if state in states else 0) for state in _ACCOUNT_STATES}
    active = states.get("active")
    metrics: dict[Metric, Values] = {
        f.EPOCH: {(each.account,): float(each.epoch) for each in figures.led},
        f.LOG_ROWS: {(each.account,): float(each.log_rows) for each in figures.led},
        f.FLEET_NODES: _one(figures.runs),
        f.FLEET_CAPACITY: _one(figures.capacity),
        f.FLEET_ACCOUNTS: counts,
        f.FLEET_UNLED: _one(active.unled if active else 0),
        f.FLEET_RESTING: _one(active.resting if active else 0),
    }
    if figures.standbys is not None:
        metrics[f.STANDBYS] = _one(figures.standbys)
    return metrics


def _one(value: float) -> Values:
    return {(): float(value)}


def _expiry(certificate: Path) -> float | None:
    """When the certificate in a PEM file expires; None if the file cannot be read."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None
