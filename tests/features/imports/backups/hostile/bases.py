"""Small honest databases of each program, with something of everything: what is made hostile."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.features.imports.backups import android, android_schemas, gowa, iphone, wacli
from tests.features.imports.backups.lharries import bridge_database

ANN: Final = "15550000001@s.whatsapp.net"
BEN: Final = "15550000002@s.whatsapp.net"
GROUP: Final = "120363000000000001@g.us"
AT: Final = 1_600_000_000
COUNT: Final = 40
"""Messages of each."""
PEOPLE: Final = (ANN, BEN)


def _lharries(path: Path) -> Path:
    rows: list[tuple[Any, ...]] = []
    for number in range(COUNT):
        chat = GROUP if number % 2 else ANN
        file = ("image", "a.jpg", "https://mmg.whatsapp.net/d/f/1.enc", b"k" * 32, b"s" * 32, b"e" * 32, 9)
        row = (f"A{number:04}", chat, "15550000001", f"text {number}", _written(number), number % 5 == 0)
        rows.append((*row, *file) if number % 7 == 0 else row)
    return bridge_database(path, [(ANN, "Ann"), (GROUP, "Club")], rows)


def _gowa(path: Path) -> Path:
    messages = [
        {
            "id": f"A{number:04}", "chat_jid": GROUP if number % 2 else ANN, "sender": PEOPLE[number % 2],
            "content": f"text {number}", "timestamp": _written(number), "is_from_me": number % 5 == 0,
            "media_type": "image" if number % 7 == 0 else "", "file_length": 9,
        }
        for number in range(COUNT)
    ]  # fmt: skip
    reactions = [
        {
            "message_id": f"A{number:04}", "chat_jid": GROUP if number % 2 else ANN, "reactor_jid": BEN,
            "emoji": "👍", "reaction_timestamp": _written(number + 1),
        }
        for number in range(0, COUNT, 3)
    ]  # fmt: skip
    edits = [
        {
            "original_message_id": f"A{number:04}", "edit_event_id": f"E{number}", "chat_jid": ANN,
            "editor": ANN, "new_content": "edited", "edited_at": _written(number + 2),
        }
        for number in range(0, COUNT, 8)
    ]  # fmt: skip
    return gowa.storage(
        path, chats=[(ANN, "Ann"), (GROUP, "Club")], messages=messages,
        devices=[{"device_id": gowa.DEVICE, "jid": gowa.DEVICE}], message_reactions=reactions,
        message_edits=edits,
    )  # fmt: skip


def _wacli(path: Path) -> Path:
    messages = [
        {
            "chat_jid": GROUP if number % 2 else ANN, "msg_id": f"A{number:04}",
            "sender_jid": PEOPLE[number % 2], "text": f"text {number}", "ts": AT + 60 * number,
            "from_me": int(number % 5 == 0), "media_type": "image" if number % 7 == 0 else None,
            "file_sha256": b"s" * 32, "quoted_msg_id": f"A{number - 1:04}" if number % 6 == 0 else None,
        }
        for number in range(COUNT)
    ]  # fmt: skip
    voted = '["Yes"]'
    return wacli.store(
        path, messages=messages,
        chats=[{"jid": ANN, "kind": "dm", "name": "Ann"}, {"jid": GROUP, "kind": "group", "name": "Club"}],
        contacts=[{"jid": ANN, "phone": "15550000001", "push_name": "Ann", "full_name": "Ann Lee"}],
        groups=[{"jid": GROUP, "name": "Club", "owner_jid": ANN, "created_ts": AT}],
        group_participants=[{"group_jid": GROUP, "user_jid": jid, "role": "member"} for jid in PEOPLE],
        starred=[{"chat_jid": ANN, "msg_id": "A0002", "starred_at": AT + 999}],
        polls=[{
            "chat_jid": GROUP, "msg_id": f"A{number:04}", "sender_jid": BEN, "question": "Come?",
            "options_json": '["Yes", "No"]', "created_ts": AT,
        } for number in range(1, COUNT, 8)],
        poll_votes=[{
            "chat_jid": GROUP, "poll_msg_id": f"A{number:04}", "voter_jid": ANN, "vote_msg_id": f"V{number}",
            "selected_options_json": voted, "ts": AT + 5_000,
        } for number in range(1, COUNT, 8)],
        call_events=[{
            "chat_jid": ANN, "sender_jid": ANN, "call_id": f"C{number}", "event_type": "offer",
            "ts": AT + number, "outcome": "missed", "participants": "[]",
        } for number in range(4)],
        message_locations=[{
            "chat_jid": ANN, "msg_id": "A0004", "latitude": 1.5, "longitude": 2.5, "name": "Harbour",
        }],
    )  # fmt: skip


def _iphone(path: Path, version: iphone.Version) -> Path:
    receipts = iphone.Receipts(
        reactions=[("R1", BEN, "👍", (AT + 9) * 1000), ("R2", None, "🎉", (AT + 10) * 1000)],
        poll=("Come?", ["Yes", "No"]),
        votes=[(BEN, [0], (AT + 11) * 1000), (None, [1], (AT + 12) * 1000)],
    ).blob()
    with iphone.ChatStorage(path, version) as made:
        ann, group = made.chat(ANN, "Ann"), made.chat(GROUP, "Club", sessiontype=1)
        members = [made.member(group, jid, name="A member") for jid in PEOPLE]
        for number in range(COUNT):
            values: dict[str, Any] = {"text": f"text {number}", "isfromme": int(number % 5 == 0)}
            if number % 2:
                values["groupmember"] = members[number // 2 % 2]
            else:
                values["fromjid"] = ANN
            media: dict[str, Any] = {"title": "t", "medialocalpath": "Media/a.jpg", "filesize": 9}
            media |= {"metadata": iphone.quote(f"A{number - 1:04}"), "mediakey": b"\n\x01k"}
            known = {column.split()[0] for column in version.tables["ZWAMEDIAITEM"].split(",")}
            made.message(
                group if number % 2 else ann,
                f"A{number:04}",
                AT + 60 * number,
                kind=(0, 1, 2, 3, 5, 8)[number // 7 % 6],
                media={key: value for key, value in media.items() if f"Z{key.upper()}" in known}
                if number % 3 == 0
                else None,
                receipts=receipts if number % 4 == 0 else None,
                **values,
            )
    return path


def _android(path: Path, version: android_schemas.Version) -> Path:
    with android.Backup(path, version) as made:
        if version.is_new:
            made.chat(GROUP, "Club")
        for number in range(COUNT):
            mine = int(number % 5 == 0)
            chat, sender = (GROUP, PEOPLE[number % 3 % 2]) if number % 2 else (ANN, None)
            kind = (0, 1, 2, 3, 5, 9)[number % 6]
            row = made.message(
                chat,
                f"A{number:04}",
                f"text {number}",
                kind=kind,
                sender=None if mine else sender,
                from_me=mine,
            )
            if version.is_new:
                _android_parts(made, row, kind, mine=bool(mine))
        if version.is_new:
            made.insert("call_log", jid_row_id=made.jid(BEN), from_me=0, call_id="C1", timestamp=android.AT)
    return path


def _android_parts(made: android.Backup, row: int, kind: int, *, mine: bool) -> None:
    """What belongs to a message in the newer versions."""
    tables, ben = made.version.tables, made.jid(BEN)
    if kind in (1, 2, 3, 9):
        made.insert(
            "message_media", message_row_id=row, file_path="Media/a.jpg", file_size=9, media_key=b"k" * 32
        )
    if kind == 5:
        made.insert("message_location", message_row_id=row, latitude=1.5, longitude=2.5, place_name="Harbour")
    if row % 4 == 0:
        made.insert(
            "message_quoted", message_row_id=row, chat_row_id=1, parent_message_chat_row_id=1, from_me=0,
            key_id=f"A{row - 1:04}",
        )  # fmt: skip
    if mine:
        made.insert(
            "receipt_user", message_row_id=row, receipt_user_jid_row_id=ben, read_timestamp=android.AT
        )
    if row % 3 == 0 and "message_add_on" in tables:
        add_on = made.add_on(row, 56, sender=BEN)
        made.insert(
            "message_add_on_reaction",
            message_add_on_row_id=add_on,
            reaction="👍",
            sender_timestamp=android.AT,
        )
    if row % 5 == 0 and "message_poll" in tables:
        made.insert("message_poll", message_row_id=row, selectable_options_count=1)
        option = made.insert("message_poll_option", message_row_id=row, option_name="Yes")
        add_on = made.add_on(row, 67, sender=BEN)
        made.insert("message_add_on_poll_vote", message_add_on_row_id=add_on, sender_timestamp=android.AT)
        made.insert(
            "message_add_on_poll_vote_selected_option", message_add_on_row_id=add_on,
            message_poll_option_id=option,
        )  # fmt: skip


def _written(number: int) -> str:
    minute, hour = number % 60, 10 + number // 60
    return f"2020-09-13 {hour:02}:{minute:02}:00+00:00"


BASES: Final[Mapping[str, Callable[[Path], Path]]] = {
    "android 2016": lambda path: _android(path, android_schemas.V2016),
    "android 2025": lambda path: _android(path, android_schemas.V2025),
    "lharries": _lharries,
    "gowa": _gowa,
    "wacli": _wacli,
    "iphone 2016": lambda path: _iphone(path, iphone.V2016),
    "iphone 2025": lambda path: _iphone(path, iphone.V2025),
}
MESSAGES: Final[Mapping[str, str]] = {
    "android 2016": "messages",
    "android 2025": "message",
    "lharries": "messages",
    "gowa": "messages",
    "wacli": "messages",
    "iphone 2016": "ZWAMESSAGE",
    "iphone 2025": "ZWAMESSAGE",
}
"""In which table each has its messages."""


@cache
def content(base: str) -> bytes:
    """The bytes of one."""
    with tempfile.TemporaryDirectory() as folder:
        return BASES[base](Path(folder, "made.db")).read_bytes()


def copy(base: str, folder: Path) -> Path:
    """One in a file of its own."""
    path = folder / "archive.db"
    path.write_bytes(content(base))
    return path
