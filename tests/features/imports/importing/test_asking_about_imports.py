"""An agent imports nothing without a person's yes to that file, and only from allowed folders."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.conftest import Leader, settings_of
from tests.device.guarded import AGENT, Guarded, guarding, write_policy
from tests.features.imports.backups.phone import phone_backup, place_of
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.errors import ApprovalRequired, Denied, FileNotAllowed, InvalidArgument
from whatsapp_mcp.features.imports import operations as imports
from whatsapp_mcp.features.imports.ability import import_ability
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.models import UNKNOWN
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
MODES = ("standard", "lockdown", "open", "read_only")


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `media.roots`."""
    return tmp_path_factory.mktemp("shared")


def settings_text(shared: Path, mode: str = "standard", rest: str = "") -> str:
    return f'[policy]\nmode = "{mode}"\n{rest}[media]\nroots = [{json.dumps(str(shared))}]\n'


@pytest.fixture
async def guarded(
    wa: WhatsApp, linked: Leader, folder: AccountFolder, shared: Path
) -> AsyncIterator[Guarded]:
    ability = import_ability(folder, settings_of(folder), linked.archive, linked.device.stored)
    policy = settings_text(shared)
    async with (
        background_tasks() as tasks,
        guarding(wa, linked, folder, policy, [ability.part]) as opened,
    ):
        tasks.start_soon(ability.run)
        yield opened


def export(folder: Path, text: str = "[24/11/2019, 12:00:00] Ann: Hello\n") -> Path:
    path = folder / "WhatsApp Chat with Ann.txt"
    path.write_text(text)
    return path


def request(guarded: Guarded, path: Path) -> ImportRequest:
    return ImportRequest(str(path), str(guarded.known.pn), "Me")


async def test_a_person_is_asked_in_every_mode_and_acts_unasked(
    guarded: Guarded, folder: AccountFolder, shared: Path
) -> None:
    wanted = request(guarded, export(shared))
    for mode in MODES:
        write_policy(folder, settings_text(shared, mode, 'approval = "host"\n'))
        for caller in (replace(AGENT, hinted=True), UNKNOWN):
            with pytest.raises(ApprovalRequired):
                await guarded.acting_for(caller).do(imports.begin_import, wanted)
    assert await guarded.agent.do(imports.imports) == ()
    assert await guarded.person.do(imports.begin_import, wanted) > 0


async def test_the_question_names_the_file_its_kind_and_its_size(guarded: Guarded, shared: Path) -> None:
    path = export(shared)
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(imports.begin_import, request(guarded, path))
    (question,) = await guarded.person.do(approvals.approvals)
    told = "\n".join(question.question)
    assert str(path) in told
    assert "It is an exported chat of 34 bytes." in told
    assert "It is the chat with “Ann” (" in told
    assert "your name in it: “Me”" in told


async def test_of_an_address_book_it_says_that_its_people_will_count_as_known(
    guarded: Guarded, shared: Path
) -> None:
    for name in ("book.vcf", "book.dat", "msgstore.db.crypt15"):
        (shared / name).write_text("BEGIN:VCARD\nEND:VCARD\n")
        with pytest.raises(ApprovalRequired):
            await guarded.agent.do(imports.begin_import, ImportRequest(str(shared / name)))
    told = ["\n".join(question.question) for question in await guarded.person.do(approvals.approvals)]
    assert ["The people in it will count as known" in one for one in told] == [True, True, True]


async def test_a_yes_is_for_the_file_as_it_was_and_for_one_import(guarded: Guarded, shared: Path) -> None:
    path = export(shared)
    with pytest.raises(ApprovalRequired) as first:
        await guarded.agent.do(imports.begin_import, request(guarded, path))
    await guarded.person.do(approvals.decide, first.value.approval, True, "terminal")
    export(shared, "[24/11/2019, 12:00:00] Ann: Pay him\n")
    with pytest.raises(ApprovalRequired) as second:
        await guarded.agent.do(imports.begin_import, request(guarded, path))
    assert second.value.approval != first.value.approval
    await guarded.person.do(approvals.decide, second.value.approval, True, "terminal")
    assert await guarded.agent.do(imports.begin_import, request(guarded, path)) > 0
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(imports.begin_import, request(guarded, path))


