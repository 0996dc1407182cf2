"""Files on their way to the client process and from it, which reaches no other files of the account.

What it uploads is copied into a folder that it only reads, under a name that says nothing, for as long as the
call takes. What it downloads it writes in its own folder, from where the leader takes it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.errors import FileNotAllowed, MediaUnavailable
from whatsapp_mcp.files.allowed_files import open_allowed
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import replaced

PATH: Final = "path"
"""Parameter of a call: a file of the account, absolute."""
_FILE: Final = "file"
"""Parameter that the client process gets instead of it: a name."""
_DOWNLOAD: Final = "download"


@asynccontextmanager
async def handed_over(folder: AccountFolder, method: str, params: Params) -> AsyncGenerator[Params]:
    """The parameters of a call as the client process gets them; its file is where it belongs afterwards.

    Raises:
        FileNotAllowed: The file to send is none of the folder `media`, or cannot be copied.
        InvalidArgument: There is no such file.
        MediaUnavailable: The client process left no file.
    """
    if not params.get(PATH):
        yield {name: value for name, value in params.items() if name != PATH}
        return
    path, name = Path(params[PATH]), secrets.token_hex(16)
    given = {key: value for key, value in params.items() if key != PATH} | {_FILE: name}
    if method == _DOWNLOAD:
        received = folder.received / name
        try:
            yield given
            await anyio.to_thread.run_sync(_take, received, path, int(params["most"]))
        finally:
            _remove(received)
        return
    sending = folder.sending / name
    try:
        await anyio.to_thread.run_sync(_put, folder, path, sending)
        yield given
    finally:
        _remove(sending)


def clear_handover(folder: AccountFolder) -> None:
    """Delete what a leader that was killed has left on its way."""
    for place in (folder.received, folder.sending):
        for path in place.iterdir():
            _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # a folder that the client process has made; it is in nobody's way
        path.unlink(missing_ok=True)


def _put(folder: AccountFolder, path: Path, sending: Path) -> None:
    with open_allowed(path, [folder.media], folder.path.parent.parent) as file:
        try:
            with os.fdopen(os.open(sending, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
        except OSError as error:
            raise FileNotAllowed(f"The file cannot be copied: {error.strerror}.") from error


def _take(received: Path, path: Path, most: int) -> None:
    """Copy what the client process has written, if it is one file under this name alone.

    A copy, since the client may still have its own file open and would go on to write in `media`.
    """
    try:
        file_stat = received.lstat()  # not opened: a database by another name would lose its locks
        if not stat.S_ISREG(file_stat.st_mode) or file_stat.st_nlink != 1 or file_stat.st_size > most:
            raise FileNotFoundError
        with received.open("rb") as source, replaced(path) as draft, draft.open("wb") as copy:
            # One byte more than allowed shows that the client wrote on after `lstat`.
            while part := source.read(min(1 << 20, most + 1 - copy.tell())):
                copy.write(part)
            if copy.tell() > most:
                raise FileNotFoundError
    except OSError as error:
        raise MediaUnavailable("The file did not arrive.", "Try again.") from error
