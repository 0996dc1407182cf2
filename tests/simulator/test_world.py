"""The demo's people and their messages."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from tests.tables import for_each
from whatsapp_mcp.jid import parse_number
from whatsapp_simulator.world import OWNER, World

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return World.load()


def test_everyone_who_speaks_is_known_and_a_member_of_the_chat(world: World) -> None:
    people = {person.name for person in world.people}
    groups = {group.name: set(group.members) for group in world.groups}
    for line in [*world.past(NOON), *islice(world.live(), 200)]:
        present = groups.get(line.chat, {line.chat}) | {OWNER}
        assert line.who in present, line
        assert line.chat in people | set(groups)
        assert line.text
    assert all(members <= people for members in groups.values())


def test_every_number_can_be_written_to_and_none_is_used_twice(world: World) -> None:
    numbers = [world.owner.number, *(person.number for person in world.people)]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert parse_number(number).number == number


def test_past_lines_are_ordered_oldest_first_and_lie_in_the_past(world: World) -> None:
    ages = [line.age for line in world.past(NOON, seed=3)]
    assert ages == sorted(ages, reverse=True)
    assert min(ages) > 0


@for_each("hour", range(24))
def test_nobody_wrote_at_night(world: World, hour: int) -> None:
    now = NOON.replace(hour=hour)
    hours = {(now - timedelta(seconds=line.age)).hour for line in world.past(now)}
    assert hours <= set(range(7, 24))


def test_the_same_seed_gives_the_same_messages_and_another_seed_others(world: World) -> None:
    def story(seed: int) -> list[object]:
        return [*world.past(NOON, seed), *islice(world.live(seed), 100)]

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_people_write_at_a_human_pace(world: World) -> None:
    pauses = [line.pause for line in islice(world.live(), 200)]
    assert all(2.0 <= pause <= 90.0 for pause in pauses)


def test_small_talk_fills_in_every_word(world: World) -> None:
    assert not [line for line in islice(world.live(), 500) if "{" in line.text]


def test_everyone_answers_a_message(world: World) -> None:
    chance = random.Random(1)
    assert all(world.answer(person.name, chance) for person in world.people)


def test_the_world_speaks_several_scripts(world: World) -> None:
    text = "".join(line.text for line in world.past(NOON))
    for letter in ("ß", "ü", "ç", "é", "ñ", "ö", "ش", "さ", "श"):
        assert letter.lower() in text.lower(), letter
