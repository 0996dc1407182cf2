"""The key of an account's files, and where the person's key that opens it may be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.files.vault import KeySource, Step, Vault
from whatsapp_mcp.system import write_private


def file_source(path: Path, key: bytes | None = None) -> KeySource:
    """A key in a file."""
    if key is not None:
        write_private(path, key + b"\n")
    return KeySource(file=path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "default"
    made.mkdir()
    return made


@pytest.fixture
def source(tmp_path: Path) -> KeySource:
    return file_source(tmp_path / "key", b"a long enough key")


def made(folder: Path, source: KeySource) -> bytes:
    """A new vault, wholly encrypted; returns the key of a database."""
    vault = Vault(folder, source)
    vault.create()
    vault.set_step(None)
    return secret(folder, source)


def secret(folder: Path, source: KeySource | None, name: str = "archive.db") -> bytes:
    """The key of a database, as a process that starts finds it."""
    key = Vault(folder, source).key_of(name)
    assert key is not None
    return key.secret


def test_an_account_without_a_vault_is_not_encrypted(folder: Path, source: KeySource) -> None:
    assert Vault(folder, source).key_of("archive.db") is None


def test_each_database_has_a_key_of_its_own_and_the_same_each_time(folder: Path, source: KeySource) -> None:
    first = made(folder, source)
    assert secret(folder, source) == first
    assert secret(folder, source, "inbox.db") != first
    assert first.hex() not in (folder / "encryption.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("other", [b"another key", None])
def test_a_wrong_or_missing_key_is_refused_and_changes_nothing(
    folder: Path, source: KeySource, tmp_path: Path, other: bytes | None
) -> None:
    made(folder, source)
    before = (folder / "encryption.json").read_bytes()
    wrong = file_source(tmp_path / "wrong", other)
    for attempt in (Vault(folder, wrong).unlock, lambda: Vault(folder, wrong).change_key(None)):
        with pytest.raises(InvalidArgument, match="The account is encrypted"):
            attempt()
    assert (folder / "encryption.json").read_bytes() == before


def test_without_settings_an_encrypted_account_says_what_to_write(folder: Path, source: KeySource) -> None:
    made(folder, source)
    with pytest.raises(InvalidArgument) as refused:
        Vault(folder).unlock()
    assert "encryption.key_file" in refused.value.action


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_key_file_that_others_may_read_is_refused(folder: Path, source: KeySource) -> None:
    assert source.file is not None
    source.file.chmod(0o640)
    with pytest.raises(InvalidArgument, match="Others may read"):
        Vault(folder, source).create()
    assert not Vault(folder, source).exists


def test_a_missing_key_file_is_made_private_when_an_account_is_encrypted(
    folder: Path, tmp_path: Path
) -> None:
    made(folder, KeySource(file=tmp_path / "new"))
    found = (tmp_path / "new").stat()
    assert sys.platform == "win32" or found.st_mode & 0o077 == 0
    assert found.st_size > 40


def test_a_command_prints_the_key_and_one_that_fails_is_refused(folder: Path) -> None:
    prints = KeySource(command=f'"{sys.executable}" -c "print(12345)"')
    first = made(folder, prints)
    assert secret(folder, prints) == first
    for failing in ("/no/such/program", f'"{sys.executable}" -c "raise SystemExit(3)"', 'unclosed "'):
        with pytest.raises(InvalidArgument, match="key_command"):
            Vault(folder, KeySource(command=failing)).unlock()


def test_a_changed_key_opens_the_same_files_and_the_former_one_does_not(
    folder: Path, source: KeySource, tmp_path: Path
) -> None:
    first = made(folder, source)
    assert source.file is not None
    former = file_source(tmp_path / "former", source.file.read_bytes().strip())
    Vault(folder, source).change_key(None)
    assert secret(folder, source) == first
    with pytest.raises(InvalidArgument):
        Vault(folder, former).unlock()


def test_a_key_goes_over_to_another_place(folder: Path, source: KeySource, tmp_path: Path) -> None:
    first = made(folder, source)
    other = file_source(tmp_path / "other", b"another one")
    Vault(folder, other).change_key(source)
    assert secret(folder, other) == first
    with pytest.raises(InvalidArgument):
        Vault(folder, source).unlock()


def test_the_key_of_a_command_is_not_changed_from_here(folder: Path) -> None:
    prints = KeySource(command=f'"{sys.executable}" -c "print(12345)"')
    first = made(folder, prints)
    with pytest.raises(InvalidArgument, match="cannot be changed"):
        Vault(folder, prints).change_key(None)
    assert secret(folder, prints) == first


class Cut(Exception):
    """The process ended here."""


@pytest.mark.parametrize("after", ["encryption.json", "key"])
def test_a_change_of_the_key_that_is_cut_off_leaves_an_account_that_opens(
    folder: Path, source: KeySource, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    first = made(folder, source)
    replace: Callable[[Path, Path], Path] = Path.replace

    def cut(self: Path, target: Path) -> Path:
        done = replace(self, target)
        if Path(target).name == after:
            raise Cut
        return done

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(Path, "replace", cut)
        Vault(folder, source).change_key(None)
    assert secret(folder, source) == first
    Vault(folder, source).change_key(None)
    assert secret(folder, source) == first
    assert len(json.loads((folder / "encryption.json").read_bytes())["locked"]) == 1


def test_what_was_begun_is_known_until_it_ends(folder: Path, source: KeySource) -> None:
    vault = Vault(folder, source)
    vault.create()
    assert Vault(folder, source).step is Step.ENCRYPTING
    vault.set_step(None)
    assert Vault(folder, source).step is None


def test_a_file_that_is_damaged_or_newer_is_named(folder: Path, source: KeySource) -> None:
    (folder / "encryption.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidArgument, match=r"encryption\.json cannot be read"):
        Vault(folder, source).unlock()
    (folder / "encryption.json").write_text('{"version": 2, "locked": [{"key": ""}]}', encoding="utf-8")
    with pytest.raises(Unsupported):
        Vault(folder, source).unlock()


def test_the_keyring_keeps_a_key_of_each_account(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    kept: dict[tuple[str, str], str] = {}

    def get(service: str, name: str) -> str | None:
        return kept.get((service, name))

    def put(service: str, name: str, key: str) -> None:
        kept[service, name] = key

    monkeypatch.setattr(keyring, "get_password", get)
    monkeypatch.setattr(keyring, "set_password", put)
    source = KeySource(name=str(folder))
    first = made(folder, source)
    Vault(folder, source).change_key(None)
    assert secret(folder, source) == first
    assert set(kept) == {("whatsapp-mcp", str(folder))}
