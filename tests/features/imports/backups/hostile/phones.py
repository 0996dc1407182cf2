"""Local backups of an iPhone: encrypted with another password, damaged, or leading elsewhere."""

from __future__ import annotations

import os
import plistlib
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.features.imports.backups.hostile.bases import content
from tests.features.imports.backups.hostile.case import Case
from tests.features.imports.backups.phone import keybag, phone_backup, place_of

PASSWORD: Final = "correct horse"
_MESSAGES: Final = "ChatStorage.sqlite"
Act = Callable[[Path], object]


def files() -> Iterator[Case]:
    """All of them."""
    yield from _plain()
    yield from _encrypted()


def _case(
    name: str, act: Act, refused: str | None, *, key: str | None = None, password: str | None = None
) -> Case:
    made = partial(_made, act, password)
    return Case("iPhone backup", name, made, refused, None if key is None else key.encode())


def _made(act: Act, password: str | None, folder: Path) -> Path:
    files = {_MESSAGES: content("iphone 2025"), "ContactsV2.sqlite": b"SQLite format 3\0" + b"x" * 9_000}
    backup = phone_backup(folder / "backup", files, password=password)
    act(backup)
    return backup


def _nothing(backup: Path) -> None:
    del backup


def _plain() -> Iterator[Case]:
    yield _case("names that are damaged", _nothing, "")
    yield _case("no messages", lambda backup: place_of(backup, _MESSAGES).unlink(), "no local backup")
    yield _case(
        "messages that are nothing", lambda backup: place_of(backup, _MESSAGES).write_bytes(b""), None
    )
    yield _case(
        "messages that are cut", lambda backup: os.truncate(place_of(backup, _MESSAGES), 9_000), "damaged"
    )
    yield _case("a list that is damaged", partial(_replace, "Manifest.db", b"x" * 900), "")
    yield _case("messages that lead out of the backup", _leads_out, "no local backup")
    yield _case("a folder that leads out of the backup", _folder_leads_out, "no local backup")
    yield _case("messages that are a folder", _is_folder, "no local backup")
    for name, log in _logs().items():
        yield _case(name, partial(_add_log, log), "")


def _logs() -> dict[str, bytes]:
    head = struct.pack(">8I", 0x377F0682, 3007000, 4096, 0, 1, 2, 0, 0)
    frame = struct.pack(">6I", 0xFFFFFFFF, 0xFFFFFFFF, 1, 2, 0, 0) + bytes(4096)
    return {
        "a log of one byte": b"x",
        "a log of zeros": bytes(50_000),
        "a log whose sums are not": head + frame * 9,
        "a log of another size of pages": head.replace(struct.pack(">I", 4096), struct.pack(">I", 3)) + frame,
    }


def _add_log(log: bytes, backup: Path) -> None:
    place = place_of(backup, f"{_MESSAGES}-wal")
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(log)


def _replace(name: str, data: bytes, backup: Path) -> None:
    (backup / name).write_bytes(data)


def _leads_out(backup: Path) -> None:
    place = place_of(backup, _MESSAGES)
    place.rename(backup.parent / "elsewhere")
    place.symlink_to(backup.parent / "elsewhere")


def _folder_leads_out(backup: Path) -> None:
    place = place_of(backup, _MESSAGES).parent
    place.rename(backup.parent / "elsewhere")
    place.symlink_to(backup.parent / "elsewhere")


def _is_folder(backup: Path) -> None:
    place = place_of(backup, _MESSAGES)
    place.unlink()
    place.mkdir()


def _encrypted() -> Iterator[Case]:
    sealed = partial(_case, password=PASSWORD)
    yield sealed("encrypted, as it must be", _nothing, "", key=PASSWORD)
    yield sealed("encrypted, without its password", _nothing, "password is needed")
    yield sealed("encrypted, with another password", _nothing, "password does not fit", key="wrong horse")
    yield sealed(
        "encrypted, with a password of a megabyte", _nothing, "key file is not one", key="p" * 1_000_000
    )
    acts: dict[str, Act] = {
        "messages cut": lambda backup: os.truncate(place_of(backup, _MESSAGES), 9_001),
        "messages of nothing": lambda backup: place_of(backup, _MESSAGES).write_bytes(b""),
        "messages of other bytes": lambda backup: place_of(backup, _MESSAGES).write_bytes(b"x" * 9_008),
        "no list": lambda backup: os.truncate(backup / "Manifest.db", 0),
        "a list cut": lambda backup: os.truncate(backup / "Manifest.db", 5_000),
        "a list of other bytes": partial(_replace, "Manifest.db", bytes(range(256)) * 64),
        "properties that are none": partial(_replace, "Manifest.plist", b"x" * 99),
        "properties that refer to themselves": partial(_replace, "Manifest.plist", _circle()),
        "properties of a thousand levels": partial(
            _replace, "Manifest.plist", b"<plist>" + b"<array>" * 50_000 + b"</array>" * 50_000 + b"</plist>"
        ),
        "entities in entities": partial(_replace, "Manifest.plist", _entities()),
        "no keys": _properties({}),
        "keys that are a text": _properties({"BackupKeyBag": "x", "ManifestKey": "y"}),
        "keys cut": _properties({"BackupKeyBag": keybag(PASSWORD)[:-30], "ManifestKey": bytes(44)}),
        "keys of a length that is not": _properties(
            {
                "BackupKeyBag": keybag(PASSWORD).replace(b"WPKY\0\0\0\x28", b"WPKY\xff\xff\xff\xff"),
                "ManifestKey": b"",
            }
        ),
        "keys that take four billion rounds": _properties(
            {
                "BackupKeyBag": keybag(PASSWORD).replace(b"\0\0\x03\xe8", b"\xff\xff\xff\xff"),
                "ManifestKey": bytes(44),
            }
        ),
        "a key of the list that is another": _properties(
            {"BackupKeyBag": keybag(PASSWORD), "ManifestKey": bytes(44)}
        ),
        "a key of a class that is not": _properties(
            {"BackupKeyBag": keybag(PASSWORD), "ManifestKey": b"\x63\0\0\0" + bytes(40)}
        ),
    }
    for name, act in acts.items():
        yield sealed(f"encrypted, with {name}", act, "damaged|does not fit", key=PASSWORD)


def _properties(values: dict[str, Any]) -> Act:
    return partial(_replace, "Manifest.plist", plistlib.dumps(values, fmt=plistlib.FMT_BINARY))


def _circle() -> bytes:
    """A binary list whose one element is itself."""
    return b"bplist00\xa1\x00\x08" + struct.pack(">6xBBQQQ", 1, 1, 1, 0, 10)


def _entities() -> bytes:
    names = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 9 if n else "x" * 999}">' for n in range(12))
    return f"<?xml version='1.0'?><!DOCTYPE plist [{names}]><plist><string>&e11;</string></plist>".encode()
