"""Databases of WhatsApp on an iPhone, in several versions.

Tables and columns are those that people who read their own backups have published (docs/importing.md). Each
version has the columns that were seen in that year, and no others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.features.imports.backups.protobuf import field as encoded

EPOCH: Final = 978_307_200
"""2001-01-01, where Core Data counts from."""
_CORE: Final = "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER"


@dataclass(frozen=True)
class Version:
    """What the databases of one time consist of.

    Attributes:
        year: When it was seen.
        tables: Columns by table, as in CREATE TABLE.
    """

    year: int
    tables: Mapping[str, str]


_OLD: Final = {
    "ZWACHATSESSION": """ZSESSIONTYPE INTEGER, ZGROUPINFO INTEGER, ZLASTMESSAGE INTEGER,
        ZLASTMESSAGEDATE TIMESTAMP, ZCONTACTJID VARCHAR, ZPARTNERNAME VARCHAR""",
    "ZWAMESSAGE": """ZFLAGS INTEGER, ZGROUPEVENTTYPE INTEGER, ZISFROMME INTEGER, ZMESSAGESTATUS INTEGER,
        ZMESSAGETYPE INTEGER, ZSORT INTEGER, ZCHATSESSION INTEGER, ZGROUPMEMBER INTEGER, ZMEDIAITEM INTEGER,
        ZMESSAGEINFO INTEGER, ZPARENTMESSAGE INTEGER, ZMESSAGEDATE TIMESTAMP, ZFROMJID VARCHAR,
        ZPUSHNAME VARCHAR, ZSTANZAID VARCHAR, ZTEXT VARCHAR, ZTOJID VARCHAR""",
    "ZWAMEDIAITEM": """ZFILESIZE INTEGER, ZMOVIEDURATION INTEGER, ZMESSAGE INTEGER, ZLATITUDE FLOAT,
        ZLONGITUDE FLOAT, ZMEDIALOCALPATH VARCHAR, ZMEDIAURL VARCHAR, ZTITLE VARCHAR, ZVCARDNAME VARCHAR,
        ZVCARDSTRING VARCHAR""",
    "ZWAGROUPMEMBER": """ZISADMIN INTEGER, ZCHATSESSION INTEGER, ZCONTACTNAME VARCHAR, ZMEMBERJID VARCHAR""",
    "ZWAGROUPINFO": "ZCHATSESSION INTEGER, ZCREATIONDATE TIMESTAMP, ZOWNERJID VARCHAR",
    "ZWAMESSAGEINFO": "ZMESSAGE INTEGER, ZRECEIPTINFO BLOB",
}
_MIDDLE: Final = _OLD | {
    "ZWAMESSAGE": """ZCHILDMESSAGESDELIVEREDCOUNT INTEGER, ZCHILDMESSAGESPLAYEDCOUNT INTEGER,
        ZCHILDMESSAGESREADCOUNT INTEGER, ZDATAITEMVERSION INTEGER, ZDOCID INTEGER, ZENCRETRYCOUNT INTEGER,
        ZFILTEREDRECIPIENTCOUNT INTEGER, ZFLAGS INTEGER, ZGROUPEVENTTYPE INTEGER, ZISFROMME INTEGER,
        ZMESSAGEERRORSTATUS INTEGER, ZMESSAGESTATUS INTEGER, ZMESSAGETYPE INTEGER, ZSORT INTEGER,
        ZSPOTLIGHTSTATUS INTEGER, ZSTARRED INTEGER, ZCHATSESSION INTEGER, ZGROUPMEMBER INTEGER,
        ZLASTSESSION INTEGER, ZMEDIAITEM INTEGER, ZMESSAGEINFO INTEGER, ZPARENTMESSAGE INTEGER,
        ZMESSAGEDATE TIMESTAMP, ZSENTDATE TIMESTAMP, ZFROMJID VARCHAR, ZMEDIASECTIONID VARCHAR,
        ZPHASH VARCHAR, ZPUSHNAME VARCHAR, ZSTANZAID VARCHAR, ZTEXT VARCHAR, ZTOJID VARCHAR""",
    "ZWAMEDIAITEM": """ZCLOUDSTATUS INTEGER, ZFILESIZE INTEGER, ZMEDIAORIGIN INTEGER, ZMOVIEDURATION INTEGER,
        ZMESSAGE INTEGER, ZASPECTRATIO FLOAT, ZHACCURACY FLOAT, ZLATITUDE FLOAT, ZLONGITUDE FLOAT,
        ZMEDIAURLDATE TIMESTAMP, ZAUTHORNAME VARCHAR, ZCOLLECTIONNAME VARCHAR, ZMEDIALOCALPATH VARCHAR,
        ZMEDIAURL VARCHAR, ZTHUMBNAILLOCALPATH VARCHAR, ZTITLE VARCHAR, ZVCARDNAME VARCHAR,
        ZVCARDSTRING VARCHAR, ZXMPPTHUMBPATH VARCHAR, ZMEDIAKEY BLOB, ZMETADATA BLOB""",
    "ZWAGROUPMEMBER": """ZCONTACTABID INTEGER, ZISACTIVE INTEGER, ZISADMIN INTEGER, ZSENDERKEYSENT INTEGER,
        ZCHATSESSION INTEGER, ZRECENTGROUPCHAT INTEGER, ZCONTACTIDENTIFIER VARCHAR, ZCONTACTNAME VARCHAR,
        ZFIRSTNAME VARCHAR, ZMEMBERJID VARCHAR""",
    "ZWAPROFILEPUSHNAME": "ZJID VARCHAR, ZPUSHNAME VARCHAR",
    "ZWAMESSAGEDATAITEM": """ZINDEX INTEGER, ZTYPE INTEGER, ZMESSAGE INTEGER, ZTITLE VARCHAR,
        ZSUMMARY VARCHAR, ZMATCHEDTEXT VARCHAR""",
}
_NEW: Final = _MIDDLE | {
    "ZWACHATSESSION": """ZARCHIVED INTEGER, ZCONTACTABID INTEGER, ZFLAGS INTEGER, ZHIDDEN INTEGER,
        ZIDENTITYVERIFICATIONEPOCH INTEGER, ZIDENTITYVERIFICATIONSTATE INTEGER, ZMESSAGECOUNTER INTEGER,
        ZREMOVED INTEGER, ZSESSIONTYPE INTEGER, ZSPOTLIGHTSTATUS INTEGER, ZUNREADCOUNT INTEGER,
        ZGROUPINFO INTEGER, ZLASTMESSAGE INTEGER, ZPROPERTIES INTEGER, ZLASTMESSAGEDATE TIMESTAMP,
        ZLOCATIONSHARINGENDDATE TIMESTAMP, ZCONTACTIDENTIFIER VARCHAR, ZCONTACTJID VARCHAR, ZETAG VARCHAR,
        ZLASTMESSAGETEXT VARCHAR, ZPARTNERNAME VARCHAR, ZSAVEDINPUT VARCHAR""",
}
V2016: Final = Version(2016, _OLD)
V2020: Final = Version(2020, _MIDDLE)
V2025: Final = Version(2025, _NEW)
VERSIONS: Final = (V2016, V2020, V2025)

_CONTACTS: Final = {
    "ZWAADDRESSBOOKCONTACT": """ZFULLNAME VARCHAR, ZGIVENNAME VARCHAR, ZBUSINESSNAME VARCHAR, ZLID VARCHAR,
        ZPHONENUMBER VARCHAR, ZWHATSAPPID VARCHAR"""
}
_LIDS: Final = {
    "ZWAZACCOUNT": """ZCREATEDAT TIMESTAMP, ZDISPLAYNAME VARCHAR, ZIDENTIFIER VARCHAR, ZPHONENUMBER VARCHAR"""
}
_CALLS: Final = {
    "ZWAAGGREGATECALLEVENT": """ZINCOMING INTEGER, ZMISSED INTEGER, ZMISSEDREASON INTEGER, ZVIDEO INTEGER,
        ZFIRSTDATE TIMESTAMP""",
    "ZWACDCALLEVENT": """Z1CALLEVENTS INTEGER, ZBYTESRECEIVED INTEGER, ZBYTESSENT INTEGER, ZOUTCOME INTEGER,
        ZDATE TIMESTAMP, ZDURATION FLOAT, ZCALLIDSTRING VARCHAR, ZGROUPCALLCREATORUSERJIDSTRING VARCHAR,
        ZGROUPJIDSTRING VARCHAR""",
    "ZWACDCALLEVENTPARTICIPANT": "Z1PARTICIPANTS INTEGER, ZOUTCOME INTEGER, ZJIDSTRING VARCHAR",
}


class ChatStorage:
    """Writes a `ChatStorage.sqlite`; what a version has no column for is left out.

    Args:
        path: The file, which is not there yet.
        version: Its version.
    """

    def __init__(self, path: Path, version: Version = V2025) -> None:
        self.path = path
        self._db = _new(path, version.tables)
        self._columns = {
            table: {name for _, name, *_ in self._db.execute(f"PRAGMA table_info({table})")}
            for table in version.tables
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._db.commit()
        self._db.close()

    def row(self, table: str, **values: Any) -> int:
        """Add a row; the number of it. Columns are named without their `Z`."""
        if table not in self._columns:
            return 0
        named = {f"Z{name.upper()}": value for name, value in values.items()}
        known = {name: value for name, value in named.items() if name in self._columns[table]}
        cursor = self._db.execute(
            f"INSERT INTO {table} (Z_OPT, {', '.join(known)}) VALUES (1, {', '.join('?' * len(known))})",
            tuple(known.values()),
        )
        return cursor.lastrowid or 0

    def chat(self, jid: str, name: str | None = None, **values: Any) -> int:
        """Add a chat; its number."""
        return self.row("ZWACHATSESSION", contactjid=jid, partnername=name, **values)

    def member(self, chat: int, jid: str, *, active: int = 1, admin: int = 0, name: str = "") -> int:
        """Add a member of a group; its number."""
        return self.row(
            "ZWAGROUPMEMBER",
            chatsession=chat,
            memberjid=jid,
            isactive=active,
            isadmin=admin,
            contactname=name,
            firstname="CNXy9",
        )

    def message(
        self,
        chat: int | None,
        wa_id: Any,
        at: Any,
        *,
        kind: Any = 0,
        text: Any = None,
        media: Mapping[str, Any] | None = None,
        receipts: Any = None,
        **values: Any,
    ) -> int:
        """Add a message at so many seconds since 1970; its number."""
        number = self.row(
            "ZWAMESSAGE",
            **{
                "chatsession": chat,
                "stanzaid": wa_id,
                "messagedate": at - EPOCH if isinstance(at, int | float) else at,
                "messagetype": kind,
                "text": text,
                "isfromme": 0,
                "groupeventtype": 2,
                "flags": 1 << 24,
                "pushname": "CNXy9s8GIAA=",
            }
            | values,
        )
        links: dict[str, int] = {}
        if media is not None:
            links["ZMEDIAITEM"] = self.row("ZWAMEDIAITEM", **({"message": number} | dict(media)))
        if receipts is not None:
            links["ZMESSAGEINFO"] = self.row("ZWAMESSAGEINFO", message=number, receiptinfo=receipts)
        for column, linked in links.items():
            self._db.execute(f"UPDATE ZWAMESSAGE SET {column} = ? WHERE Z_PK = ?", (linked, number))
        return number

    def run(self, script: str) -> None:
        """Do with the database what no version of WhatsApp does."""
        self._db.executescript(script)


def contacts(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A `ContactsV2.sqlite`."""
    return _filled(path, _CONTACTS, {"ZWAADDRESSBOOKCONTACT": rows})


