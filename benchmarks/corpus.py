"""A seeded, synthetic WhatsApp account: people, groups and messages in seven scripts.

Words and chats follow Zipf's law (the biggest chat holds about an eighth of the messages); 13 % of the
messages have a file, 14 % are replies. A few words have known frequencies, so that searches for rare and
common words can be measured. The corpus is delivered as events of the client library, in history chunks or
one by one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from whatsapp_mcp.protobufs import HistorySync, Neonize

FIRST: Final = 1_500_000_000
"""Seconds since 1970 of the oldest message."""
SPAN: Final = 220_000_000
"""Seconds from the oldest to the newest message."""
MARKED: Final = {
    "rosenberg": 8e-6,
    "morning": 1e-3,
    "more": 1e-2,
    "you": 5e-2,
    "the": 0.14,
    "meeting": 2e-3,
    "reunião": 1.5e-4,
    "会议": 1e-4,
    "東京": 1.3e-4,
    "ありがとう": 1.8e-4,
    "الأوسط": 5e-5,
    "😂": 1.8e-2,
}
"""Words with known frequency: the share of messages that contain them."""

_SYLLABLES: Final = {
    "latin": "ba de fi go lu ma ne po ri sa ta ve zo cha tra sto ling ton mer der ção é ñar öf".split(),
    "cyrillic": "ба ве гор ди жи ка ло ме на по ра сто ту хо ция ов ать ка ём".split(),
    "arabic": "با تو جي دا را سا شا عا في كا لا ما نا ها وا يا".split(),
    "devanagari": "क का कि खा गी चा जो टा ता दे ना पी बा मे रा लो वा सी हा".split(),
    "thai": "กา ขอ งา จะ ชา ดี ตา นะ ปู พา มา ยา รา ลา วา สา หา".split(),
    "han": list("天地人大小山水火木金土日月年时分中国东西南北上下左右前后来去学生工作家朋友"),
    "kana": "あ い う か き く さ し す た ち つ な に は ひ ま み や ゆ ら り わ を ん".split(),
}
SCRIPTS: Final = tuple(_SYLLABLES)
_UNSPACED: Final = {"thai", "han", "kana"}
_WORDS: Final = 4_000


@dataclass(frozen=True, slots=True)
class CorpusMessage:
    """One message of the corpus."""

    number: int
    chat: int
    sender: int | None
    at: int
    text: str
    reply_to: int | None
    media: str | None

    @property
    def wa_id(self) -> str:
        """The message's WhatsApp id."""
        return f"3EB0{self.number * 2654435761 % (1 << 64):016X}"


