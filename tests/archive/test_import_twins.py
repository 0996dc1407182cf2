"""Messages that files name by two addresses, or that were deleted for everyone: each import says the same."""

from __future__ import annotations

import pytest

from tests.archive import events as ev
from tests.archive.dump import dump
from tests.archive.events import BOB, BOB_LID, NOON
from tests.archive.test_import_rules import come, only, said, take, undo
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import ForeignMessage, ForeignReaction
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

BY_NUMBER = said(chat=BOB, sender=BOB, text="as it was")
BY_LID = said(chat=BOB_LID, sender=BOB, text="edited", edited_at_ms=(NOON + 2) * 1000)


@pytest.mark.parametrize("revoked_first", [True, False])
async def test_a_reaction_in_a_file_is_not_kept_of_what_was_deleted_for_everyone(
    archive: Archive, folder: AccountFolder, revoked_first: bool
) -> None:
    with_reaction = said(reactions=(ForeignReaction(None, "👍", (NOON + 1) * 1000),))
    if revoked_first:
        await come(archive, ev.revoke("A1"))
        await take(archive, with_reaction)
    else:
        await take(archive, with_reaction)
        await come(archive, ev.revoke("A1"))
    once = dump(folder.archive_db)
    assert once["reactions of messages"] == []
    again = await take(archive, with_reaction, name="again")
    assert dump(folder.archive_db) == once
    await undo(archive, again)
    assert dump(folder.archive_db) == once


@pytest.mark.parametrize(("first", "second"), [(BY_NUMBER, BY_LID), (BY_LID, BY_NUMBER)])
async def test_of_two_files_that_name_a_message_by_two_addresses_the_one_that_says_more_is_shown(
    archive: Archive, folder: AccountFolder, first: ForeignMessage, second: ForeignMessage
) -> None:
    await take(archive, first)
    await take(archive, second, name="two")
    await archive.write(recording.record_identities, [(BOB, BOB_LID)])
    assert (await only(archive)).text == "edited"
    once = dump(folder.archive_db)
    again = await take(archive, BY_NUMBER, BY_LID, name="again")
    assert dump(folder.archive_db) == once
    await undo(archive, again)
    assert dump(folder.archive_db) == once


@pytest.mark.parametrize("undone", [0, 1])
async def test_undoing_one_of_two_files_that_named_a_message_by_two_addresses_shows_the_other(
    archive: Archive, undone: int
) -> None:
    numbers = [await take(archive, BY_NUMBER), await take(archive, BY_LID, name="two")]
    await archive.write(recording.record_identities, [(BOB, BOB_LID)])
    await undo(archive, numbers[undone])
    assert (await only(archive)).text == ("edited", "as it was")[undone]
