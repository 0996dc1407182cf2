"""Files that cannot be had again are kept where the next leader, on another machine, has them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Iterable
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.device.outbox_rig import ANN, Wire, rig
from whatsapp_mcp.archive import Archive, open_archive, outbox
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.outbox.client_sender import ClientSender
from whatsapp_mcp.device.retention import clear_sent_files
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import FileContent, SendRequest
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_mcp.storage import Unavailable

pytestmark = pytest.mark.anyio


class MemoryFiles:
    """A `storage.FileStore`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failure: Exception | None = None

    async def put(self, name: str, file: Path) -> None:
        if self.failure is not None:
            raise self.failure
        self.files.setdefault(name, await anyio.Path(file).read_bytes())

    async def fetch(self, name: str, target: Path) -> bool:
        if self.failure is not None:
            raise self.failure
        if name not in self.files:
            return False
        await anyio.Path(target).write_bytes(self.files[name])
        return True

    async def names(self) -> frozenset[str]:
        return frozenset(self.files)

    async def delete(self, names: Collection[str]) -> None:
        for name in names:
            self.files.pop(name, None)


@pytest.fixture
def store() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with open_archive(node(tmp_path, "a"), write=True) as opened:
        yield opened


def node(path: Path, name: str) -> AccountFolder:
    folder = AccountFolder("work", path / name)
    folder.outgoing.mkdir(parents=True)
    return folder


def outgoing(folder: AccountFolder, name: str = "5f1c.png", content: bytes = b"picture") -> Path:
    path = folder.outgoing / name
    path.write_bytes(content)
    return path


async def test_a_file_on_its_way_out_is_at_hand_on_another_machine(
    tmp_path: Path, store: MemoryFiles
) -> None:
    first, second = node(tmp_path, "a"), node(tmp_path, "b")
    path = outgoing(first)
    await StoredFiles(first, store).keep([str(path)])
    found = await StoredFiles(second, store).at_hand(str(path))
    assert found == second.outgoing / "5f1c.png"
    assert await anyio.Path(second.outgoing / "5f1c.png").read_bytes() == b"picture"


async def test_a_file_that_an_import_brought_is_at_hand_on_another_machine(
    tmp_path: Path, store: MemoryFiles
) -> None:
    first, second = node(tmp_path, "a"), node(tmp_path, "b")
    path = first.media / "1042.jpg"
    path.write_bytes(b"picture")
    await StoredFiles(first, store).keep([path])
    assert await StoredFiles(second, store).at_hand(str(path)) == second.media / "1042.jpg"


async def test_without_a_store_nothing_is_done(tmp_path: Path) -> None:
    folder = node(tmp_path, "a")
    stored = StoredFiles(folder)
    await stored.keep([str(outgoing(folder))])
    assert await stored.at_hand("/elsewhere/media/outgoing/5f1c.png") is None
    assert await stored.clear([]) == 0


async def test_what_is_nowhere_is_not_at_hand_and_leaves_no_draft(tmp_path: Path, store: MemoryFiles) -> None:
    folder = node(tmp_path, "a")
    assert await StoredFiles(folder, store).at_hand("/other/media/outgoing/5f1c.png") is None
    assert list(folder.outgoing.iterdir()) == []


async def test_a_file_outside_of_the_folder_is_not_stored(tmp_path: Path, store: MemoryFiles) -> None:
    folder = node(tmp_path, "a")
    secret = tmp_path / "secret.txt"
    secret.write_text("words")
    (folder.media / "linked.txt").symlink_to(secret)
    await StoredFiles(folder, store).keep(
        [str(secret), "/x/media/linked.txt", "/x/outgoing/../../secret.txt"]
    )
    assert store.files == {}


async def test_a_store_that_does_not_answer_is_busy(tmp_path: Path, store: MemoryFiles) -> None:
    folder = node(tmp_path, "a")
    path = str(outgoing(folder))
    store.failure = OSError("no route")
    with pytest.raises(Busy):
        await StoredFiles(folder, store).keep([path])
    with pytest.raises(Busy):
        await StoredFiles(node(tmp_path, "b"), store).at_hand(path)


