"""Each tool does its work on WhatsApp, and each of its refusals changes nothing there.

The rows are made from the tools themselves: for every parameter of a known name there are wrong values and
the code that each must be refused with. What a tool's own code can raise is read from its source, so that a
refusal nobody tests is noticed.
"""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, NamedTuple

import anyio
import pytest
from mcp import Client

from tests.core import CORE_TOOLS
from tests.devices import direct
from tests.fixtures import until
from tests.server.everything import GOOD, Everything, everything
from tests.server.fakes import text_of
from tests.server.linked import LIMIT, png
from tests.server.worded import worded_codes
from tests.tables import for_each
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.policy import Effect

pytestmark = pytest.mark.anyio

TOOLS = CORE_TOOLS
HERE = {
    "link_device", "save_contact", "delete_chat", "export_chat", "set_aside", "remind_me", "change_scheduled",
}  # fmt: skip
"""Acts of which WhatsApp sees nothing."""
SEEN_BY_NOBODY = {"link_device", "reconnect", "export_chat"}
"""What a read-only account allows."""
OFFLINE = {
    "connection_status", "link_device", "list_chats", "list_messages", "search_messages",
    "get_message_context", "search_contacts", "get_contact", "message_status", "wait_for_messages",
    "await_approval", "scheduled",
    "get_poll_results", "list_calls", "export_chat", "delete_chat", "save_contact", "set_aside", "digest",
    "read_file",
}  # fmt: skip
"""What works without a link: it asks the archive alone."""
BY_THE_LIBRARY = {"privacy_settings", "download_media"}
"""What the client library does by itself, or tries until its client is replaced, while its link is down."""
CHATS = {"chat", "channel", "community", "parent"}
"""Parameters that name a chat."""
QUEUED = {
    "send_message", "send_file", "forward_message", "send_location", "send_contact", "send_poll",
    "post_status",
}  # fmt: skip
"""What waits for the link."""
LATER = {"remind_me", "change_scheduled"}
"""What is for later, and needs no link until then."""
PHOTOS = {
    "update_group": "photo", "update_profile": "photo", "create_channel": "photo", "post_status": "file",
}  # fmt: skip
"""What takes a picture, and in which argument."""
STORES = PHOTOS.keys() | {"send_file"}
"""What keeps a copy of a file until it is sent."""
SENDS = QUEUED | {"react", "edit_message", "delete_message", "vote_poll", "pin_message"}


class Row(NamedTuple):
    """A call that must be refused: the tool's good arguments with one of them replaced, or (`*`) several."""

    tool: str
    parameter: str
    value: Any
    code: str