def lids(path: Path, pairs: Mapping[str, str]) -> Path:
    """A `LID.sqlite`: digits of a number by LID."""
    rows = [{"identifier": lid, "phonenumber": number} for lid, number in pairs.items()]
    return _filled(path, _LIDS, {"ZWAZACCOUNT": rows})


@dataclass(frozen=True)
class CallEntry:
    """A call of `CallHistory.sqlite`."""

    id: str
    at: int
    others: Sequence[str]
    incoming: bool = True
    video: bool = False
    outcome: int = 0
    duration: float = 0.0
    group: str | None = None


def call_history(path: Path, calls: Iterable[CallEntry]) -> Path:
    """A `CallHistory.sqlite`."""
    tables: dict[str, list[Mapping[str, Any]]] = {name: [] for name in _CALLS}
    for number, call in enumerate(calls, 1):
        tables["ZWAAGGREGATECALLEVENT"].append(
            {"incoming": call.incoming, "missed": call.outcome == 1, "video": call.video}
        )
        tables["ZWACDCALLEVENT"].append(
            {
                "1callevents": number,
                "callidstring": call.id,
                "date": call.at - EPOCH,
                "outcome": call.outcome,
                "duration": call.duration,
                "groupjidstring": call.group,
                "groupcallcreatoruserjidstring": call.others[0] if call.incoming and call.others else None,
            }
        )
        tables["ZWACDCALLEVENTPARTICIPANT"] += [
            {"1participants": number, "jidstring": other} for other in call.others
        ]
    return _filled(path, _CALLS, tables)


