"""Local backups of an iPhone, with and without a password, as they are publicly described.

The keybag and the keys of files: https://stackoverflow.com/a/13793043.
"""

from __future__ import annotations

import hashlib
import plistlib
import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.padding import PKCS7

WHATSAPP: Final = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
BUSINESS: Final = "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared"
BEFORE_2016: Final = "AppDomain-net.whatsapp.WhatsApp"
_CLASS: Final = 3
_CLASS_KEY: Final = bytes(range(32))
_MANIFEST_KEY: Final = bytes(range(32, 64))
_ROUNDS: Final = 1_000
"""Of a real phone: ten millions, and ten thousands."""


def phone_backup(
    folder: Path,
    files: Mapping[str, bytes | Path],
    *,
    domain: str = WHATSAPP,
    password: str | None = None,
    is_flat: bool = False,
    is_list_a_view: bool = False,
) -> Path:
    """A backup of these files, by their paths on the phone; before iOS 10 it `is_flat`."""
    folder.mkdir()
    manifest = folder.with_name(f"{folder.name}.db")
    with closing(sqlite3.connect(manifest)) as db:
        db.executescript(
            """CREATE TABLE Files (
                fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB
            );
            CREATE INDEX FilesDomainIdx ON Files (domain);
            CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB);"""
        )
        for number, (path, given) in enumerate(files.items()):
            content = given if isinstance(given, bytes) else given.read_bytes()
            name = hashlib.sha1(f"{domain}-{path}".encode(), usedforsecurity=False).hexdigest()
            key = hashlib.sha256(b"%d" % number).digest() if password is not None and content else None
            db.execute(
                "INSERT INTO Files VALUES (?, ?, ?, 1, ?)", (name, domain, path, record(path, content, key))
            )
            place = folder if is_flat else folder / name[:2]
            place.mkdir(exist_ok=True)
            (place / name).write_bytes(content if key is None else encrypted(content, key))
        if is_list_a_view:
            db.execute("ALTER TABLE Files RENAME TO Others")
            db.execute("CREATE VIEW Files AS SELECT * FROM Others")
        db.commit()
    properties: dict[str, Any] = {"IsEncrypted": password is not None, "Version": "10.0"}
    if password is not None:
        properties["BackupKeyBag"] = keybag(password)
        properties["ManifestKey"] = struct.pack("<l", _CLASS) + aes_key_wrap(_CLASS_KEY, _MANIFEST_KEY)
    whole = manifest.read_bytes()
    manifest.unlink()
    (folder / "Manifest.db").write_bytes(whole if password is None else encrypted(whole, _MANIFEST_KEY))
    (folder / "Manifest.plist").write_bytes(plistlib.dumps(properties, fmt=plistlib.FMT_BINARY))
    (folder / "Info.plist").write_bytes(plistlib.dumps({"Device Name": "Phone"}))
    (folder / "Status.plist").write_bytes(plistlib.dumps({"SnapshotState": "finished"}))
    return folder


def place_of(folder: Path, path: str, *, domain: str = WHATSAPP) -> Path:
    """Where a file lies in a backup."""
    name = hashlib.sha1(f"{domain}-{path}".encode(), usedforsecurity=False).hexdigest()
    return folder / name[:2] / name


def keybag(password: str, *, rounds: int = _ROUNDS, key: bytes = _CLASS_KEY) -> bytes:
    """The keybag: blocks of a tag, a length and a value, those of the bag and then those of each class."""
    salts = (b"\x01" * 20, b"\x02" * 20)
    first = hashlib.pbkdf2_hmac("sha256", password.encode(), salts[0], rounds, 32)
    wrapping = hashlib.pbkdf2_hmac("sha1", first, salts[1], rounds, 32)
    blocks: list[tuple[bytes, bytes | int]] = [
        *((b"VERS", 5), (b"TYPE", 1), (b"UUID", b"\x03" * 16), (b"HMCK", b"\x04" * 40), (b"WRAP", 1)),
        *((b"SALT", salts[1]), (b"ITER", rounds), (b"DPWT", 1), (b"DPIC", rounds), (b"DPSL", salts[0])),
        *((b"UUID", b"\x05" * 16), (b"CLAS", _CLASS), (b"WRAP", 2), (b"KTYP", 0)),
        (b"WPKY", aes_key_wrap(wrapping, key)),
    ]
    values = ((tag, struct.pack(">L", value) if isinstance(value, int) else value) for tag, value in blocks)
    return b"".join(tag + struct.pack(">L", len(value)) + value for tag, value in values)


def record(path: str, content: bytes, key: bytes | None) -> bytes:
    """What `Manifest.db` says of a file, as NSKeyedArchiver writes an object."""
    file: dict[str, Any] = {
        "$class": plistlib.UID(3),
        "Size": len(content),
        "ProtectionClass": _CLASS,
        "Mode": 0o100644,
        "Birth": 1_700_000_000,
        "LastModified": 1_700_000_000,
        "RelativePath": plistlib.UID(2),
    }
    objects: list[Any] = ["$null", file, path, {"$classname": "MBFile", "$classes": ["MBFile", "NSObject"]}]
    if key is not None:
        file["EncryptionKey"] = plistlib.UID(4)
        wrapped = struct.pack("<l", _CLASS) + aes_key_wrap(_CLASS_KEY, key)
        objects.append({"$class": plistlib.UID(5), "NS.data": wrapped})
        objects.append({"$classname": "NSMutableData", "$classes": ["NSMutableData", "NSData", "NSObject"]})
    whole = {
        "$version": 100_000,
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": plistlib.UID(1)},
        "$objects": objects,
    }
    return plistlib.dumps(whole, fmt=plistlib.FMT_BINARY)


def encrypted(content: bytes, key: bytes) -> bytes:
    """A file of an encrypted backup."""
    padding = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return cipher.update(padding.update(content) + padding.finalize()) + cipher.finalize()
