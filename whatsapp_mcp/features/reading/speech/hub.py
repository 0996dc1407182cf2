"""Fetches a model from a hub (Hugging Face's interface): only when somebody asks for it.

`GET /api/models/REPOSITORY/revision/main?blobs=true` lists a commit's files with their sizes and digests
(`huggingface_hub.hf_api.ModelInfo`); `GET /REPOSITORY/resolve/COMMIT/FILE` is a file, or redirects to it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin, urlsplit

from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.features.reading.speech import models
from whatsapp_mcp.features.reading.speech.models import Record, RecordedFile
from whatsapp_mcp.system import sync_folder
from whatsapp_mcp.text.choices import SPEECH_MODELS

if TYPE_CHECKING:
    import httpx2

DEFAULT: Final = "https://huggingface.co"
_REPOSITORY: Final = "Systran/faster-whisper-{name}"
_STORAGE: Final = (".huggingface.co", ".hf.co")
"""Domains in which that hub and its mirrors store large files
(https://huggingface.co/.well-known/meta.json)."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LARGEST: Final = {"model.bin": 4_000_000_000}
_LARGEST_OTHER: Final = 20_000_000
_LISTING_BYTES: Final = 2_000_000
_REDIRECTS: Final = 3
_SECONDS: Final = 60.0
"""Without a byte."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_AGAIN: Final = "Run the command again: it goes on where it ended."

Progress = Callable[[int, int], None]
"""Told of the bytes that are here and of those of the whole model."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a commit; large ones have a SHA-256, others the id of a Git blob (SHA-1)."""

    name: str
    size: int
    sha256: str | None
    blob: str

    def matches(self, path: Path) -> bool:
        """Return whether a file has this content.

        Raises:
            OSError: It cannot be read.
        """
        if path.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            return models.digest_of(path) == self.sha256
        # Git's name of the content; small, so it is read at once.
        content = path.read_bytes()
        header = f"blob {len(content)}\0".encode()
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest() == self.blob

    def differs(self) -> Unsupported:
        """The error of a file that does not match."""
        return Unsupported(
            f"The file {self.name} is not the one that the hub lists: its digest differs.",
            "Run the command again; if it happens again, use another hub.",
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a hub offers, at one commit."""

    name: str
    hub: str
    repository: str
    revision: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Hub:
    """A hub at an address, for as long as `open_hub` runs."""

    def __init__(self, http: httpx2.Client, address: str) -> None:
        self._http = http
        self._address = address

    def offer(self, name: str) -> Offer:
        """Look up a model on the hub.

        Raises:
            InvalidArgument: There is no model of this name.
            Busy: The hub does not answer.
            Unsupported: It has no such model, or lists files that are none of a model.
        """
        if name not in SPEECH_MODELS:
            raise InvalidArgument(f"There is no such model. There are: {', '.join(SPEECH_MODELS)}.")
        repository = _REPOSITORY.format(name=name)
        listing = self._listing(f"{self._address}/api/models/{repository}/revision/main?blobs=true")
        match listing:
            case {"sha": str(revision), "siblings": list(found)} if _COMMIT.fullmatch(revision):
                files = tuple(_file(each) for each in found if _name_of(each) in models.FILES)
            case _:
                raise _not_a_hub()
        models.require_whole({file.name for file in files})
        return Offer(name, self._address, repository, revision, files)

    def install(
        self, offer: Offer, home: Path, *, now: datetime, free_bytes: int, progress: Progress
    ) -> models.Model:
        """Fetch a model; one that is there is replaced once the new one is whole.

        What an earlier run has fetched is kept and gone on from.

        Args:
            offer: What to fetch.
            home: The home folder.
            now: The time that the record shall tell.
            free_bytes: What the disk shall keep free.
            progress: Is called as bytes arrive.

        Raises:
            Busy: The hub does not answer, or the disk has too little room.
            Unsupported: A file is not what the hub lists, or it redirects elsewhere.
        """
        draft = models.draft_of(home, offer.name)
        try:
            draft.mkdir(mode=0o700, parents=True, exist_ok=True)
            _drop_others(draft, offer)
            _require_room(draft, offer, free_bytes)
            here = 0
            for file in offer.files:
                self._fetch(offer, file, draft, lambda size, start=here: progress(start + size, offer.size))
                here += file.size
            return _put_in_place(draft, home, offer, now)
        except OSError as error:
            raise _disk_error(error) from error

    def _listing(self, url: str) -> Any:
        content = bytearray()
        with self._answer(url, {}) as answer:
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > _LISTING_BYTES:
                    raise _not_a_hub()
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise _not_a_hub() from None

    def _fetch(self, offer: Offer, file: HubFile, draft: Path, progress: Callable[[int], None]) -> None:
        """Fetch one file, from where an earlier run ended, and see that it is the one that is listed."""
        path = draft / file.name
        here = path.stat().st_size if path.exists() else 0
        if here < file.size:
            url = f"{self._address}/{offer.repository}/resolve/{offer.revision}/{quote(file.name)}"
            with self._answer(url, {"Range": f"bytes={here}-"} if here else {}) as answer:
                goes_on = _goes_on(answer, here)
                here = here if goes_on else 0
                with path.open("ab" if goes_on else "wb") as out:
                    for chunk in answer.iter_bytes():
                        here += len(chunk)
                        if here > file.size:
                            break
                        out.write(chunk)
                        progress(here)
        if here < file.size:
            raise Busy("The hub ended the transfer early.", _AGAIN)
        if not file.matches(path):
            path.unlink()
            raise file.differs()
        progress(file.size)

    @contextmanager
    def _answer(self, url: str, headers: dict[str, str]) -> Generator[httpx2.Response]:
        """Open the response to a URL of the hub, following the redirects that are allowed."""
        import httpx2

        try:
            for _ in range(_REDIRECTS + 1):
                with self._http.stream("GET", url, headers=headers) as answer:
                    if answer.is_redirect:
                        url = self._redirected(url, str(answer.headers.get("location", "")))
                        continue
                    _require_success(answer)
                    yield answer
                    return
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise Busy("The hub does not answer.", _AGAIN) from error
        raise Unsupported("The hub redirects too often.", "Use another hub.")

    def _redirected(self, url: str, location: str) -> str:
        """Return the URL that a redirect leads to.

        Raises:
            Unsupported: To neither the hub itself nor the storage of Hugging Face.
        """
        target = urljoin(url, location)
        own, other = urlsplit(self._address), urlsplit(target)
        same = (other.scheme, other.netloc) == (own.scheme, own.netloc)
        storage = other.scheme == "https" and f".{other.hostname or ''}".endswith(_STORAGE)
        if not same and not storage:
            raise Unsupported("The hub redirects to another host.", "Use another hub.")
        return target


@contextmanager
def open_hub(address: str = DEFAULT, *, proxy: str | None = None) -> Generator[Hub]:
    """A hub.

    Args:
        address: Its URL: https, or http on loopback.
        proxy: URL of the proxy to go through; not used on loopback.

    Raises:
        InvalidArgument: The URL is none of these.
    """
    import httpx2

    parts = urlsplit(address.rstrip("/"))
    is_local = parts.hostname in _LOOPBACK
    if (
        not parts.hostname
        or parts.query
        or (parts.scheme != "https" and not (is_local and parts.scheme == "http"))
    ):
        raise InvalidArgument("The hub's address is no https URL.", f"Give one such as {DEFAULT}.")
    with httpx2.Client(
        trust_env=False,
        timeout=_SECONDS,
        proxy=None if is_local else proxy,
        headers={"User-Agent": "whatsapp-mcp", "Accept-Encoding": "identity"},
    ) as http:
        yield Hub(http, parts.geturl())


def _name_of(listed: Any) -> str | None:
    """The name of a listed file, if it has one; files in folders have names that are none of a model."""
    return (
        listed["rfilename"] if isinstance(listed, dict) and isinstance(listed.get("rfilename"), str) else None
    )


def _file(listed: dict[str, Any]) -> HubFile:
    match listed:
        case {"rfilename": str(name), "size": int(size), "lfs": {"sha256": str(digest)}} if _SHA256.fullmatch(
            digest
        ):
            hub_file = HubFile(name, size, digest, "")
        case {"rfilename": str(name), "size": int(size), "blobId": str(blob)} if _COMMIT.fullmatch(blob):
            hub_file = HubFile(name, size, None, blob)
        case _:
            raise _not_a_hub()
    if not 0 < size <= _LARGEST.get(name, _LARGEST_OTHER):
        raise Unsupported(f"The hub lists {name} with a size that no model has.", "Use another hub.")
    return hub_file


def _goes_on(answer: httpx2.Response, here: int) -> bool:
    """Return whether a response continues a file of which `here` bytes are already stored."""
    return answer.status_code == 206 and str(answer.headers.get("content-range", "")).startswith(
        f"bytes {here}-"
    )


def _require_success(answer: httpx2.Response) -> None:
    if answer.status_code in (401, 403, 404):
        raise Unsupported(f"The hub has no such model ({answer.status_code}).", "Check the hub's address.")
    if answer.status_code not in (200, 206):
        raise Busy(f"The hub answered {answer.status_code}.", _AGAIN)


def _drop_others(draft: Path, offer: Offer) -> None:
    """Delete what a download of another commit left: its files are others."""
    mark = draft / "revision"
    known = mark.read_text(encoding="utf-8") if mark.exists() else ""
    if known != offer.revision:
        for path in draft.iterdir():
            path.unlink()
        mark.write_text(offer.revision, encoding="utf-8")


def _require_room(draft: Path, offer: Offer, free_bytes: int) -> None:
    here = sum(path.stat().st_size for path in draft.iterdir())
    missing = offer.size - here + free_bytes - shutil.disk_usage(draft).free
    if missing > 0:
        raise Busy(
            f"The disk has too little room: {missing / 1e6:.0f} MB are missing.", "Free some, then try again."
        )


def _put_in_place(draft: Path, home: Path, offer: Offer, now: datetime) -> models.Model:
    """Make a model of the files that were fetched."""
    (draft / "revision").unlink(missing_ok=True)
    files = {
        file.name: RecordedFile(file.size, file.sha256 or models.digest_of(draft / file.name))
        for file in offer.files
    }
    record = Record(
        offer.name, offer.hub, offer.repository, offer.revision, now.isoformat(timespec="seconds"), files
    )
    models.write_record(draft, record)
    sync_folder(draft)
    target, former = models.folder_of(home, offer.name), models.former_of(home, offer.name)
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        target.rename(former)
    draft.rename(target)
    shutil.rmtree(former, ignore_errors=True)
    return models.Model(target, record)


def _not_a_hub() -> Unsupported:
    return Unsupported("The address does not answer as a hub of models does.", "Check the hub's address.")


def _disk_error(error: OSError) -> Busy:
    if error.errno == errno.ENOSPC:
        return Busy("The disk is full.", "Free some room, then run the command again.")
    return Busy(f"The model cannot be stored: {error.strerror}.", "Check the home folder.")
