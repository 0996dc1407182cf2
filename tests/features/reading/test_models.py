"""Models of speech: fetched from a hub that is asked for them, whole or not at all, and checked."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import Buffer

from tests.features.reading.model_hub import REVISION, ModelHub, running_hub
from tests.features.reading.whisper_folder import make_whisper_files, make_whisper_model
from tests.tables import for_each
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.features.reading.speech import models
from whatsapp_mcp.features.reading.speech.hub import open_hub
from whatsapp_mcp.features.reading.speech.whisper import Whisper

NOW = datetime(2026, 11, 28, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a Whisper model with random weights, and what a repository has beside them."""
    folder = tmp_path_factory.mktemp("repository")
    make_whisper_files(folder)
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {**found, ".gitattributes": b"x", "README.md": b"# Model"}


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[ModelHub]:
    with running_hub(dict(files)) as running:
        yield running


def untold(here: int, total: int) -> None:
    """Progress that nobody looks at."""


def install(hub: ModelHub, home: Path, name: str = "small", **more: Any) -> models.Model:
    """Fetch a model into a home folder."""
    with open_hub(hub.address) as opened:
        offer = opened.offer(name)
        options: dict[str, Any] = {"free_bytes": 0, "progress": untold, **more}
        return opened.install(offer, home, now=NOW, **options)


def asked_files(hub: ModelHub) -> list[str]:
    return [path.rpartition("/")[2] for path, _ in hub.asked if "/resolve/" in path]


def everything_in(home: Path) -> list[str]:
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


def test_a_model_is_fetched_recorded_and_loads(
    hub: ModelHub, files: dict[str, bytes], tmp_path: Path
) -> None:
    model = install(hub, tmp_path)
    record = json.loads((tmp_path / "models" / "whisper-small" / "model.json").read_text())
    assert (record["name"], record["revision"], record["hub"]) == ("small", REVISION, hub.address)
    assert (record["repository"], record["installed_at"]) == (
        "Systran/faster-whisper-small",
        "2026-11-28T06:00:00+00:00",
    )
    weights = {"size": len(files["model.bin"]), "sha256": hashlib.sha256(files["model.bin"]).hexdigest()}
    assert record["files"]["model.bin"] == weights
    assert models.installed(tmp_path, "small") == model
    assert Whisper(model).name == "whisper small"


def test_only_the_files_of_a_model_are_fetched_of_one_revision(hub: ModelHub, tmp_path: Path) -> None:
    install(hub, tmp_path)
    wanted = {"config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json"}
    assert set(asked_files(hub)) == wanted
    assert all(f"/resolve/{REVISION}/" in path for path, _ in hub.asked if "/resolve/" in path)
    assert {Path(name).name for name in everything_in(tmp_path)} == {*wanted, "model.json"}