@dataclass(frozen=True)
class Receipts:
    """What `ZRECEIPTINFO` holds beside the receipts themselves, which nobody described.

    Attributes:
        reactions: (id, sender, emoji, milliseconds); a sender of None is the owner.
        poll: Question, options.
        votes: (sender, options, milliseconds), likewise.
    """

    reactions: Sequence[tuple[str, str | None, str, int]] = ()
    poll: tuple[str, Sequence[str]] | None = None
    votes: Sequence[tuple[str | None, Sequence[int], int]] = field(default_factory=tuple)

    def blob(self) -> bytes:
        """The column's value."""
        found = encoded(2, encoded(1, b"\x8c\x15\x55") + encoded(9, encoded(1, 0) + encoded(2, 1))) + encoded(
            4, 8
        )
        group = b""
        for wa_id, sender, emoji, at_ms in self.reactions:
            if sender is None:
                group += encoded(2, encoded(1, wa_id) + encoded(2, emoji) + encoded(3, at_ms))
            else:
                entry = encoded(1, wa_id) + encoded(2, sender) + encoded(3, emoji) + encoded(4, at_ms)
                group += encoded(1, entry)
        if group:
            found += encoded(7, group)
        if self.poll is not None:
            question, options = self.poll
            content = encoded(2, question) + b"".join(encoded(3, encoded(1, option)) for option in options)
            content += encoded(4, 0)
            for sender, chosen, at_ms in self.votes:
                vote = b"".join(encoded(1, option) for option in chosen) + encoded(2, at_ms)
                vote += encoded(3, "3B721EB4406EED45B618")
                content += encoded(6, vote) if sender is None else encoded(5, vote + encoded(4, sender))
            found += encoded(8, content + encoded(7, 0) + encoded(13, 1))
        return found


