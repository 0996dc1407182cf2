"""Files that may be sent: below a root, and never the package's own, however the path leads there."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument
from whatsapp_mcp.files import allowed_files
from whatsapp_mcp.files.allowed_files import open_allowed
from whatsapp_mcp.settings import Settings

OWN = ("http-token", "config.toml", "accounts/default/client/client.db", "accounts/default/archive.db")
OWN_TOO = (
    "accounts/default/client/client.db-wal",
    "accounts/work/client/client.db",
    "accounts/default/exports/chat.html",
    "tokens/5f.json",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with two accounts."""
    settings = Settings(home=tmp_path / "home")
    for account in ("default", "work"):
        settings.account_folder(account).create()
    settings.account_folder().exports.mkdir()
    (settings.home / "tokens").mkdir()
    for name in OWN + OWN_TOO:
        (settings.home / name).write_text(name)
    return settings.home


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder from which files may be sent."""
    folder = tmp_path / "root"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("fine")
    return folder


def read(path: Path, roots: list[Path], home: Path) -> str:
    with open_allowed(path, roots, home) as file:
        return file.read().decode()


def test_a_file_below_a_root_is_opened(root: Path, home: Path) -> None:
    for path in (root / "inner" / "file", root / "inner" / ".." / "inner" / "file"):
        assert read(path, [root.parent / "other", root], home) == "fine"
    (root / "link").symlink_to(root / "inner")
    assert read(root / "link" / "file", [root], home) == "fine"
    (root.parent / "link to root").symlink_to(root)
    assert read(root / "inner" / "file", [root.parent / "link to root"], home) == "fine"


@for_each("name", OWN + OWN_TOO)
@for_each("way", ["itself", "symbolic link", "hard link", "linked folder"])
def test_own_files_are_refused_whatever_the_roots_say(root: Path, home: Path, name: str, way: str) -> None:
    own, path, folder = home / name, root / "file", root / "folder"
    for former in (path, folder):
        former.unlink(missing_ok=True)
    match way:
        case "symbolic link":
            path.symlink_to(own)
        case "hard link":
            path.hardlink_to(own)
        case "linked folder":
            folder.symlink_to(own.parent)
            path = folder / own.name
        case _:
            path = own
    for roots in (
        [root, home],
        [root, root.parent],
        [root, home / "accounts" / "default"],
        [root, Path("/")],
    ):
        with pytest.raises(FileNotAllowed):
            open_allowed(path, roots, home)


def test_a_folder_that_is_the_home_by_another_path_is_refused(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the home is mounted once more; only its inode tells."""
    own = root / "mounted" / "accounts" / "default" / "new.db"
    own.parent.mkdir(parents=True)
    own.write_text("secret")
    identity = allowed_files._identity

    def mounted(path: Path) -> tuple[int, int] | None:
        return identity(root / "mounted" if path == home else path)

    monkeypatch.setattr(allowed_files, "_identity", mounted)
    with pytest.raises(FileNotAllowed, match="belongs to whatsapp-mcp"):
        open_allowed(own, [root], home)
    assert "contains" in (allowed_files.overlap(root / "mounted", home) or "")


def test_a_file_that_was_received_is_opened(home: Path) -> None:
    media = home / "accounts" / "default" / "media"
    (media / "outgoing").mkdir()
    (media / "outgoing" / "photo.jpg").write_text("photo")
    assert read(media / "outgoing" / "photo.jpg", [media], home) == "photo"


def special(root: Path) -> Iterator[Path]:
    """What is no file that can be read."""
    yield root
    yield root / "inner"
    yield root / "inner" / "file" / "deeper"
    yield root / "missing"
    yield root / ("x" * 300)
    if sys.platform != "win32":
        os.mkfifo(root / "fifo")
        yield root / "fifo"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(root / "s"))
            yield root / "s"


def test_what_is_no_regular_file_is_refused_at_once(root: Path, home: Path) -> None:
    for path in special(root):
        with pytest.raises(InvalidArgument):
            open_allowed(path, [root], home)
    for path in (Path("/dev/zero"), root / ".." / "home", root / "nul\0"):
        with pytest.raises(FileNotAllowed):
            open_allowed(path, [root], home)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_a_path_that_is_exchanged_for_a_link_after_the_look_opens_nothing(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    secret = root.parent / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    look: Callable[[Path], object] = allowed_files._own_files

    def exchange(home: Path) -> object:
        exchanged, to = (
            (root / "inner" / "file", secret / "file") if what == "the file" else (root / "inner", secret)
        )
        exchanged.rename(root / "before")
        exchanged.symlink_to(to)
        return look(home)

    monkeypatch.setattr(allowed_files, "_own_files", exchange)
    with pytest.raises(InvalidArgument):
        open_allowed(root / "inner" / "file", [root], home)


def test_where_files_cannot_be_opened_step_by_step_links_are_no_way_out_either(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowed_files, "_HAS_OPENAT", False)
    assert read(root / "inner" / "file", [root], home) == "fine"
    (root / "hard").hardlink_to(home / "http-token")
    (root / "soft").symlink_to(home / "http-token")
    for name in ("hard", "soft"):
        with pytest.raises(FileNotAllowed):
            open_allowed(root / name, [root], home)