LONG = "x" * 70_000
CHAT = (
    ("Zzyzx", "CHAT_NOT_FOUND"),
    (" ", "INVALID_ARGUMENT"),
    (LONG, "CHAT_NOT_FOUND"),
    ("Dora", "AMBIGUOUS_CHAT"),
    ("Boat", "AMBIGUOUS_CHAT"),
)
GROUP = (
    ("Zzyzx", "CHAT_NOT_FOUND"),
    (" ", "INVALID_ARGUMENT"),
    ("Dora", "CHAT_NOT_FOUND"),
    ("Boat", "AMBIGUOUS_CHAT"),
)
PERSON = (
    ("Zzyzx", "CONTACT_NOT_FOUND"),
    (" ", "INVALID_ARGUMENT"),
    (LONG, "CONTACT_NOT_FOUND"),
    ("Dora", "AMBIGUOUS_CHAT"),
    ("Rowers", "CONTACT_NOT_FOUND"),
)
PEOPLE = (*(([value], code) for value, code in PERSON), ([], "INVALID_ARGUMENT"))
MESSAGE = (("#99999", "MESSAGE_NOT_FOUND"), ("nonsense", "MESSAGE_NOT_FOUND"))
CHANNEL = (
    ("Zzyzx", "CHAT_NOT_FOUND"),
    (" ", "INVALID_ARGUMENT"),
    ("Weather", "AMBIGUOUS_CHAT"),
    ("15550001111@s.whatsapp.net", "CHAT_NOT_FOUND"),
    ("120363000000000000@newsletter", "REJECTED"),
)
INVALID = "INVALID_ARGUMENT"
WRONG: dict[str, tuple[tuple[Any, str], ...]] = {
    "chat": CHAT,
    "contact": PERSON,
    "sender": PERSON,
    "members": PEOPLE,
    "message": MESSAGE,
    "reply_to": MESSAGE,
    "channel": CHANNEL,
    "limit": ((0, INVALID), (501, INVALID)),
    "cursor": (("junk", INVALID),),
    "since": (("soon", INVALID),),
    "until": (("soon", INVALID),),
    "wait": ((51, INVALID), (-1, INVALID)),
    "detail": (("all", INVALID),),
    "mentions": ((["Ann"], INVALID),),
    "numbers": (([], INVALID), (["Ann"], INVALID)),
    "photo": (("/etc/hostname", "FILE_NOT_ALLOWED"),),
    "file": (("/etc/hostname", "FILE_NOT_ALLOWED"), ("data:,%%%", INVALID)),
    "album": ((["/etc/hostname"], "FILE_NOT_ALLOWED"), ([" "] * 31, INVALID)),
    "timer": (("1h", INVALID),),
    "path": (("/etc/hostname", "FILE_NOT_ALLOWED"),),
    "url": (("http://127.0.0.1/x", "FILE_NOT_ALLOWED"),),
    "data": (("%%%", INVALID), ("", INVALID)),
    "emoji": (("ok", INVALID), ("👍👍", INVALID)),
    "question": ((" ", INVALID), ("x" * 256, "TOO_LONG")),
    "topic": (("x" * 2049, "TOO_LONG"),),
    "description": (("x" * 2049, "TOO_LONG"),),
    "about": (("x" * 140, "TOO_LONG"),),
    "post": ((0, INVALID), (1 << 63, INVALID)),
    "link": (("x", INVALID), ("https://chat.whatsapp.com/AAAABBBBCCCCDDDDEEEEFF", INVALID)),
    "after": (("soon", INVALID),),
    "before": (("soon", INVALID),),
    "at": (("soon", INVALID), ("2020-01-01T09:00", INVALID)),
    "pages": (("soon", INVALID), ("9-2", INVALID), ("2", INVALID)),
}
"""By a parameter's name."""
OTHERS: dict[tuple[str, str], tuple[tuple[Any, str], ...]] = {
    **{(tool, "chat"): GROUP for tool, spec in TOOLS.items() if spec.toolset == "groups"},
    ("add_to_community", "community"): (*GROUP, ("Rowers", INVALID)),
    ("remove_from_community", "community"): (*GROUP, ("Market", INVALID)),
    ("create_group", "parent"): GROUP[0::3],
    **{(tool, "chat"): (*CHAT, ("+1 555 999 9999", "NOT_ON_WHATSAPP")) for tool in QUEUED},
    ("list_messages", "kind"): (("shoes", INVALID),),
    ("send_file", "kind"): (("voice", INVALID),),
    ("search_messages", "query"): (("", INVALID),),
    ("get_message_context", "before"): ((-1, INVALID),),
    ("send_location", "latitude"): ((91, INVALID),),
    ("send_poll", "options"): ((["one"], INVALID), (["a", "a"], INVALID)),
    ("vote_poll", "options"): ((["Someday"], INVALID),),
    ("update_privacy", "value"): (("known", INVALID),),
    **{
        (tool, "text"): ((" ", INVALID), (LONG, "TOO_LONG"))
        for tool in ("send_message", "edit_message", "post_status", "remind_me", "change_scheduled")
    },
    **{
        (tool, "name"): ((" ", INVALID), ("x" * 101, "TOO_LONG"))
        for tool in ("create_group", "update_group", "save_contact", "create_channel", "update_profile")
    },
}
"""By tool and parameter, where the name alone does not tell."""
TOGETHER: dict[str, tuple[tuple[dict[str, Any], str], ...]] = {
    "send_message": (
        ({"chat": "Rowers", "mentions": ["Eve"]}, "CONTACT_NOT_FOUND"),
        ({"unless_reply": True}, INVALID),
    ),
    "edit_message": (
        ({"message": "my place"}, "UNSUPPORTED"),
        ({"message": "mine in group", "mentions": ["Eve"]}, "CONTACT_NOT_FOUND"),
        ({"message": "mine in group", "mentions": ["An"]}, "AMBIGUOUS_CHAT"),
    ),
    "change_scheduled": (({"text": None}, INVALID), ({"send_id": 9999}, "MESSAGE_NOT_FOUND")),
    "send_file": (({"data": None, "path": "huge"}, "TOO_LONG"), ({"data": None}, INVALID)),
    "message_status": (
        ({"send_id": 1}, INVALID),
        ({"message": None, "send_id": 9999}, "MESSAGE_NOT_FOUND"),
        ({"message": None, "send_id": 1 << 63}, INVALID),
    ),
    "download_media": (({"message": "too large"}, "TOO_LONG"), ({"message": "text"}, "MEDIA_UNAVAILABLE")),
    "read_file": (({"message": "text"}, "MEDIA_UNAVAILABLE"),),
    "delete_message": (
        ({"message": None}, INVALID),
        ({"send_id": 1}, INVALID),
        ({"message": "text"}, "UNSUPPORTED"),
        ({"message": None, "send_id": 9999}, "MESSAGE_NOT_FOUND"),
    ),
    "update_chat": (({"chat": "120363000000000000@newsletter"}, "UNSUPPORTED"),),
    "get_poll_results": (({"message": "text"}, "MESSAGE_NOT_FOUND"),),
}
"""Arguments that are wrong together, by tool."""
TO_A_CHAT = (QUEUED - {"post_status"}) | {"send_typing", "mark_read", "update_chat", "delete_chat"}
"""What somebody may see in the chat that it names, or what deletes it."""
ALONE = {"path": "data", "url": "data", "album": "data"}
"""Parameters that are given in place of another."""