def quote(wa_id: str, sender: str | None = None, text: str | None = None) -> bytes:
    """`ZMETADATA` of a message that answers another."""
    found = encoded(4, 1) + encoded(5, wa_id)
    if sender is not None:
        found += encoded(6, sender)
    return found + (encoded(19, encoded(1, text)) if text is not None else b"") + encoded(105, 1)


def media_key(key: bytes, enc_sha256: bytes) -> bytes:
    """`ZMEDIAKEY`."""
    return encoded(1, key) + encoded(2, enc_sha256) + encoded(3, 1_700_000_000)


def _filled(path: Path, tables: Mapping[str, str], rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> Path:
    with closing(_new(path, tables)) as db:
        for table, each in rows.items():
            for values in each:
                named = {f"Z{name.upper()}": value for name, value in values.items()}
                marks = ", ".join("?" * len(named))
                db.execute(
                    f"INSERT INTO {table} ({', '.join(named)}) VALUES ({marks})", tuple(named.values())
                )
        db.commit()
    return path


def _new(path: Path, tables: Mapping[str, str]) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.executescript(
        """CREATE TABLE Z_METADATA (Z_VERSION INTEGER PRIMARY KEY, Z_UUID VARCHAR(255), Z_PLIST BLOB);
        CREATE TABLE Z_MODELCACHE (Z_CONTENT BLOB);
        CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER);
        INSERT INTO Z_METADATA VALUES (1, 'F0E1', x'00');"""
    )
    for name, columns in tables.items():
        db.execute(f"CREATE TABLE {name} ({_CORE}, {columns})")
    return db
