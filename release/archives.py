"""Archives whose bytes depend on names, contents and one time alone: on no clock, user, umask or disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile
from collections.abc import Mapping
from typing import Final

_FIRST_OF_ZIP: Final = 315532800
"""1980-01-01: a zip file knows no earlier time."""
_MODE: Final = 0o644


def zipped(files: Mapping[str, bytes], epoch: int) -> bytes:
    """A zip file.

    Args:
        files: The contents by path.
        epoch: The time of every member, in seconds since 1970.
    """
    moment = time.gmtime(max(epoch, _FIRST_OF_ZIP))[:6]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files.items()):
            member = zipfile.ZipInfo(path, moment)
            member.create_system = 3  # Unix, wherever it is made
            member.external_attr = (0o100000 | _MODE) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content, compresslevel=9)
    return target.getvalue()


def tarred(files: Mapping[str, bytes], epoch: int) -> bytes:
    """A gzipped tar file; the arguments are those of `zipped`."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = len(content), epoch, _MODE
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=9, mtime=epoch)