class Corpus:
    """A reproducible account of `size` messages."""

    def __init__(self, size: int, seed: int = 1, chats: int = 2_000, people: int = 5_000) -> None:
        self.size = size
        self.seed = seed
        self.chats = min(chats, max(20, size // 20))
        self.people = people
        rng = random.Random(seed)
        self._vocabulary = {script: _vocabulary(rng, script) for script in SCRIPTS}
        self._word_weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(_WORDS)))
        self._chat_weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(self.chats)))

    def chat_jid(self, chat: int) -> str:
        """JID of a chat: every third one is a group."""
        if chat % 3 == 0:
            return f"12036300000{chat:06d}@g.us"
        return f"1555{chat:07d}@s.whatsapp.net"

    def person_jid(self, person: int) -> str:
        """JID of a person."""
        return f"1555{person:07d}@s.whatsapp.net"

    def messages(self) -> Iterator[CorpusMessage]:
        """All messages in chronological order."""
        rng = random.Random(self.seed + 1)
        step = SPAN / self.size
        latest: dict[int, int] = {}
        chats = range(self.chats)
        for number in range(self.size):
            chat = rng.choices(chats, cum_weights=self._chat_weights)[0]
            group = chat % 3 == 0
            mine = rng.random() < 0.3
            sender = None if mine else rng.randrange(self.people) if group else chat
            reply = latest.get(chat) if rng.random() < 0.14 else None
            latest[chat] = number
            media = (
                rng.choice(("image", "image", "video", "document", "voice")) if rng.random() < 0.13 else None
            )
            text = "" if media and rng.random() > 0.35 else self.text(rng, chat)
            yield CorpusMessage(number, chat, sender, FIRST + int(number * step), text, reply, media)

    def chat_of_size(self, messages: int) -> int:
        """The chat with about so many messages; the biggest one if none is that big."""
        biggest = self.size / self._chat_weights[-1]
        return min(self.chats - 1, max(0, round(biggest / messages) - 1))

    def text(self, rng: random.Random, chat: int) -> str:
        """A text, mostly in the script of the chat."""
        script = SCRIPTS[chat % len(SCRIPTS)] if rng.random() < 0.7 else "latin"
        count = rng.randint(120, 600) if rng.random() < 0.003 else min(60, 1 + int(rng.expovariate(0.16)))
        words = rng.choices(self._vocabulary[script], cum_weights=self._word_weights, k=count)
        for word, share in MARKED.items():
            if rng.random() < share:
                words.insert(rng.randrange(len(words) + 1), word)
        return ("" if script in _UNSPACED else " ").join(words)

    def history(self, chunk: int = 2_000, every: list[CorpusMessage] | None = None) -> Iterator[bytes]:
        """The corpus as `neonize.HistorySync` events: the newest chunk first, chat by chat, newest first.

        Args:
            chunk: Messages per event.
            every: All messages, if they were generated before.
        """
        every = list(self.messages()) if every is None else every
        parts = [every[start : start + chunk] for start in range(0, len(every), chunk)]
        for order, part in enumerate(reversed(parts), 1):
            event = Neonize.HistorySync()
            event.Data.syncType = HistorySync.HistorySync.RECENT
            event.Data.chunkOrder = order
            event.Data.progress = 100 * order // len(parts)
            by_chat: dict[int, list[CorpusMessage]] = {}
            for entry in reversed(part):
                by_chat.setdefault(entry.chat, []).append(entry)
            for chat, found in by_chat.items():
                conversation = event.Data.conversations.add(ID=self.chat_jid(chat), name=f"Chat {chat}")
                for entry in found:
                    self.fill(conversation.messages.add().message, entry)
            yield event.SerializeToString()

    def fill(self, target: Any, entry: CorpusMessage) -> None:
        """Fill a `WebMessageInfo`."""
        target.key.remoteJID, target.key.ID = self.chat_jid(entry.chat), entry.wa_id
        target.key.fromMe = entry.sender is None
        target.messageTimestamp = entry.at
        if entry.sender is not None and entry.chat % 3 == 0:
            target.participant = self.person_jid(entry.sender)
            target.pushName = f"Person {entry.sender}"
        self.body(target.message, entry)

    def body(self, message: Any, entry: CorpusMessage) -> None:
        """Fill an `E2E.Message`."""
        if entry.media is None:
            if entry.reply_to is None:
                message.conversation = entry.text
                return
            message.extendedTextMessage.text = entry.text
            quoted = CorpusMessage(entry.reply_to, entry.chat, None, 0, "", None, None)
            message.extendedTextMessage.contextInfo.stanzaID = quoted.wa_id
            return
        value = getattr(message, {"voice": "audioMessage"}.get(entry.media, f"{entry.media}Message"))
        value.mimetype, value.fileLength, value.directPath = (
            "application/octet-stream",
            1000,
            f"/v/t62/{entry.wa_id}",
        )
        value.mediaKey = value.fileSHA256 = value.fileEncSHA256 = entry.number.to_bytes(32, "big")
        if entry.media == "voice":
            value.PTT = True
        elif entry.text:
            value.caption = entry.text
        if entry.media == "document":
            value.fileName = f"file {entry.number}.pdf"

    def live(self, entry: CorpusMessage) -> bytes:
        """A message as a `neonize.Message` event."""
        event = Neonize.Message()
        source = event.Info.MessageSource
        chat = self.chat_jid(entry.chat)
        for target, jid in (
            (source.Chat, chat),
            (
                source.Sender,
                self.person_jid(entry.sender) if entry.sender is not None else "10000@s.whatsapp.net",
            ),
            (source.SenderAlt, "@"),
            (source.RecipientAlt, "@"),
            (source.BroadcastListOwner, "@"),
        ):
            target.User, _, target.Server = jid.partition("@")
            target.RawAgent = target.Device = target.Integrator = 0
        source.IsFromMe, source.IsGroup = entry.sender is None, chat.endswith("@g.us")
        info = event.Info
        info.ID, info.ServerID, info.Type, info.Pushname = entry.wa_id, 0, "text", f"Person {entry.sender}"
        info.Timestamp, info.Multicast = entry.at * 1000, False
        info.Category = info.MediaType = info.Edit = ""
        for field in event.DESCRIPTOR.fields:
            if field.name.startswith("Is"):
                setattr(event, field.name, False)
        event.UnavailableRequestID, event.RetryCount = "", 0
        self.body(event.Message, entry)
        return event.SerializeToString()


def _vocabulary(rng: random.Random, script: str) -> list[str]:
    syllables = _SYLLABLES[script]
    longest = 2 if script in ("han", "kana") else 4
    return ["".join(rng.choices(syllables, k=rng.randint(1, longest))) for _ in range(_WORDS)]