def _rows() -> Iterator[Row]:
    for tool, spec in TOOLS.items():
        yield Row(tool, "nonsense", 1, INVALID)
        for name, parameter in list(inspect.signature(spec.function).parameters.items())[1:]:
            if parameter.default is inspect.Parameter.empty:
                yield Row(tool, name, None, INVALID)
            for value, code in OTHERS.get((tool, name), WRONG.get(name, ())):
                yield Row(tool, name, value, code)
            if tool in TO_A_CHAT and name == "chat":
                yield Row(tool, name, "in group", "AMBIGUOUS_CHAT")
        for values, code in TOGETHER.get(tool, ()):
            yield Row(tool, "*", values, code)


ROWS = tuple(_rows())


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Everything]:
    """One account for all calls that leave it linked."""
    async with everything(tmp_path_factory.mktemp("world")) as made:
        yield made


async def answer_of(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Text and data of an answer, whatever it is."""
    result = await client.call_tool(tool, arguments)
    return text_of(result.content), result.structured_content or {}


async def code_of(client: Client, tool: str, arguments: dict[str, Any]) -> str | None:
    """The code that a call was refused with; None when it was not."""
    _, data = await answer_of(client, tool, arguments)
    return data["error"]["code"] if "error" in data else None


NAMES = {"ref", "number", "link", "next_cursor", "post", "code"}
"""What further calls are made with, wherever it stands in an answer."""
OUTCOMES = {"state", "status", "path", "send_id", "reason", "action", "note"}
"""What a model has to be told of what it has just done."""


def data_alone(text: str, data: dict[str, Any], asked: Collection[Any]) -> dict[str, Any]:
    """What a model needs in order to go on, did not ask with, and finds in the data only."""
    found = {key: data[key] for key in OUTCOMES & data.keys()}
    if data.get("ref"):
        # A ref is as good as the number of the send, and a message that has one was sent.
        found = {key: value for key, value in found.items() if key not in {"send_id", "status"}}
    values: list[Any] = [data]
    while values:
        match values.pop():
            case dict() as inner:
                found |= {key: value for key, value in inner.items() if key in NAMES}
                values += inner.values()
            case list() as several:
                values += several
            case _:
                pass
    return {
        key: value for key, value in found.items() if value and value not in asked and str(value) not in text
    }


@for_each("tool", sorted(TOOLS.keys() - {"unlink_device"}))
async def test_a_tool_does_its_work_and_only_acts_are_seen(world: Everything, tool: str) -> None:
    before, status = await world.settled(), await direct(world.linked.device).do(control.status)
    arguments = world.good(tool)
    text, data = await answer_of(world.linked.client, tool, arguments)
    assert "error" not in data
    assert data_alone(text, data, arguments.values()) == {}
    if tool == "reconnect":
        await world.online_after(status.generation)
    elif TOOLS[tool].reads or tool in HERE:
        assert await world.settled() == before
    else:
        await world.wa.network.until(lambda: world.seen() != before, LIMIT)


@for_each("row", ROWS)
async def test_a_wrong_argument_is_refused_and_changes_nothing(world: Everything, row: Row) -> None:
    arguments = world.good(row.tool)
    arguments.pop(ALONE.get(row.parameter, ""), None)
    arguments |= row.value if row.parameter == "*" else {row.parameter: row.value}
    words = {"huge": world.huge, **world.refs}
    arguments = {
        name: words.get(value, value) if isinstance(value, str) else value
        for name, value in arguments.items()
        if value is not None
    }
    before = await world.settled()
    assert await code_of(world.linked.client, row.tool, arguments) == row.code
    assert await world.settled() == before


@for_each(
    "tool",
    sorted(name for name, tool in TOOLS.items() if tool.effect is not Effect.READ),
)
async def test_a_read_only_account_acts_in_nothing(world: Everything, tool: str) -> None:
    before, status = await world.settled(), await direct(world.linked.device).do(control.status)
    code = await code_of(world.read_only, tool, world.good(tool))
    assert code == (None if tool in SEEN_BY_NOBODY else "DENIED")
    if tool == "reconnect":
        await world.online_after(status.generation)
    else:
        assert await world.settled() == before


async def test_without_a_link_each_tool_says_so_or_reads_the_archive(tmp_path: Any) -> None:
    async with everything(tmp_path) as world:
        assert await code_of(world.linked.client, "unlink_device", {}) is None
        assert world.wa.me.companion is None
        with anyio.fail_after(2 * LIMIT):
            codes = {
                tool: await code_of(world.linked.client, tool, world.good(tool))
                for tool in TOOLS.keys() - {"link_device"}
            }
    expected = dict.fromkeys(TOOLS.keys() - {"link_device"}, "NOT_LINKED")
    expected |= dict.fromkeys(OFFLINE - {"link_device"})
    expected["change_scheduled"] = "MESSAGE_NOT_FOUND"  # what was scheduled has ended with the link
    assert codes == expected


async def unreached(world: Everything, tool: str) -> str | None:
    """The code of a call while the connection is tried again and again."""
    # A call that meets the moment at which one client takes the place of another is busy.
    while (code := await code_of(world.linked.client, tool, world.good(tool))) == "BUSY":  # noqa: ASYNC110
        await anyio.sleep(0.01)
    return code


async def test_while_whatsapp_cannot_be_reached_each_tool_says_so_or_reads_the_archive(tmp_path: Any) -> None:
    tools = TOOLS.keys() - QUEUED - LATER - BY_THE_LIBRARY - {"unlink_device", "reconnect"}
    async with everything(tmp_path) as world:
        await world.wa.refuse()
        await until(world.linked.client, lambda status: status["state"] != "online", "connection_status")
        with anyio.fail_after(2 * LIMIT):
            codes = {tool: await unreached(world, tool) for tool in tools}
    expected = dict.fromkeys(tools, "NOT_CONNECTED")
    expected |= dict.fromkeys(OFFLINE)
    assert codes == expected


@for_each("tool", sorted(SENDS))
async def test_what_whatsapp_refuses_is_told(world: Everything, tool: str) -> None:
    world.wa.ack_error(479)
    try:
        code = await code_of(world.linked.client, tool, world.good(tool))
    finally:
        world.wa.recover()
    assert code == "REJECTED"


@for_each("tool", sorted(STORES))
async def test_a_file_for_which_the_disk_has_no_room_is_refused_and_changes_nothing(
    world: Everything, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = world.good(tool)
    if tool in PHOTOS:
        arguments[PHOTOS[tool]] = world.file("boat.png", png(8, 8))
    real = os.open

    def full(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith(".part"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *rest, **more)

    before = await world.settled()
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        assert await code_of(world.linked.client, tool, arguments) == "BUSY"
    assert await world.settled() == before


@for_each("tool", sorted(TOOLS))
def test_every_refusal_that_a_tool_words_itself_is_tested_here(tool: str) -> None:
    tested = {row.code for row in ROWS if row.tool == tool}
    tested |= {"BUSY"} if tool in STORES else set[str]()
    worded = set(worded_codes(TOOLS[tool].function))
    takes_chats = inspect.signature(TOOLS[tool].function).parameters.keys() & CHATS
    if "CONTACT_NOT_FOUND" in worded and not takes_chats:
        worded.discard("CHAT_NOT_FOUND")  # turned into the other before it leaves
    if tool == "send_file":
        worded.discard("CONTACT_NOT_FOUND")  # of a mention by name: in a caption only members are mentioned
    if tool == "change_scheduled":
        worded -= {"AMBIGUOUS_CHAT", "CONTACT_NOT_FOUND"}  # of a mention by name, which it does not take
    worded.discard("APPROVAL_REQUIRED")  # of the next file of an album: test_albums_end_to_end.py
    if tool == "wait_for_messages":
        worded.discard("BUSY")  # of a failure in one of several accounts: tests/server/test_accounts.py
    worded.discard("TOO_LATE")  # of messages that are days old: tests/server/test_message_tools.py
    assert worded <= tested


def test_no_tool_is_without_its_work() -> None:
    assert GOOD.keys() == TOOLS.keys()
