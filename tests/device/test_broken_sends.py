"""Whatever one entry of the outbox contains, the others go out, and a restart does not meet it again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.device.outbox_rig import ANN, BOB, Rig, Wire, rig, text
from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.archive import open_archive, outbox
from whatsapp_mcp.device.outbox.composing import Composed
from whatsapp_mcp.errors import Unsupported, WhatsAppError
from whatsapp_mcp.models import (
    Content,
    EditContent,
    FileContent,
    ForwardContent,
    LocationContent,
    PinContent,
    PollContent,
    SendRequest,
    SendStatus,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

COLUMNS: Mapping[str, list[Any]] = {
    "request": [
        *("", "{", "null", "[]", "\0", b"\xff\x00", 7, '{"chat": "", "content": {"kind": "nonsense"}}'),
        *('{"chat": "", "content": {"kind": "text", "text": 7}}', "[" * 100_000, '{"chat": "' + "x" * 10**6),
    ],
    "chat": ["", "x", "a@b@c", "\0", b"\xff", "x" * 10**6],
    "status": ["queued", "sending", "unknown", "sent", "nonsense", b"\xff"],
    "created_at": [-(2**62), 2**62, "x", b""],
    "expires_at": [None, -(2**62), 2**62, "x", b""],
    "handed_to": [None, "", "x", "a b c d", "boot 7 x -", b"\xff"],
    "message_id": [None, "", "3EB0", b"\xff"],
    "secret": [None, b"", b"\xff" * 32, "text"],
    "reason": [None, "", b"\xff"],
}
"""By column of the outbox, what damage may leave in it."""
DAMAGE = st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.integers(0, 20), min_size=1, max_size=4)
FAILURES = st.sampled_from(
    [
        *(AttributeError, AssertionError, KeyError, LookupError, MemoryError, NotImplementedError, OSError),
        *(
            RecursionError,
            RuntimeError,
            StopAsyncIteration,
            TypeError,
            UnicodeError,
            ValueError,
            ZeroDivisionError,
        ),
        *(sqlite3.OperationalError, sqlite3.InterfaceError, anyio.ClosedResourceError),
        partial(ExceptionGroup, "several", [ValueError(), KeyError()]),
    ]
)
ANSWERS = st.sampled_from(
    [None, [], {}, {"id": None}, {"id": "", "timestamp": "x"}, {"id": "x", "timestamp": 1e99}]
)
HUGE = 10**30
STRANGE: list[Content] = [
    FileContent("document", "/no/such/file", "text/plain"),
    FileContent("image", "", "", thumbnail="no base64", width=HUGE),
    FileContent("voice", "/dev/null", "x" * 10**5, waveform="=", duration=-HUGE),
    LocationContent(float("nan"), float("inf")),
    PinContent("nobody", HUGE),
    PollContent("", tuple(str(number) for number in range(5000))),
    EditContent("3EB0", "x" * 10**6),
    VoteContent("", ("a",) * 1000),
    ForwardContent(HUGE),
    TextContent("", mentions=("", "x")),
]


@dataclass
class Broken(Wire):
    """A client that fails, or answers nonsense, for Ann's chat alone."""

    answer: Any = None
    fails: Callable[[], BaseException] | None = None
    handed: list[str] = field(default_factory=list[str])

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        if chat != ANN:
            return await super().hand_over(chat, message, handed_to, deadline)
        self.handed.append(chat)
        if self.fails is not None:
            raise self.fails()
        self.move_keys()
        return self.answer


def damage(folder: AccountFolder, send_id: int, columns: Mapping[str, int]) -> None:
    """Write what should not be there into the row of a send."""
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        for column, number in columns.items():
            value = COLUMNS[column][number % len(COLUMNS[column])]
            db.execute(f"UPDATE outbox SET {column} = ? WHERE id = ?", (value, send_id))


async def others_go_out(it: Rig, words: str) -> None:
    """A send to another chat is sent, and what was broken is settled within the same look."""
    with anyio.fail_after(30):
        assert (await it.outbox.submit(text(words, BOB))).status is SendStatus.SENT


def account(home: str) -> AccountFolder:
    """An account's folder."""
    folder = AccountFolder("default", Path(home) / "accounts" / "default")
    folder.create()
    return folder


@settings(max_examples=examples(20))
@given(st.lists(DAMAGE, min_size=1, max_size=4))
@example([{"request": 0}])
@example([{"chat": 1}, {"status": 1, "handed_to": 2}, {"status": 2, "handed_to": 4}])
async def test_damaged_rows_hold_nothing_up(damages: list[dict[str, int]]) -> None:
    with TemporaryDirectory() as home:
        folder = account(home)
        async with open_archive(folder, write=True) as archive:
            for number, columns in enumerate(damages):
                entry, _ = await archive.write(outbox.add, text(f"broken {number}"))
                damage(folder, entry.send_id, columns)
        async with rig(folder) as it:
            await others_go_out(it, "first")
            entry, _ = await it.archive.write(outbox.add, text("broken meanwhile"))
            damage(folder, entry.send_id, damages[0])
            await others_go_out(it, "second")
        async with rig(folder) as it:
            await others_go_out(it, "third")


@settings(max_examples=examples(12))
@given(FAILURES)
async def test_a_failure_while_a_send_is_prepared_fails_that_send_alone(
    failure: Callable[[], Exception],
) -> None:
    tried: list[str] = []

    async def composing(request: SendRequest) -> Composed:
        tried.append(request.chat)
        if request.chat == ANN:
            raise failure()
        return Composed(b"\x0a\x02hi", None)

    with TemporaryDirectory() as home:
        folder = account(home)
        async with rig(folder, composing=composing) as it:
            with pytest.raises(Unsupported, match="failed while it prepared"):
                await it.outbox.submit(text("broken", key="k"))
            result = await it.outbox.submit(text("broken", key="k2", wait=0))
            await others_go_out(it, "first")
            await it.until(result.send_id, SendStatus.FAILED)
            told = (await it.archive.outbox_get(result.send_id)).reason or ""
            assert told.startswith("UNSUPPORTED: This server failed")
        before = tried.count(ANN)
        async with rig(folder, composing=composing) as it:
            await others_go_out(it, "second")
        assert tried.count(ANN) == before


@for_each("content", STRANGE, folder="folders")
async def test_strange_contents_fail_alone(folder: AccountFolder, content: Content) -> None:
    async def client(method: str, parameters: dict[str, Any]) -> Any:
        return {"upload": "no base64!", "build_poll_vote": 7}[method]

    async with rig(folder, wire := Wire(), call=client) as it:
        try:
            result = await it.outbox.submit(SendRequest(ANN, content, wait=1))
            assert result.status in {SendStatus.SENT, SendStatus.FAILED}
        except WhatsAppError:
            pass
        await others_go_out(it, "next")
        assert wire.handed_over[-1] == BOB
        assert await it.archive.outbox_unsettled() == ()


@settings(max_examples=examples(15))
@given(ANSWERS, st.none() | FAILURES)
async def test_a_hand_over_that_fails_or_is_answered_with_nonsense_is_unknown(
    answer: Any, failure: Callable[[], Exception] | None
) -> None:
    with TemporaryDirectory() as home:
        folder, wire = account(home), Broken(answer=answer, fails=failure)
        async with rig(folder, wire) as it:
            result = await it.outbox.submit(text("broken"))
            assert result.status is SendStatus.UNKNOWN
            await others_go_out(it, "first")
        async with rig(folder, wire) as it:
            await others_go_out(it, "second")
        assert wire.handed == [ANN]
