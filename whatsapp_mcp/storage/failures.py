"""Why a journal or a log cannot go on. None of it is for a model: it ends a client process or a leadership.

Their texts are fixed words and numbers, never what a database or a driver wrote.
"""

from __future__ import annotations


class StorageError(Exception):
    """Base of what a journal or a log raises, besides the `sqlite3.Error` of those that are files."""


class LeadershipOver(StorageError):
    """Base of what ends a leadership: with these objects nothing more can be written."""


class Fenced(LeadershipOver):
    """A newer leader, or a newer writer of the same leader, has taken over; nothing was written.

    Whoever gets it ends: its client process, its leadership.
    """


class Unavailable(LeadershipOver):
    """The database has not answered within the limit.

    Whether what was being written is there is unknown. The object is of no further use: each later call
    raises this as well. Whoever opens a new one finds out from `last()` or `last_seq()`, which tell what is
    committed for good.
    """


class Refused(LeadershipOver):
    """The database answers, and refuses what is asked of it, now and later.

    A fault of the account, as far as its leader knows, so it is counted. The object is of no further use, as
    after `Unavailable`.
    """


class Unwritable(LeadershipOver):
    """The leader's own files cannot be written, its disk is full for example: another machine may lead.

    What it has appended meanwhile is in the log, and is applied there.
    """


class Rewound(LeadershipOver):
    """The database lacks what it has acknowledged: it was restored, or a standby without it took over.

    Keys may have been used that it does not know of, so the account stops until a person relinks it.
    """


class Pruned(StorageError):
    """The rows asked for were deleted: a snapshot holds what they did."""
