"""Files that the reader has refused or that have ended it, by their content: no copy is read without end.

They are kept in the archive, so a restart forgives nothing. A newer version may read what this one cannot.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from whatsapp_mcp import __version__
from whatsapp_mcp.errors import from_payload

if TYPE_CHECKING:
    from pathlib import Path

    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.errors import WhatsAppError

TRIES: Final = 2
"""A killed process looks like a file that crashed it: only what happens twice is the file's."""
ASKED_TRIES: Final = 4
"""Of all copies together, where somebody asks for it."""
_MOST: Final = 500
"""Contents that are remembered, of which the one that was refused longest ago goes first."""
_KEY: Final = "refused_files"


async def digest_of(path: Path) -> str:
    """What tells a content from others."""

    def digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await anyio.to_thread.run_sync(digest)


class Refusals:
    """The contents of an account that were refused, with how often and why."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def tries(self, digest: str) -> int:
        """How often this content was refused."""
        found = (await self._load()).get(digest)
        return 0 if found is None else int(found["tries"])

    async def require_worth(self, digest: str, most: int) -> None:
        """See that a content was refused less often than that.

        Raises:
            WhatsAppError: As it was refused the last time.
        """
        found = (await self._load()).get(digest)
        if found is not None and int(found["tries"]) >= most:
            raise from_payload(found["error"])

    async def note(self, digest: str, error: WhatsAppError) -> None:
        """Remember that a content was refused once more."""
        known = await self._load()
        tries = int(known.pop(digest, {"tries": 0})["tries"]) + 1
        known[digest] = {"tries": tries, "error": error.to_payload()}
        await self._save(dict(list(known.items())[-_MOST:]))

    async def forget(self, digest: str) -> None:
        """Forget a content that was read after all."""
        known = await self._load()
        if known.pop(digest, None) is not None:
            await self._save(known)

    async def _load(self) -> dict[str, Any]:
        text = await self._archive.meta_get(_KEY)
        stored: dict[str, Any] = json.loads(text) if text else {}
        return dict(stored["files"]) if stored.get("version") == __version__ else {}

    async def _save(self, files: dict[str, Any]) -> None:
        await self._archive.meta_set(_KEY, json.dumps({"version": __version__, "files": files}))