async def test_what_nothing_needs_is_deleted_from_the_store_and_what_is_here_stays(
    tmp_path: Path, store: MemoryFiles
) -> None:
    folder = node(tmp_path, "a")
    for name in ("needed.1600.jpg", "here.png", "gone.png"):
        store.files[f"media/outgoing/{name}"] = b""
    store.files |= {"media/7.jpg": b"", "media/8.jpg": b"", "exports/9.txt": b""}
    outgoing(folder, "here.png")
    needed = ["/former/media/outgoing/needed.png", "/former/media/7.jpg"]
    assert await StoredFiles(folder, store).clear(needed) == 2
    assert set(store.files) == {
        "media/outgoing/needed.1600.jpg", "media/outgoing/here.png", "media/7.jpg", "exports/9.txt",
    }  # fmt: skip


async def test_files_of_sends_that_wait_stay_in_the_store_while_others_are_cleared(
    archive: Archive, store: MemoryFiles
) -> None:
    async def sleep(_: float) -> None:
        raise Unavailable

    content = FileContent("image", "/former/media/outgoing/5f1c.png", "image/png")
    await archive.write(outbox.add, SendRequest(ANN, content))
    store.files |= {"media/outgoing/5f1c.png": b"", "media/outgoing/dead.png": b""}
    with pytest.raises(Unavailable):
        await clear_sent_files(archive, StoredFiles(archive.folder, store), sleep=sleep)
    assert set(store.files) == {"media/outgoing/5f1c.png"}


async def test_a_file_that_comes_back_while_it_is_cleared_stays_in_the_store(
    tmp_path: Path, store: MemoryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = node(tmp_path, "a")
    stored, delete, put = StoredFiles(folder, store), store.delete, store.put
    store.files["media/outgoing/5f1c.png"] = b"picture"
    found_there = anyio.Event()

    async def putting(name: str, file: Path) -> None:
        await put(name, file)
        found_there.set()

    async with anyio.create_task_group() as tasks:

        async def deleting(names: Collection[str]) -> None:
            tasks.start_soon(stored.keep, [outgoing(folder)])  # of a send that comes now
            with anyio.move_on_after(0.2):
                await found_there.wait()
            await delete(names)

        monkeypatch.setattr(store, "put", putting)
        monkeypatch.setattr(store, "delete", deleting)
        await stored.clear([])
    assert store.files == {"media/outgoing/5f1c.png": b"picture"}


PICTURE, OTHER = "/former/work/media/outgoing/5f1c.png", "/former/work/media/outgoing/6a2d.png"


def sent(path: str) -> SendRequest:
    return SendRequest(ANN, FileContent("image", path, "image/png"), wait=0)


async def test_a_send_is_accepted_once_its_file_is_stored(tmp_path: Path) -> None:
    kept: list[tuple[list[str], int]] = []

    async def keep(paths: Iterable[str]) -> None:
        kept.append((list(paths), len(await opened.archive.outbox_unsettled())))

    async with rig(node(tmp_path, "a"), keep=keep) as opened:
        opened.wire.online = False
        await opened.outbox.submit(sent(PICTURE))
        await opened.outbox.hold(sent(OTHER), opened.clock.now() + timedelta(hours=1))
        assert kept == [([PICTURE], 0), ([OTHER], 1)]


async def test_a_send_whose_file_cannot_be_stored_is_not_accepted(tmp_path: Path) -> None:
    async def keep(_: Iterable[str]) -> None:
        raise Busy("The file cannot be stored or fetched now.", "Try again.")

    async with rig(node(tmp_path, "a"), keep=keep) as opened:
        with pytest.raises(Busy):
            await opened.outbox.submit(sent(PICTURE))
        assert await opened.archive.outbox_unsettled() == ()


async def test_what_is_uploaded_is_the_file_of_this_machine(archive: Archive, store: MemoryFiles) -> None:
    from whatsapp_mcp.protobufs import Neonize

    uploaded: list[object] = []

    async def call(method: str, params: Params | None = None, *, deadline: float) -> str:
        uploaded.append((params or {})["path"])
        answer = Neonize.UploadResponse(url="", DirectPath="", Handle="", FileLength=0)
        return b64encode(answer.SerializePartialToString()).decode()

    async def learn(_: str) -> None:
        pass

    store.files["media/outgoing/5f1c.png"] = b"picture"
    sender = ClientSender(
        archive,
        FileKeys(archive.folder.client_db),
        CurrentSettings(Settings(home=archive.folder.path)),
        Worker(),
        Wire().open(archive.folder),
        call=call,
        doubt=lambda: None,
        learn_lid=learn,
        at_hand=StoredFiles(archive.folder, store).at_hand,
    )
    await sender.compose(sent(PICTURE))
    assert uploaded == [str(archive.folder.outgoing / "5f1c.png")]
