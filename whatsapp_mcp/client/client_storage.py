"""Storage of a client process, as its leader describes it before the first frame.

Passwords and keys are among it. They go through the pipe, since other processes can read the arguments and
the variables of this one.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.storage import JournalAddress, KeysAddress

STORAGE_SIZE_BYTES: Final = 4
"""Length of the number that precedes it and says how many bytes it has."""
KEYS_FILE: Final = KeysAddress("client.db")
"""The keys of an account whose files are its own."""
_CERTIFICATES: Final = ("sslrootcert", "sslcert", "sslkey")
"""Parameters of a `postgres://` URL that name files."""


@dataclass(frozen=True, slots=True)
class ClientStorage:
    """The storage that one client process opens.

    Attributes:
        keys: The client library's database.
        journal: The journal, if it is no file.
        journal_key: The key of the journal, if that is an encrypted file.
        until: When the leader's lease ends, in seconds of CLOCK_BOOTTIME; None where it has no lease.
    """

    keys: KeysAddress = KEYS_FILE
    journal: JournalAddress | None = None
    journal_key: DatabaseKey | None = field(default=None, repr=False)
    until: float | None = None

    @property
    def certificates(self) -> list[Path]:
        """The files with certificates that the address of the keys names."""
        if not self.keys.in_database:
            return []
        named = parse_qs(urlsplit(self.keys.location).query)
        return [Path(path) for name in _CERTIFICATES for path in named.get(name, ())]

    @property
    def unix_sockets(self) -> bool:
        """True if the database of the keys is reached by a Unix socket, which is a file."""
        named = parse_qs(urlsplit(self.keys.location).query) if self.keys.in_database else {}
        return any(host.startswith("/") for host in named.get("host", ()))

    def to_bytes(self) -> bytes:
        """All that is written before the first frame: the number of bytes and as many bytes."""
        key = self.journal_key and b64encode(self.journal_key.to_bytes()).decode()
        journal = self.journal and asdict(self.journal)
        said = {"keys": self.keys.location, "journal": journal, "journal_key": key, "until": self.until}
        text = json.dumps(said).encode()
        return len(text).to_bytes(STORAGE_SIZE_BYTES) + text

    @classmethod
    def from_bytes(cls, given: bytes) -> Self:
        """Parse the output of `to_bytes` without the number before it.

        Raises:
            ValueError: It is something else.
        """
        try:
            said = json.loads(given)
            journal, key = said["journal"], said["journal_key"]
            return cls(
                KeysAddress(said["keys"]),
                JournalAddress(**journal) if journal else None,
                DatabaseKey.from_bytes(b64decode(key)) if key else None,
                said["until"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError("the leader did not say where to store anything") from error
