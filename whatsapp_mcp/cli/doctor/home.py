"""Checks of the home folder: whether it can be used, its disk, and who may read it."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from whatsapp_mcp.cli.doctor.finding import Finding, listed
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import HOME_VARIABLE, REMOVING, RENAMING, Settings, file_system_of, sharing_of
from whatsapp_mcp.system import HAS_MODES, is_foreign, open_to_others, own_user
from whatsapp_mcp.text.redaction import without_credentials

_FULL: Final = 100
"""Megabytes below which the archive soon cannot be written."""
_PRIVATE: Final = (
    "http-token",
    "tokens",
    "tokens/*",
    "accounts",
    "accounts/*",
    "accounts/*/*",
    "accounts/*/client/*",
)
"""What only the owner may read. Not `config.toml`: editors write it for all, and its folder is private."""


def settings_in_force(loaded: Settings) -> Finding:
    """The settings that matter most, and whether the toolsets exist."""
    from whatsapp_mcp.server import tools

    try:
        tools.parse_selection(loaded.server.toolsets)
    except WhatsAppError as error:
        return Finding.of_error("settings", error)
    said = f"home {loaded.home}, toolsets {loaded.server.toolsets}, policy {loaded.policy.mode}"
    proxy = loaded.network.proxy_url
    return Finding("settings", True, f"{said}, proxy {without_credentials(proxy)}" if proxy else said)


def accounts(loaded: Settings) -> Finding:
    """Whether a change of an account was interrupted, and whether settings are of accounts that are here."""
    folder, here = loaded.home / "accounts", loaded.accounts()
    if (folder / RENAMING).exists() or any(folder.glob(f"{REMOVING}*")):
        said = "a rename or a removal was interrupted"
        return Finding("accounts", False, said, "Run `whatsapp-mcp accounts`, which ends it.")
    if unknown := sorted(loaded.accounts_with_settings - set(here)):
        said = f"config.toml has settings of {listed(unknown)}, which is no account here"
        return Finding("accounts", True, said, "Correct the name, or take the sections out.")
    return Finding("accounts", True, f"{len(here)} here" if here else "none is here yet")


def home(loaded: Settings) -> Finding:
    """Whether the home folder can be made or written, and is private."""
    folder = loaded.home
    try:
        if not folder.exists():
            return _writable(_nearest(folder), f"{folder} will be made at first use")
        if folder.is_dir() and (mode := open_to_others(folder.stat())) is not None:
            said = f"{folder} can be read by others ({mode:o})"
            return Finding("home folder", False, said, f"chmod 700 {folder}")
        accounts = folder / "accounts"
        if accounts.exists() and not (found := _writable(accounts, "")).ok:
            return found
        return _writable(folder, str(folder))
    except OSError as error:
        return _unusable(folder, error)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _writable(folder: Path, detail: str) -> Finding:
    """Whether something can be made in a folder: permissions alone do not show a read-only disk."""
    try:
        with tempfile.TemporaryDirectory(prefix=".whatsapp-mcp-", dir=folder):
            return Finding("home folder", True, detail)
    except OSError as error:
        return _unusable(folder, error)


def _unusable(folder: Path, error: OSError) -> Finding:
    action = f"Make it a folder that you can write, or set {HOME_VARIABLE} to another."
    return Finding("home folder", False, f"{folder} cannot be used: {error.strerror}", action)


def file_system(loaded: Settings) -> Finding:
    """Of which kind the home folder's file system is. One that is shared is allowed by a setting alone."""
    kind = file_system_of(loaded.home) or "of a kind that is not known"
    if (shared := sharing_of(loaded.home)) is not None:
        said = f"the home folder {shared}, and the settings allow that"
        action = f"Set {HOME_VARIABLE} to a folder on a disk of this computer, unless locks hold there."
        return Finding("file system", False, said, action)
    return Finding("file system", True, kind)


def disk(loaded: Settings) -> Finding:
    """How much room there is for the archive and for files."""
    try:
        free = shutil.disk_usage(_nearest(loaded.home)).free // 1_000_000
    except OSError as error:
        return Finding("disk", False, f"cannot be asked: {error.strerror}", "Check that it is mounted.")
    if free < _FULL:
        return Finding("disk", False, f"{free} MB free: messages soon cannot be stored", "Free some space.")
    wanted = loaded.media.free_megabytes
    if free < wanted:
        said = f"{free} MB free, less than media.free_megabytes ({wanted}): no files are fetched"
        return Finding("disk", True, said, "Free some space, or lower media.free_megabytes.")
    return Finding("disk", True, f"{free} MB free" if free < 10_000 else f"{free // 1000} GB free")


def permissions(loaded: Settings) -> Finding:
    """Whether each file with keys, tokens or messages is this user's alone."""
    if not HAS_MODES:
        return Finding("permissions", True, "this system has no permission bits")
    if loaded.home.exists() and is_foreign(found := loaded.home.stat()):
        said = f"{loaded.home} belongs to another user (uid {found.st_uid})"
        return Finding("permissions", False, said, "Run whatsapp-mcp as that user, without sudo.")
    open_files: list[str] = []
    foreign: list[str] = []
    for path in _private(loaded):
        try:
            found = path.lstat()
        except OSError:  # gone since it was listed, or in a folder that `home folder` tells of
            continue
        if is_foreign(found):
            foreign.append(str(path))
        elif not stat.S_ISLNK(found.st_mode) and open_to_others(found) is not None:
            open_files.append(str(path))
    if foreign:
        said = f"{listed(foreign)} belong to another user, perhaps since a command ran with sudo"
        return Finding("permissions", False, said, f"sudo chown -R {own_user()} {loaded.home}")
    if open_files:
        said = f"others may read {listed(open_files)}"
        return Finding("permissions", False, said, f"chmod -R go-rwx {' '.join(open_files[:3])}")
    return Finding("permissions", True, "no other user can read keys, tokens or messages")


def _private(loaded: Settings) -> Iterator[Path]:
    """What only the owner may read, without looking at each downloaded file: their folder is private."""
    yield from (key for key in (loaded.encryption.key_file, loaded.server.tls_key) if key is not None)
    for pattern in _PRIVATE:
        yield from loaded.home.glob(pattern)
