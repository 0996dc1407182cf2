"""Places for objects: a folder, or a bucket that speaks S3. Names are paths with `/` between their parts."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from whatsapp_mcp.system import read_or_make, sync_folder, write_private

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Opened

_REQUEST: Final = timedelta(seconds=10)
"""Time limit of one request, with its body."""
_CONNECT: Final = timedelta(seconds=3)
_RETRIES: Final = 3
_AT_A_TIME: Final = 500


class StoreFailed(OSError):
    """The object store cannot be used now. Its text is of fixed words and names of kinds."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EIO, sentence)


class ObjectBackend(Protocol):
    """Objects, each written whole or not at all.

    Each method may raise `StoreFailed`; in a bucket within half a minute for each request.
    """

    def put(self, name: str, body: bytes) -> None:
        """Keep an object; durable when this returns."""
        ...

    def put_first(self, name: str, body: bytes) -> bytes:
        """Keep an object unless there is one of this name; answers what is there then."""
        ...

    def get(self, name: str) -> bytes | None:
        """An object; None where there is none."""
        ...

    def names(self, below: str) -> list[str]:
        """Every object below a name, with what was written of one that is not whole, where that shows."""
        ...

    def tops(self) -> list[str]:
        """The first parts of the names of objects that have several."""
        ...

    def delete(self, names: Collection[str]) -> None:
        """Delete objects; those that are not there are passed over."""
        ...

    def clear(self, below: str) -> None:
        """Delete what the place itself keeps below a name once all objects there are gone."""
        ...


class Folder:
    """A folder, which has to be there: one that is not mounted is not made.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, name: str, body: bytes) -> None:
        """Write a file privately and synced, with the folders on its path; durable when this returns."""
        with self._failing():
            path = self._path / name
            missing = [folder for folder in path.parents if not folder.is_dir()]
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, body, synced=True)
            for folder in missing:
                sync_folder(folder.parent)

    def put_first(self, name: str, body: bytes) -> bytes:
        """Write a file unless there is one of this name; return its content."""
        with self._failing():
            return read_or_make(self._path / name, body)

    def get(self, name: str) -> bytes | None:
        """Return a file's content; None where there is no such file."""
        with self._failing(), suppress(FileNotFoundError):
            return (self._path / name).read_bytes()
        return None

    def names(self, below: str) -> list[str]:
        """List every file below a name, with drafts that were not completed."""
        with self._failing():
            paths = (path for path in (self._path / below).rglob("*") if not path.is_dir())
            return [path.relative_to(self._path).as_posix() for path in paths]

    def tops(self) -> list[str]:
        """List the names of the subfolders."""
        with self._failing():
            return [path.name for path in self._path.iterdir() if path.is_dir()]

    def delete(self, names: Collection[str]) -> None:
        """Delete files, and their folders once these are empty; missing files are passed over."""
        with self._failing():
            for name in names:
                path = self._path / name
                path.unlink(missing_ok=True)
                with suppress(OSError):  # it is not empty yet
                    path.parent.rmdir()

    def clear(self, below: str) -> None:
        """Delete the folder of a name with everything in it."""
        with self._failing(), suppress(FileNotFoundError):
            shutil.rmtree(self._path / below)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        if not self._path.is_dir():
            raise StoreFailed("The folder of the object store is not there.")
        try:
            yield
        except OSError as error:
            raise StoreFailed(f"The folder of the object store fails ({_kind(error)}).") from None


class Bucket:
    """A bucket, reached through the library `obstore` (extra `objects`), loaded with the first request.

    Keys, region and address of the server are those of its variables (`AWS_ACCESS_KEY_ID`,
    `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`) or those of the machine.

    Args:
        opened: Opens it.
    """

    def __init__(self, opened: Callable[[], Opened]) -> None:
        self._open = opened
        self._opened: Opened | None = None

    @classmethod
    def at(cls, url: str, request: timedelta = _REQUEST) -> Bucket:
        """The bucket and the prefix in it that a URL such as `s3://bucket/prefix` names.

        Args:
            url: Which.
            request: For one request; one that may be repeated takes twice as long at most.
        """

        def opened() -> Opened:
            from obstore.store import from_url

            limits: ClientConfig = {"timeout": request, "connect_timeout": min(request, _CONNECT)}
            if os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1"):
                limits["allow_http"] = True  # options that are given take the place of the variable
            retries: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": request}
            return from_url(url, client_options=limits, retry_config=retries)

        return cls(opened)

    def put(self, name: str, body: bytes) -> None:
        """Put an object in one request; durable when this returns."""
        import obstore

        with _failing():
            obstore.put(self._store, name, body, use_multipart=False)

    def put_first(self, name: str, body: bytes) -> bytes:
        """Create an object unless its name is taken; return the object that the bucket has then."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with _failing(AlreadyExistsError), suppress(AlreadyExistsError):
            obstore.put(self._store, name, body, mode="create", use_multipart=False)
        # Also where a server takes no notice of the mode.
        there = self.get(name)
        if there is None:
            raise StoreFailed("The object store does not keep what it has taken.")
        return there

    def get(self, name: str) -> bytes | None:
        """Return an object; None where there is none."""
        import obstore

        with _failing(FileNotFoundError), suppress(FileNotFoundError):
            return bytes(obstore.get(self._store, name).bytes())
        return None

    def names(self, below: str) -> list[str]:
        """List every object below a name."""
        import obstore

        with _failing():
            return [one["path"] for page in obstore.list(self._store, prefix=below) for one in page]

    def tops(self) -> list[str]:
        """List the top-level prefixes of the bucket's objects."""
        import obstore

        with _failing():
            return [str(each) for each in obstore.list_with_delimiter(self._store)["common_prefixes"]]

    def delete(self, names: Collection[str]) -> None:
        """Delete objects, a few hundred with each request."""
        import obstore

        given = list(names)
        for start in range(0, len(given), _AT_A_TIME):
            with _failing():
                obstore.delete(self._store, given[start : start + _AT_A_TIME])

    def clear(self, below: str) -> None:
        """Nothing: a bucket keeps objects alone."""

    @property
    def _store(self) -> Opened:
        if self._opened is None:
            self._opened = self._open()
        return self._opened


@contextmanager
def _failing(*expected: type[Exception]) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except expected:
        raise
    except (BaseError, OSError, ValueError) as error:
        raise StoreFailed(f"The object store does not do what was asked ({type(error).__name__}).") from None


def _kind(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
