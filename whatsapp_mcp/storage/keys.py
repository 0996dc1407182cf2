"""Where the client library keeps the keys of an account."""

from __future__ import annotations

from dataclasses import dataclass, field


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