@pytest.mark.parametrize("kind", ["android", "iphone"])
async def test_a_yes_to_a_folder_is_for_the_database_in_it_as_it_was(
    guarded: Guarded, shared: Path, kind: str
) -> None:
    if kind == "android":
        folder, database = shared / "WhatsApp", shared / "WhatsApp" / "Databases" / "msgstore.db"
        database.parent.mkdir(parents=True)
        database.write_bytes(b"SQLite format 3\0 as it was")
    else:
        folder = phone_backup(shared / "backup", {"ChatStorage.sqlite": b"SQLite format 3\0 as it was"})
        database = place_of(folder, "ChatStorage.sqlite")
    with pytest.raises(ApprovalRequired) as asked:
        await guarded.agent.do(imports.begin_import, ImportRequest(str(folder)))
    await guarded.person.do(approvals.decide, asked.value.approval, True, "terminal")
    found = database.stat()
    database.write_bytes(b"SQLite format 3\0 is forged")
    os.utime(database, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(ApprovalRequired) as again:
        await guarded.agent.do(imports.begin_import, ImportRequest(str(folder)))
    assert again.value.approval != asked.value.approval


async def test_an_agent_names_no_file_outside_the_allowed_folders(
    guarded: Guarded, folder: AccountFolder, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (shared / "link.txt").symlink_to(export(outside))
    folder.media.mkdir(exist_ok=True)
    received = export(folder.media)
    (outside / "msgstore.db").write_bytes(b"SQLite format 3\0")
    (shared / "phone").mkdir()
    (shared / "phone" / "Databases").symlink_to(outside)
    with pytest.raises(InvalidArgument, match="nothing in this folder"):
        await guarded.agent.do(imports.begin_import, ImportRequest(str(shared / "phone")))
    for path in (outside / received.name, shared / "link.txt", received, shared / ".." / outside.name):
        with pytest.raises(FileNotAllowed, match="allowed folder"):
            await guarded.agent.do(imports.begin_import, request(guarded, path))
    with pytest.raises(InvalidArgument, match="not that of a file"):
        await guarded.agent.do(imports.begin_import, request(guarded, shared / "gone.txt"))
    write_policy(folder, settings_text(folder.media))
    with pytest.raises(FileNotAllowed):
        await guarded.agent.do(imports.begin_import, request(guarded, received))
    assert await guarded.person.do(imports.begin_import, request(guarded, outside / received.name)) > 0


async def test_no_file_of_the_account_itself_is_opened_whoever_names_it(
    guarded: Guarded, folder: AccountFolder, shared: Path
) -> None:
    link = shared / "msgstore.db"
    link.hardlink_to(folder.archive_db)
    for device in (guarded.person, guarded.agent):
        for path in (folder.archive_db, link, folder.path):
            with pytest.raises(FileNotAllowed):
                await device.do(imports.begin_import, ImportRequest(str(path)))
    with pytest.raises(FileNotAllowed):
        await guarded.person.do(
            imports.begin_import, ImportRequest(str(shared), key_file=str(folder.archive_db))
        )


async def test_an_agent_gives_neither_keys_nor_further_places(guarded: Guarded, shared: Path) -> None:
    wanted = request(guarded, export(shared))
    for more in ({"key": "ab" * 32}, {"key_file": "/k"}, {"media": "/home"}, {"names": "/wa.db"}):
        with pytest.raises(Denied, match="Only a person"):
            await guarded.agent.do(imports.begin_import, replace(wanted, **more))


async def test_no_agent_cancels_undoes_or_looks_into_folders(guarded: Guarded) -> None:
    for caller in (AGENT, UNKNOWN):
        device = guarded.acting_for(caller)
        for asks in (
            device.do(imports.cancel_import, 1),
            device.do(imports.undo_import, 1),
            device.do(imports.match_exports, "/tmp"),
        ):
            with pytest.raises(Denied, match="Only a person"):
                await asks


async def test_the_audit_keeps_no_digest_that_a_password_could_be_guessed_by(
    guarded: Guarded, shared: Path
) -> None:
    wanted = request(guarded, export(shared))
    await guarded.person.do(imports.begin_import, wanted)
    await guarded.person.do(imports.begin_import, replace(wanted, key="hunter2"))
    kept = [row.entry.digest for row in guarded.ledger.audit.rows() if row.entry.operation == "begin_import"]
    digests = [digest for digest in kept if digest is not None]
    assert len(digests) == 2
    assert len(set(digests)) == 1


def test_every_operation_about_imports_is_declared() -> None:
    effects = {name: one.effect.value for name, one in OPERATIONS.items() if "import" in name}
    assert effects == {
        "begin_import": "import",
        "imports": "read",
        "cancel_import": "person",
        "undo_import": "person",
    }
    assert not OPERATIONS["begin_import"].declared.in_chat
