"""Where the client library keeps the keys of an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class KeysAddress:
    """What the client process opens: the name of a file, or a `postgres://` URL.

    Attributes:
        location: Holds the password of a role where it is a URL. So it is in no repr, and is passed over
            pipes, never as an argument or a variable of the environment.
    """

    location: str = field(repr=False)

    @property
    def in_database(self) -> bool:
        """Whether the keys are in PostgreSQL; the client library tells by the same beginning of the name."""
        return self.location.startswith("postgres")

    @property
    def server(self) -> tuple[str, str] | None:
        """Host (or folder of the socket) and port of the database; None where it is a file."""
        if not self.in_database:
            return None
        url = urlsplit(self.location)
        given = dict(parse_qsl(url.query))
        return given.get("host") or url.hostname or "localhost", given.get("port") or str(url.port or 5432)
