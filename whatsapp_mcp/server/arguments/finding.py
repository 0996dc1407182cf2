"""Finds the group or the person that a text identifies, and the members whom one mentions.

Mentions render and notify only when the text says `@` and the address that the group itself uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.device.operations import groups
from whatsapp_mcp.errors import ChatNotFound, ContactNotFound, InvalidArgument, WhatsAppError
from whatsapp_mcp.jid import Jid, looks_like_jid
from whatsapp_mcp.server.arguments.arguments import choose, choose_one, is_ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whatsapp_mcp.models import Chat, Mention, Participant
    from whatsapp_mcp.server.calls import Services

_CANDIDATES: Final = 20
"""Candidates that are looked at: those of the other kind are left out of them."""
_NUMBER: Final = re.compile(r"@\+?(\d{5,20})(?!\w)", re.ASCII)
EVERYONE: Final = frozenset({"everyone", "all", "@everyone", "@all"})
"""Names among the mentions that stand for all members."""


async def find_group(services: Services, text: str, *, reading: bool = False) -> Chat:
    """The group that a jid, a name or the ref of a message in it means; people are not in the way.

    The name of a community means the community, and not its announcement group of the same name.

    Raises:
        InvalidArgument: The text is empty.
        MessageNotFound: There is no message with this ref.
        ChatNotFound, AmbiguousChat: No group matches, or more than one.
    """
    if is_ref(text):
        text = (await services.archive.message(text)).chat
    group = await _find(services, text, "group", lambda jid: jid.is_group, reading)
    if looks_like_jid(text.strip()):
        return group
    for community, announcements in (await services.archive.communities()).items():
        if announcements == group.jid:
            return await services.archive.chat(community) or group
    return group


async def find_person(
    services: Services, text: str, *, reading: bool = False, own_names: bool = False
) -> Chat:
    """The direct chat with the person that a number, jid, name or the ref of a message of theirs means.

    Args:
        services: Have the archive.
        text: What was given.
        reading: As `choose` takes it.
        own_names: As `choose` takes it.

    Raises:
        InvalidArgument: The text is empty.
        MessageNotFound: There is no message with this ref.
        ContactNotFound, AmbiguousChat: Nobody matches, or more than one.
    """
    if is_ref(text):
        text = (await services.archive.message(text)).sender
    try:
        return await _find(services, text, "person", lambda jid: jid.is_person, reading, own_names)
    except ChatNotFound as error:
        raise ContactNotFound(f"Nobody matches {text!r}.", candidates=error.candidates) from error


async def find_people(services: Services, texts: Iterable[str]) -> tuple[Chat, ...]:
    """All these people, each once.

    Raises:
        InvalidArgument: There are none.
        ContactNotFound, AmbiguousChat: As `find_person`, for the first that is unclear.
    """
    people = {person.jid: person for person in [await find_person(services, text) for text in texts]}
    if not people:
        raise InvalidArgument("No person is given.", "Give names, numbers or jids.")
    return tuple(people.values())


async def _find(
    services: Services,
    text: str,
    what: str,
    wanted: Callable[[Jid], bool],
    reading: bool,
    own_names: bool = False,
) -> Chat:
    if not text.strip():
        raise InvalidArgument(f"The name of the {what} is empty.")
    candidates = await services.archive.resolve_chat(text, limit=_CANDIDATES)
    fitting = tuple(each for each in candidates if wanted(Jid.parse(each.chat.jid)))
    return await choose_one(services, fitting, text, reading=reading, own_names=own_names)


async def mention(
    services: Services, chat: str, text: str, names: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The text with its mentions, and the jids that are mentioned.

    `@name` in the text becomes the mention; a name that does not stand there is put before it. `everyone`
    notifies all without a word. `@number` of a member is a mention in any case. `chat` is a jid.

    Raises:
        InvalidArgument: The chat is no group.
        ContactNotFound: Somebody is not in the group.
        WhatsAppError: The group could not be asked for, or a name is unclear.
    """
    is_group, numbers = Jid.parse(chat).is_group, _NUMBER.findall(text)
    if not names and not (is_group and numbers):
        return text, ()
    if not is_group:
        raise InvalidArgument("Mentions work in groups only.", "Leave mentions out.")
    try:
        async with services.device() as device:
            participants = (await device.do(groups.group, chat)).participants
    except WhatsAppError:
        if names:
            raise
        return text, ()  # the number is text then
    own = set((await services.archive.own())[:2])
    others = [one for one in participants if not {one.jid, one.other} & (own - {None})]
    jids: dict[str, None] = {}
    by_number = {Jid.parse(form).user: one for one in others for form in (one.jid, one.other) if form}
    for number in numbers:
        if (member := by_number.get(number)) is not None:
            jids[member.jid] = None
            text = mentioned(text, (f"+{number}", number), Jid.parse(member.jid).user)
    for name in names:
        if name.strip().casefold() in EVERYONE:
            jids.update((one.jid, None) for one in others)
            continue
        participant, called = await _participant(services, chat, participants, name)
        jids[participant.jid] = None
        text = mentioned(text, (name, called), Jid.parse(participant.jid).user)
    return text, tuple(jids)


def still_mentioned(text: str, mentions: Mapping[str, Mention] | None) -> str:
    """The new text of a message, with the addresses of who is mentioned already in place of their names."""
    for user, known in (mentions or {}).items():
        text = re.sub(rf"@{re.escape(known.name)}(?!\w)", f"@{user}", text, flags=re.IGNORECASE)
    return text


async def _participant(
    services: Services, group: str, participants: Sequence[Participant], name: str
) -> tuple[Participant, str]:
    """The participant that a name, number or jid means, and what they are called here.

    Who is not in the group is not in the way.
    """
    by_form = {form: one for one in participants for form in (one.jid, one.other) if form}
    # A group names members by one address; the archive may know the other, under which it has their name.
    for member in await services.archive.members(group):
        forms = (member.contact.jid, member.contact.lid)
        known = next((by_form[form] for form in forms if form in by_form), None)
        if known is not None:
            by_form.update((form, known) for form in forms if form)
    candidates = await services.archive.resolve_chat(name.removeprefix("@"), limit=_CANDIDATES)
    try:
        chat = choose(tuple(each for each in candidates if each.chat.jid in by_form), name, own_names=True)
    except ChatNotFound as error:
        raise ContactNotFound(f"{name!r} is not in this group.", "See who is with get_group.") from error
    return by_form[chat.jid], chat.name


def mentioned(text: str, names: Sequence[str], user: str) -> str:
    """The text with `@user` where it said `@` and one of the names, its first words or one of its words."""
    token = f"@{user}"
    if token in text:
        return text
    for name in names:
        words = name.removeprefix("@").split()
        parts = [" ".join(words[:count]) for count in range(len(words), 0, -1)] + words[1:]
        for part in parts:
            spoken = re.compile(rf"@{re.escape(part)}(?!\w)", re.IGNORECASE)
            replaced = spoken.sub(token, text)
            if replaced != text:
                return replaced
    return f"{token} {text}"
