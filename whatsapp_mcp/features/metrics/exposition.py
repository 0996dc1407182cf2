"""The figures in the forms that Prometheus reads, by its own library (extra `metrics`)."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

import whatsapp_mcp
from whatsapp_mcp.features.metrics import catalogue as c
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.calls import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from prometheus_client.core import Metric as Family

    from whatsapp_mcp.features.metrics.gathering import AccountFigures

_Values = dict[tuple[str, ...], float]
"""The values of a metric, by its labels."""
_LAST_BUCKET: Final = "+Inf"


def exposed(
    figures: Sequence[AccountFigures], library: str, accept: str, further: c.Figures | None = None
) -> tuple[bytes, str]:
    """The answer to a scrape.

    Args:
        figures: Of each account.
        library: Version of the client library.
        accept: The header of this name, which chooses between the formats.
        further: Beside those of accounts.

    Returns:
        The body and its content type.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Snapshot(figures, library, further or {}))
    return encode(registry), content_type


class _Snapshot:
    """Collector for the registry with the figures of one scrape."""

    def __init__(self, figures: Sequence[AccountFigures], library: str, further: c.Figures) -> None:
        self._figures = figures
        self._further = further
        self._library = library

    def describe(self) -> Iterable[Family]:
        """Nothing: the registry would collect once more to learn the names."""
        return ()

    def collect(self) -> Iterator[Family]:
        """One family for each metric of the catalogue that has a value."""
        build = GaugeMetricFamily(c.BUILD.full_name, c.BUILD.says, labels=c.BUILD.labels)
        build.add_metric([whatsapp_mcp.__version__, self._library], 1)
        yield build
        pairs = [(figures, values_of(figures)) for figures in self._figures]
        for metric in c.METRICS:
            if metric is c.BUILD:
                continue
            family = _family(metric, c.ACCOUNT, *metric.labels)
            for figures, values in pairs:
                if isinstance(family, HistogramMetricFamily):
                    _add_durations(family, figures)
                    continue
                for labels, value in values.get(metric, {}).items():
                    family.add_metric([figures.account, *labels], value)
            if family.samples:
                yield family
        for metric, values in self._further.items():
            family = _family(metric, *metric.labels)
            assert not isinstance(family, HistogramMetricFamily)
            for labels, value in values.items():
                family.add_metric(labels, value)
            if family.samples:
                yield family


def _family(
    metric: c.Metric, *labels: str
) -> GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily:
    kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}
    return kinds[metric.kind](metric.full_name, metric.says, labels=labels)


def _add_durations(family: HistogramMetricFamily, figures: AccountFigures) -> None:
    """The histogram of each tool; the library wants its buckets cumulative."""
    for tool, durations in sorted(figures.meter.durations.items()):
        bounds = (*map(str, BOUNDS), _LAST_BUCKET)
        buckets = list(zip(bounds, map(float, accumulate(durations.counts)), strict=True))
        family.add_metric([figures.account, tool], buckets, durations.total)


def values_of(figures: AccountFigures) -> dict[c.Metric, _Values]:
    """The values of every gauge and counter of an account; what could not be told is left out."""
    return {
        **_of_connection(figures),
        **_of_leader(figures),
        **_of_files(figures),
        **_of_what_waits(figures),
        c.CALLS: {key: float(count) for key, count in figures.meter.outcomes.items()},
    }


def _of_connection(figures: AccountFigures) -> dict[c.Metric, _Values]:
    status = figures.status
    values = {
        c.OPEN: _one(status is not None),
        c.LEADER_UP: _one(figures.is_led),
        c.LEADING: _one(figures.leads),
        c.READY: _one(figures.is_ready),
    }
    if status is None:
        return values
    values[c.STATE] = {(state.value,): float(state is status.state) for state in ConnectionState}
    if status.state is ConnectionState.OFFLINE:  # nobody leads, so nobody knows the rest
        return values
    return values | {
        c.LINKED: _one(status.number is not None),
        c.GENERATION: _one(status.generation),
        c.LAST_EVENT: _moment(status.last_event_at),
        c.LAST_SENT: _moment(status.last_sent_at),
        c.PHONE_SEEN: _moment(status.phone_seen_at),
        c.JOURNAL_WAITING: _one(status.journal_waiting),
        c.LOST: _one(status.events_lost),
        c.UNDECODED: _one(status.undecoded),
        c.TASK_FAILURES: {(task,): float(count) for task, count in status.failures.items()},
        c.SETTINGS_INVALID: _one(status.settings_error is not None),
        **_of_messages_files(figures),
    }


def _of_messages_files(figures: AccountFigures) -> dict[c.Metric, _Values]:
    files = figures.status.files if figures.status else None
    if files is None:
        return {}
    waiting: _Values = {("fetch",): files.to_fetch, ("read",): files.to_read}
    return {c.FILES_WAITING: waiting, c.FILES_FAILED: _one(files.failed)}


def _of_leader(figures: AccountFigures) -> dict[c.Metric, _Values]:
    leader = figures.leader
    if leader is None:
        return {}
    values = {
        c.LEADING_SINCE: _moment(leader.leading_since),
        c.LOGINS: _one(leader.logins),
        c.JOURNAL_POSITION: _one(leader.journaled),
        c.ARCHIVE_POSITION: _one(leader.archived),
        c.JOURNAL_STALLED: _one(leader.journal_stalled),
        c.SENDS: {(status,): float(count) for status, count in leader.sends.items()},
        c.REFUSALS: {(code,): float(count) for code, count in leader.refusals.items()},
    }
    if leader.client_memory is not None:
        values[c.CLIENT_MEMORY] = _one(leader.client_memory)
    if leader.client_seconds is not None:
        values[c.CLIENT_SECONDS] = _one(leader.client_seconds)
    return values


def _of_files(figures: AccountFigures) -> dict[c.Metric, _Values]:
    files = figures.files
    if files is None:
        return {}
    return {
        c.FILE_BYTES: {(name,): float(size) for name, size in files.sizes.items()},
        c.QUARANTINES: _one(files.quarantined),
        c.DISK_FREE: _one(files.free),
        c.DISK_SIZE: _one(files.total),
    }


def _of_what_waits(figures: AccountFigures) -> dict[c.Metric, _Values]:
    values = dict[c.Metric, _Values]()
    if figures.sends is not None:
        states = ("scheduled", "queued", "sending", "unknown")
        counts = {(state,): 0.0 for state in states}
        counts |= {(each.status,): float(each.count) for each in figures.sends}
        waiting = [each.oldest_at for each in figures.sends if each.status != "scheduled"]
        values |= {c.SENDS_OPEN: counts, c.OLDEST_SEND: _age(min(waiting, default=None), figures.at)}
    if figures.waiting is not None:
        values |= {
            c.APPROVALS: _one(figures.waiting.approvals),
            c.OLDEST_APPROVAL: _age(figures.waiting.oldest_approval, figures.at),
            c.WEBHOOKS_FAILING: _one(figures.waiting.webhooks_failing),
            c.WEBHOOK_EVENTS_FAILED: _one(figures.waiting.events_failed),
        }
    return values


def _one(value: float) -> _Values:
    return {(): float(value)}


def _moment(moment: datetime | None) -> _Values:
    return {} if moment is None else _one(moment.timestamp())


def _age(since: datetime | None, now: datetime) -> _Values:
    """Seconds since then; 0 where nothing waits."""
    return _one(0 if since is None else max(0.0, (now - since).total_seconds()))
