"""Logs tell what failed and where, and never what people wrote."""

from __future__ import annotations

import logging
import sqlite3

import pytest
from pydantic import TypeAdapter

from whatsapp_mcp.text.redaction import RedactingFormatter

FORMATTER = RedactingFormatter("%(message)s")
SECRET = "Meet me at eight"


def written(error: BaseException) -> str:
    """The log's entry about an exception."""
    record = logging.LogRecord("any", logging.ERROR, __file__, 1, "it failed", None, None)
    record.exc_info = (type(error), error, error.__traceback__)
    return FORMATTER.format(record)


def test_no_entry_holds_the_credentials_of_a_url() -> None:
    words = "dial socks5://me:hunter2@proxy:1080 for http://word@host/a@b: refused"
    record = logging.LogRecord("any", logging.WARNING, __file__, 1, words, None, None)
    assert FORMATTER.format(record) == "dial socks5://proxy:1080 for http://host/a@b: refused"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """The same exception with the way to it."""
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def test_an_exception_is_named_with_the_way_to_it_and_without_its_text() -> None:
    entry = written(raised(ValueError(SECRET), cause=raised(KeyError(SECRET))))
    assert SECRET not in entry
    assert "ValueError" in entry
    assert "KeyError" in entry
    assert "in raised" in entry


def test_the_input_of_a_failed_validation_is_left_out() -> None:
    with pytest.raises(ValueError, match=SECRET) as caught:
        TypeAdapter(int).validate_python(SECRET)
    assert SECRET not in written(caught.value)


def test_every_exception_of_a_group_is_named() -> None:
    entry = written(raised(ExceptionGroup(SECRET, [ValueError(SECRET), OSError("disk full")])))
    assert SECRET not in entry
    assert "ValueError" in entry
    assert "OSError: disk full" in entry


@pytest.mark.parametrize("error", [OSError(28, "No space left"), sqlite3.OperationalError("disk I/O error")])
def test_what_the_disk_says_is_kept(error: Exception) -> None:
    assert str(error) in written(raised(error))


def test_no_line_that_a_record_quotes_begins_another_entry() -> None:
    quoted = "0.5\n2026-12-01 ERROR approved\x1b[2J\u2028done"
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, "version %s", (quoted,), None)
    (line,) = RedactingFormatter("%(levelname)s %(message)s").format(record).splitlines()
    assert line == r"WARNING version 0.5\n2026-12-01 ERROR approved\x1b[2J\u2028done"
