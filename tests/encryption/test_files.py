"""Sealed files come back as they were, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.device.retention import IDLE, seal_idle
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files.sealed_files import read_sealed, seal, sealed, unseal
from whatsapp_mcp.files.vault import KeySource, Vault
from whatsapp_mcp.settings import AccountFolder

KEY = bytes(range(32))
CHUNK = 64 * 1024
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5]
WORDS = b"zucchini"


def made(folder: Path) -> Path:
    """A file of three chunks, the last one shorter."""
    file = folder / "12.bin"
    file.write_bytes(os.urandom(2 * CHUNK) + WORDS)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return made(tmp_path)


@settings(max_examples=examples(25))
@given(size=st.sampled_from(SIZES), seed=st.binary(max_size=9))
def test_a_sealed_file_comes_back_and_its_plain_form_is_gone(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: bytes
) -> None:
    path = tmp_path_factory.mktemp("sealed") / "12.jpg"
    content = (seed + WORDS) * (size // 8 + 1)
    content = content[:size]
    path.write_bytes(content)
    seal(path, KEY)
    assert [each.name for each in path.parent.iterdir()] == ["12.jpg.sealed"]
    assert size < len(WORDS) or WORDS not in sealed(path).read_bytes()
    unseal(path, KEY)
    assert path.read_bytes() == content


SEALED_CHUNK, HEAD = CHUNK + 16, 24


CHANGES: Final[list[Callable[[bytes], bytes]]] = [
    lambda content: content[:-1],  # shorter
    lambda content: content[: HEAD + SEALED_CHUNK],  # the last chunks left out
    lambda content: content[:HEAD],  # all of them
    lambda content: content + content[-24:],  # longer
    lambda content: bytes((content[0] ^ 1,)) + content[1:],  # of another kind
    lambda content: content[:12] + bytes((content[12] ^ 1,)) + content[13:],  # another salt
    lambda content: content[:-9] + bytes((content[-9] ^ 1,)) + content[-8:],  # other words
    lambda content: (
        content[:HEAD]
        + content[HEAD + SEALED_CHUNK : HEAD + 2 * SEALED_CHUNK]
        + content[HEAD : HEAD + SEALED_CHUNK]
        + content[HEAD + 2 * SEALED_CHUNK :]
    ),  # chunks in another order
]


@for_each("change", CHANGES)
def test_a_sealed_file_that_was_changed_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    file = made(tmp_path)
    seal(file, KEY)
    sealed(file).write_bytes(change(sealed(file).read_bytes()))
    with pytest.raises(Busy, match="damaged"):
        unseal(file, KEY)
    assert not file.exists()


def test_a_sealed_file_is_not_read_with_another_key(file: Path) -> None:
    seal(file, KEY)
    with pytest.raises(Busy):
        list(read_sealed(sealed(file), bytes(32)))


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    """An encrypted account without databases."""
    path = tmp_path / "home" / "accounts" / "default"
    made = AccountFolder("default", path, Vault(path, KeySource(file=tmp_path / "key")))
    made.create()
    made.vault.create()
    made.vault.set_step(None)
    return made


def test_what_nobody_used_for_an_hour_is_sealed_but_not_what_is_on_its_way_out(folder: AccountFolder) -> None:
    folder.outgoing.mkdir()
    page = folder.exports / "page_files" / "1.png"
    page.parent.mkdir(parents=True)
    files = (folder.media / "1.jpg", folder.media / "2.jpg", page, folder.outgoing / "3.jpg")
    for path in files:
        path.write_bytes(WORDS)
        os.utime(path, (0, 1000))
    os.utime(files[1], (0, 1000 + IDLE))
    assert seal_idle(folder, 1000 + IDLE + 1) == 2
    assert [path.exists() for path in files] == [False, True, False, True]
    assert sealed(page).exists()
    assert seal_idle(folder, 1000 + IDLE + 1) == 0


def test_nothing_is_sealed_in_an_account_that_is_not_encrypted(tmp_path: Path) -> None:
    folder = AccountFolder("default", tmp_path / "accounts" / "default")
    folder.create()
    (folder.media / "1.jpg").write_bytes(WORDS)
    assert seal_idle(folder, 1e12) == 0
    assert (folder.media / "1.jpg").exists()
