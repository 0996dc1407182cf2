"""Exported chats, and folders of them, that are damaged or made to do harm."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.features.imports.backups.hostile.case import CHAT, Case
from tests.media.hostile_files import zips

_LINE: Final = "[13.09.20, 10:{minute:02}:00] {name}: text {number}\n"
_TEXT: Final = "".join(
    _LINE.format(minute=number % 60, number=number, name=("Ann", "Me")[number % 2]) for number in range(40)
)


def files() -> Iterator[Case]:
    """All of them."""
    for name, content in _zips():
        yield Case("exported chat", name, partial(_written, "Ann.zip", content), None, chat=CHAT)
    for file in zips.files():
        # A million entries and the like take a second to be made.
        yield Case("exported chat", file.name, partial(_of, file.made), None, chat=CHAT, is_slow=True)
    for name, text in _texts():
        yield Case("exported chat", name, partial(_written, "Ann.txt", text), None, chat=CHAT)


def _of(made: object, folder: Path) -> Path:
    assert callable(made)
    content = made()
    assert isinstance(content, bytes)
    return _written("Ann.zip", content, folder)


def _written(name: str, content: bytes, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _zip(parts: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return made.getvalue()


def _zips() -> Iterator[tuple[str, bytes]]:
    chat = _TEXT.encode()
    whole = _zip({"_chat.txt": chat, "a.jpg": b"x" * 2_000})
    for name, at in (
        ("one byte", 1),
        ("its first part", 60),
        ("half", len(whole) // 2),
        ("all but its end", -22),
    ):
        yield f"a zip cut to {name}", whole[:at]
    for at in range(3, len(whole), len(whole) // 12):
        yield f"a zip with a bit turned at {at}", whole[:at] + bytes((whole[at] ^ 4,)) + whole[at + 1 :]
    names = chat + b"[13.09.20, 11:00:00] Ann: <attached: ../../../../tmp/evil.jpg>\n"
    yield "a file that leads out of the zip", _zip({"_chat.txt": names, "../../../../tmp/evil.jpg": b"x"})
    yield "a zip without a chat", _zip({"a.jpg": b"x"})
    yield "a zip in a zip", _zip({"_chat.txt": whole})
    yield "a chat of nothing but zeros", _zip({"_chat.txt": bytes(30_000_000)})


def _texts() -> Iterator[tuple[str, bytes]]:
    odd = "[99.99.99, 99:99:99] Ann: when\n[31.02.21, 10:00:00] Ann: never\n[13.09.0020, 10:00] Ann: old\n"
    texts: dict[str, str | bytes] = {
        "nothing": "",
        "times of no calendar": _TEXT + odd,
        "one line of a million characters": _TEXT + "[13.09.20, 11:00:00] Ann: " + "x" * 1_000_000,
        "a name of 100,000 characters": _TEXT.replace("Ann", "A" * 100_000, 1),
        "a person to a message": "".join(
            _LINE.format(minute=n % 60, number=n, name=f"P{n}") for n in range(5_000)
        ),
        "NULs and controls": _TEXT.replace("text", "\0\x1b[2J\u202e"),
        "half of a character": _TEXT.encode().replace(b"text", b"\xed\xa0\x80\xff"),
        "UTF-16": _TEXT.encode("utf-16"),
        "bytes of no text": bytes(range(256)) * 500,
        "brackets without end": "[" * 1_000_000,
        "times without end": "[13.09.20, 10:00:00] " * 20_000,
    }
    for name, text in texts.items():
        yield name, text if isinstance(text, bytes) else text.encode()
