"""Homes in which a database would be damaged are recognised."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from tests.tables import for_each
from whatsapp_mcp import settings
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import account_folder
from whatsapp_mcp.settings.account_folder import sharing
from whatsapp_mcp.system import Mount, mounts_here
from whatsapp_mcp.system.machine import mount_of_drive, read_mount_list, read_mountinfo

ANN = PurePosixPath("/home/ann")
ONEDRIVE = "is in a folder that OneDrive synchronises"
MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 27 0:40 / /home rw,relatime shared:5 master:2 - nfs4 nas:/home rw,vers=4.2
31 30 0:41 / /home/ann/lap\040top rw - ext4 /dev/sdb1 rw
32 27 0:42 / /mnt/c rw - 9p C:\134 rw
33 27 0:43 / /mnt/ssh rw - ext4 /dev/sdc1 rw
34 33 0:44 / /mnt/ssh rw - fuse.sshfs ann@host: rw
35 27 0:45 / /mnt/ram rw - nfs nas:/ram rw
36 35 0:46 / /mnt/ram rw - tmpfs tmpfs rw
malformed
"""
MOUNT_LIST = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//ann@nas._smb._tcp.local/home on /Volumes/home on nas (smbfs, nodev, nosuid, mounted by ann)
"""


def posix(folder: str, mounts: list[Mount] | None = None) -> str | None:
    return sharing(PurePosixPath(folder), mounts or [], {}, ANN)


@pytest.mark.skipif(sys.platform == "win32", reason="paths of another kind")
@for_each(
    ("folder", "expected"),
    [
        ("/home/ann/wa", "is on a network or shared file system (nfs4 at /home)"),
        ("/home/ann/lap top/wa", None),
        ("/mnt/c/Users/ann", "is on a network or shared file system (9p at /mnt/c)"),
        ("/mnt/ssh/wa", "is on a network or shared file system (fuse.sshfs at /mnt/ssh)"),
        ("/mnt/ram/wa", None),
        ("/homework/wa", None),
        ("/var/lib/wa", None),
    ],
)
def test_the_nearest_mount_decides_and_of_two_at_one_place_the_later(
    folder: str, expected: str | None
) -> None:
    assert sharing(Path(folder), read_mountinfo(MOUNTINFO), {}, Path("/root")) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="paths of another kind")
def test_the_mounts_of_macos_are_read_with_all_of_their_names() -> None:
    mounts = read_mount_list(MOUNT_LIST)
    assert mounts[-1] == (Path("/Volumes/home on nas"), "smbfs")
    assert sharing(Path("/Volumes/home on nas/wa"), mounts, {}, Path("/Users/ann")) is not None
    assert sharing(Path("/Users/ann/wa"), mounts, {}, Path("/Users/ann")) is None


@for_each(
    ("folder", "program"),
    [
        ("Dropbox/wa", "Dropbox"),
        ("Dropbox (Work)/wa", "Dropbox"),
        ("OneDrive - Example Ltd/wa", "OneDrive"),
        ("Google Drive/wa", "Google Drive"),
        ("GoogleDrive/My Drive/wa", "Google Drive"),
        ("Library/Mobile Documents/com~apple~CloudDocs/wa", "iCloud Drive"),
        ("Library/CloudStorage/Box-Box/wa", "a cloud service"),
        ("Nextcloud/wa", "Nextcloud"),
    ],
)
def test_a_folder_that_a_program_synchronises_is_recognised_by_its_name(folder: str, program: str) -> None:
    assert posix(f"/home/ann/{folder}") == f"is in a folder that {program} synchronises"


@for_each("folder", ["my dropbox notes", "onedriver", ".local/share/whatsapp-mcp", "Drive"])
def test_other_folders_are_taken(folder: str) -> None:
    assert posix(f"/home/ann/{folder}") is None


def test_the_name_of_the_user_says_nothing() -> None:
    home = PurePosixPath("/home/dropbox")
    assert sharing(home / "wa", [], {}, home) is None


@pytest.mark.parametrize(
    ("folder", "environment", "expected"),
    [
        (r"\\nas\home\wa", {}, "is on a network share (\\\\nas\\home)"),
        (
            r"C:\Users\ann\Sync\wa",
            {"OneDrive": r"c:\users\ann\sync"},
            "is in a folder that OneDrive synchronises",
        ),
        (r"C:\Users\ann\AppData\Local\wa", {"OneDrive": r"C:\Users\ann\OneDrive"}, None),
    ],
)
def test_windows_names_shares_by_their_path_and_onedrive_by_variables(
    folder: str, environment: dict[str, str], expected: str | None
) -> None:
    assert sharing(PureWindowsPath(folder), [], environment, PureWindowsPath(r"C:\Users\ann")) == expected


def test_this_machine_tells_where_its_file_systems_are(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("only drives of other machines are told there")
    assert PurePath("/") in {mount.point for mount in mounts_here(tmp_path)}


def test_a_user_whom_no_file_names_can_have_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(path: str) -> str:
        return path

    monkeypatch.setattr("os.path.expanduser", unknown)
    assert settings.load(tmp_path).home == tmp_path


def test_a_home_on_a_network_is_refused_unless_the_person_knows_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nas(folder: Path) -> list[Mount]:
        return [Mount(tmp_path.resolve(), "nfs4")]

    monkeypatch.setattr(account_folder, "mounts_here", nas)
    with pytest.raises(InvalidArgument, match=r"nfs4 at .* do not hold") as refused:
        settings.load(tmp_path / "home")
    assert "WHATSAPP_MCP_HOME" in refused.value.action
    assert "allow_network_home = true" in refused.value.action
    (tmp_path / "config.toml").write_text("allow_network_home = true\n", encoding="utf-8")
    assert settings.load(tmp_path).home == tmp_path
    monkeypatch.setenv("WHATSAPP_MCP_ALLOW_NETWORK_HOME", "true")
    assert settings.load(tmp_path / "home").home == tmp_path / "home"


def test_a_drive_of_another_machine_is_a_network_file_system() -> None:
    """The numbers of `GetDriveTypeW`: 3 is a fixed drive, 4 a remote one."""
    assert mount_of_drive("Z:\\", 3) == []
    assert [mount.kind for mount in mount_of_drive("Z:\\", 4)] == ["smbfs"]