def test_a_name_with_a_folder_is_never_written(hub: ModelHub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("../../evil.json", "/tmp/evil.json", "sub/config.json", "..\\evil.json", "model.bin/"):
        hub.files[name] = b"evil"
    install(hub, home)
    assert not list(tmp_path.rglob("*evil*"))
    assert not (home / "models" / "whisper-small" / "sub").exists()


def test_progress_goes_from_nothing_to_all_of_it(hub: ModelHub, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []

    def told(here: int, total: int) -> None:
        steps.append((here, total))

    model = install(hub, tmp_path, progress=told)
    heres = [here for here, _ in steps]
    assert heres == sorted(heres)
    assert steps[-1] == (model.record.size, model.record.size)


def test_what_broke_off_goes_on_where_it_ended(hub: ModelHub, tmp_path: Path) -> None:
    hub.breaks_after["model.bin"] = 30_000
    with pytest.raises(Busy) as caught:
        install(hub, tmp_path)
    assert "goes on where it ended" in caught.value.action
    assert models.installed(tmp_path, "small") is None
    hub.asked.clear()
    model = install(hub, tmp_path)
    assert ("model.bin", "bytes=30000-") in [(path.rpartition("/")[2], given) for path, given in hub.asked]
    assert "config.json" not in asked_files(hub)
    assert model.is_whole()


def test_a_hub_that_cannot_go_on_sends_all_again(hub: ModelHub, tmp_path: Path) -> None:
    hub.breaks_after["model.bin"] = 30_000
    with pytest.raises(Busy):
        install(hub, tmp_path)
    hub.has_ranges = False
    assert install(hub, tmp_path).is_whole()


def test_what_was_fetched_of_another_revision_is_not_gone_on_from(hub: ModelHub, tmp_path: Path) -> None:
    hub.breaks_after["model.bin"] = 30_000
    with pytest.raises(Busy):
        install(hub, tmp_path)
    hub.revision = "f" * 40
    hub.asked.clear()
    assert install(hub, tmp_path).record.revision == "f" * 40
    assert {given for _, given in hub.asked} == {None}


@pytest.mark.parametrize("name", ["model.bin", "config.json"], ids=["sha256", "git blob"])
def test_a_file_with_another_digest_is_refused_and_not_kept(hub: ModelHub, tmp_path: Path, name: str) -> None:
    honest = hub.entries()
    hub.listing = honest
    content = bytearray(hub.files[name])
    content[0] ^= 1
    hub.files[name] = bytes(content)
    with pytest.raises(Unsupported, match="digest differs"):
        install(hub, tmp_path)
    assert models.installed(tmp_path, "small") is None
    assert not (models.draft_of(tmp_path, "small") / name).exists()


def test_a_file_that_is_longer_than_listed_is_cut_off_and_refused(hub: ModelHub, tmp_path: Path) -> None:
    hub.listing = hub.entries()
    hub.files["model.bin"] += bytes(5_000_000)
    with pytest.raises(Unsupported, match="digest differs"):
        install(hub, tmp_path)


@pytest.mark.parametrize("size", [0, -1, 5_000_000_000])
def test_a_size_that_no_model_has_is_refused(hub: ModelHub, tmp_path: Path, size: int) -> None:
    hub.listed["model.bin"] = {"size": size}
    with pytest.raises(Unsupported, match="size"):
        install(hub, tmp_path)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("name", ["config.json", "model.bin", "tokenizer.json", "vocabulary.json"])
def test_a_repository_without_a_needed_file_is_no_model(hub: ModelHub, tmp_path: Path, name: str) -> None:
    del hub.files[name]
    with pytest.raises(Unsupported, match="no model"):
        install(hub, tmp_path)


@for_each(
    "listing",
    [
        b"",
        b"[]",
        b"{}",
        b"<html>",
        b'{"sha": "main", "siblings": []}',
        b'{"sha": "../../etc", "siblings": []}',
        json.dumps({"sha": REVISION, "siblings": [{"rfilename": "model.bin"}]}).encode(),
        json.dumps({"sha": REVISION, "siblings": [{"rfilename": "model.bin", "size": "9"}]}).encode(),
        json.dumps({"sha": REVISION, "siblings": [1, None, {"rfilename": 3}]}).encode(),
        b"[" * 100_000,
        b" " * 3_000_000,
    ],
)
def test_what_is_no_listing_of_a_model_is_refused(hub: ModelHub, tmp_path: Path, listing: bytes) -> None:
    hub.listing = listing
    with pytest.raises(Unsupported):
        install(hub, tmp_path)
    assert asked_files(hub) == []


def test_a_redirect_within_the_hub_is_followed(hub: ModelHub, tmp_path: Path) -> None:
    hub.redirects["model.bin"] = "/stored/model.bin"
    assert install(hub, tmp_path).is_whole()


@for_each(
    "target",
    [
        "http://127.0.0.2:1/model.bin",
        "http://localhost:1/model.bin",
        "https://evil.example/model.bin",
        "https://evilhf.co/model.bin",
        "http://cdn-lfs.hf.co/model.bin",
        "https://hf.co.evil.example/model.bin",
        "https://user@evil.example/.hf.co",
        "file:///etc/passwd",
        "//evil.example/x",
    ],
)
def test_a_redirect_to_another_host_is_refused(hub: ModelHub, tmp_path: Path, target: str) -> None:
    hub.redirects["model.bin"] = target
    with pytest.raises(Unsupported, match="another host"):
        install(hub, tmp_path)
    assert models.installed(tmp_path, "small") is None


@for_each(
    "target",
    [
        "https://cdn-lfs.hf.co/x",
        "https://us.aws.cdn.hf.co/x?y",
        "https://huggingface.co/x",
        "https://hf.co/x",
    ],
)
def test_a_redirect_to_the_storage_of_hugging_face_is_followed(hub: ModelHub, target: str) -> None:
    with open_hub(hub.address) as opened:
        assert opened._redirected(f"{hub.address}/x", target) == target


def test_redirects_in_a_circle_end(hub: ModelHub, tmp_path: Path) -> None:
    hub.redirects["model.bin"] = "/again/model.bin"
    with pytest.raises(Unsupported, match="too often"):
        install(hub, tmp_path)


@for_each(
    ("status", "error"), [(401, Unsupported), (404, Unsupported), (429, Busy), (500, Busy), (204, Busy)]
)
def test_what_a_hub_says_of_a_failure_is_not_repeated(
    hub: ModelHub, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    hub.status = status
    with pytest.raises(error) as caught:
        install(hub, tmp_path)
    assert str(status) in str(caught.value)
    assert "words of a hub" not in str(caught.value)


def test_a_hub_that_is_not_there_is_told(tmp_path: Path) -> None:
    with open_hub("http://127.0.0.1:1") as opened, pytest.raises(Busy, match="does not answer"):
        opened.offer("small")


@for_each("address", ["http://hub.example", "ftp://127.0.0.1", "https://h/?x", ""])
def test_a_hub_is_asked_by_https_alone(address: str) -> None:
    with pytest.raises(InvalidArgument), open_hub(address):
        pass


def test_a_name_that_is_none_of_a_model_is_refused(hub: ModelHub, tmp_path: Path) -> None:
    for name in ("huge", "../small", ""):
        with pytest.raises(InvalidArgument, match="There are: tiny"):
            install(hub, tmp_path, name)
        with pytest.raises(InvalidArgument):
            models.remove(tmp_path, name)
    assert hub.asked == []


def test_a_disk_with_too_little_room_is_told_before_a_file_is_fetched(hub: ModelHub, tmp_path: Path) -> None:
    with pytest.raises(Busy, match="MB are missing"):
        install(hub, tmp_path, free_bytes=shutil.disk_usage(tmp_path).free)
    assert asked_files(hub) == []


class FullDisk(io.FileIO):
    """A file for which the disk has room for 300,000 bytes more."""

    room = 300_000

    def write(self, data: Buffer, /) -> int:
        self.room -= len(memoryview(data))
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_disk_that_fills_up_is_told_and_once_there_is_room_it_goes_on(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = make_whisper_model(tmp_path)
    hub.files["model.bin"] += bytes(1_000_000)
    usual = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        if path.name == "model.bin" and "r" not in mode:
            return FullDisk(path, mode.replace("b", ""))
        return usual(path, mode, *more, **options)

    with monkeypatch.context() as patch, pytest.raises(Busy, match="disk is full"):
        patch.setattr(Path, "open", full)
        install(hub, tmp_path)
    assert models.installed(tmp_path, "small") == former
    assert former.is_whole()
    hub.asked.clear()
    assert install(hub, tmp_path).record.revision == REVISION
    assert any(given is not None for _, given in hub.asked)


def test_an_installed_model_is_replaced_as_a_whole(hub: ModelHub, tmp_path: Path) -> None:
    old = make_whisper_model(tmp_path)
    (old.folder / "leftover").write_text("x")
    new = install(hub, tmp_path)
    assert new.record.revision == REVISION
    assert not (new.folder / "leftover").exists()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["whisper-small"]
    assert models.installed(tmp_path, "small") == new


def test_nobody_else_may_read_where_models_are_put_together(hub: ModelHub, tmp_path: Path) -> None:
    model = install(hub, tmp_path / "home")
    if os.name == "posix":
        assert model.folder.stat().st_mode & 0o077 == 0


def test_models_are_listed_and_removed(tmp_path: Path) -> None:
    for name in ("small", "tiny"):
        make_whisper_model(tmp_path, name)
    assert [model.name for model in models.all_installed(tmp_path)] == ["tiny", "small"]
    models.draft_of(tmp_path, "tiny").mkdir()
    models.former_of(tmp_path, "tiny").mkdir()
    assert models.remove(tmp_path, "tiny")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["whisper-small"]
    assert not models.remove(tmp_path, "tiny")
    assert [model.name for model in models.all_installed(tmp_path)] == ["small"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../small"},
        {"revision": "x; rm"},
        {"files": {}},
        {"files": {"../../x": {"size": 1, "sha256": "a"}}},
        {"files": 3},
    ],
)
def test_a_record_that_is_none_of_ours_is_no_model(tmp_path: Path, change: dict[str, Any]) -> None:
    model = make_whisper_model(tmp_path)
    record = json.loads((model.folder / "model.json").read_text())
    (model.folder / "model.json").write_text(json.dumps(record | change))
    assert models.installed(tmp_path, "small") is None
