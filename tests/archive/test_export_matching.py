"""Which chat an exported one is: certain where one alone fits by name and by who wrote, else asked."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.archive.exchange.export_matching import NamedChat, Person, comparable, matched
from whatsapp_mcp.models import ContactUpdate, ExportMatch, ExportOutline, GroupUpdate

pytestmark = pytest.mark.anyio

CEM = "15550000003@s.whatsapp.net"
STRANGER = "15550000004@s.whatsapp.net"
OTHER_GROUP = "120363000000000002@g.us"
OWN_NAME = "Max"


async def fill(archive: Archive) -> None:
    """Ana, Bob and a stranger who calls herself Ana; a group of them."""
    await archive.write(
        recording.record_contacts,
        [
            ContactUpdate(ev.ME, push_name=OWN_NAME),
            ContactUpdate(ANA, saved_name="Ana", push_name="ana :)"),
            ContactUpdate(BOB, saved_name="Tía Ana 🌻"),
            ContactUpdate(STRANGER, push_name="Mum"),
        ],
    )
    members = tuple((jid, None, False, False) for jid in (ev.ME, ANA, BOB, STRANGER))
    await archive.write(
        recording.record_groups, [GroupUpdate(GROUP, "Família / Família", participants=members)]
    )
    await archive.ingest(journal([ev.message("A1", at=NOON), ev.message("S1", chat=STRANGER, name="Mum")]))


@pytest.fixture
async def filled(archive: Archive) -> Archive:
    await archive.write(recording.set_own, ev.ME, ev.MY_LID, OWN_NAME)
    await fill(archive)
    return archive


async def match(archive: Archive, file: str, *authors: str) -> ExportMatch:
    (found,) = await archive.match_exports([ExportOutline(file, frozenset(authors))])
    return found


@for_each(
    "file",
    [
        "WhatsApp Chat - Ana.zip",
        "WhatsApp Chat with Ana.txt",
        "WhatsApp Chat - Ana (1).zip",
        "WhatsApp Chat with Ana-2.txt",
        "Chat de WhatsApp con Ana.txt",
        "WhatsApp-Chat mit Ana.zip",
        "Conversa do WhatsApp com Ana.zip",
        "Discussion WhatsApp avec Ana.txt",
        "Chat WhatsApp con Ana.txt",
        "دردشة واتساب مع Ana.txt",
        "Ana के साथ WhatsApp चैट.txt",
        "Ana ile WhatsApp Sohbeti.txt",
        "‎Ana 님과 카카오톡 대화.txt",
        "ANA.zip",
        "WhatsApp Chat with +1 555-000-0001.zip",
    ],
)
async def test_the_title_of_any_language_is_matched(filled: Archive, file: str) -> None:
    assert await match(filled, file, "Ana", OWN_NAME) == ExportMatch(file, ANA, (ANA,))


async def test_a_longer_name_in_the_title_is_not_a_shorter_one(filled: Archive) -> None:
    found = await match(filled, "WhatsApp Chat with Tía Ana 🌻.zip", "Tía Ana 🌻", OWN_NAME)
    assert (found.chat, found.candidates) == (BOB, (BOB, ANA))
    assert (await match(filled, "WhatsApp Chat with Mariana.zip", "Mariana", OWN_NAME)).candidates == ()


async def test_a_group_is_matched_by_its_name_and_most_of_its_authors(filled: Archive) -> None:
    file = "WhatsApp Chat - Família _ Família.zip"
    for authors in (
        ("Ana", "Mum", OWN_NAME),
        ("+1 (555) 000-0002", "Mum"),
        ("Ana", "Mum", "Gone"),
    ):
        assert (await match(filled, file, *authors)).chat == GROUP
    for authors in (("Ana", "Gone", "Too"), ("Mum",), (OWN_NAME,), ()):
        assert await match(filled, file, *authors) == ExportMatch(file, None, (GROUP,))


@for_each(
    "file, authors, candidates",
    [
        ("WhatsApp Chat - Ana.zip", ("Ana", "Somebody"), (ANA,)),
        ("WhatsApp Chat - Ana.zip", (OWN_NAME,), (ANA,)),
        ("WhatsApp Chat - Ana.zip", (), (ANA,)),
        ("WhatsApp Chat - Mum.zip", ("Mum", OWN_NAME), (STRANGER,)),
        ("chat.zip", ("Ana", OWN_NAME), (ANA,)),
        ("WhatsApp Chat - Nobody.zip", ("Nobody", OWN_NAME), ()),
    ],
)
async def test_what_is_not_certain_is_asked(
    filled: Archive, file: str, authors: tuple[str, ...], candidates: tuple[str, ...]
) -> None:
    assert await match(filled, file, *authors) == ExportMatch(file, None, candidates)


async def test_of_two_chats_of_one_name_the_one_whose_people_wrote_is_certain(filled: Archive) -> None:
    members = tuple((jid, None, False, False) for jid in (ev.ME, CEM))
    await filled.write(
        recording.record_groups, [GroupUpdate(OTHER_GROUP, "Família Família", participants=members)]
    )
    await filled.write(recording.record_contacts, [ContactUpdate(CEM, saved_name="Cem")])
    file = "WhatsApp Chat - Família Família.zip"
    assert (await match(filled, file, "Ana", OWN_NAME)).chat == GROUP
    assert (await match(filled, file, "Cem", OWN_NAME)).chat == OTHER_GROUP
    both = await match(filled, file, "Ana", "Cem")
    assert (both.chat, {*both.candidates}) == (None, {GROUP, OTHER_GROUP})


async def test_a_person_without_a_chat_is_matched(filled: Archive) -> None:
    await filled.write(recording.record_contacts, [ContactUpdate(CEM, saved_name="Cem")])
    assert (await match(filled, "WhatsApp Chat - Cem.zip", "Cem", OWN_NAME)).chat == CEM


NAMES = st.sampled_from(["Ana", "ana", "Tía Ana", "Bob", "+1 555 000 0001", "❤️", "Club (1)"])


def chats_of(made: Iterable[tuple[bool, frozenset[str], frozenset[str], frozenset[str]]]) -> list[NamedChat]:
    return [
        NamedChat(
            f"{number}@x",
            is_group,
            (Person(frozenset(map(comparable, given | others)), frozenset(map(comparable, given))),),
            frozenset(map(comparable, titles)),
            frozenset(map(comparable, others)),
        )
        for number, (is_group, titles, given, others) in enumerate(made)
    ]


SETS = st.frozensets(NAMES, max_size=3)
MADE = st.lists(st.tuples(st.booleans(), SETS, SETS, SETS), min_size=1, max_size=4)
TITLES = st.builds(
    "{} {}{}".format, st.sampled_from(["WhatsApp Chat -", "Chat de", ""]), NAMES, st.just(".zip")
)


@given(MADE, TITLES, SETS, SETS)
def test_it_is_never_certain_when_two_chats_have_the_same_names_and_people(
    made: list[tuple[bool, frozenset[str], frozenset[str], frozenset[str]]],
    file: str,
    authors: frozenset[str],
    owner: frozenset[str],
) -> None:
    twins = chats_of([*made, *made])
    assert matched(ExportOutline(file, authors), twins, frozenset(map(comparable, owner))).chat is None


@given(MADE, TITLES, SETS, SETS)
def test_who_is_certain_is_the_best_candidate_and_no_order_changes_it(
    made: list[tuple[bool, frozenset[str], frozenset[str], frozenset[str]]],
    file: str,
    authors: frozenset[str],
    owner: frozenset[str],
) -> None:
    chats, own = chats_of(made), frozenset(map(comparable, owner))
    found = matched(ExportOutline(file, authors), chats, own)
    assert matched(ExportOutline(file, authors), chats[::-1], own) == found
    assert found.chat in {None, *found.candidates[:1]}
