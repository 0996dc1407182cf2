"""`Masker`: the one-time codes of one answer, masked in a time that no sender can stretch."""

from __future__ import annotations

from typing import Any, Final

from whatsapp_mcp.policy import MASK, mask_codes, mask_parts, may_hold_code

READ_CLOSELY: Final = 50_000
"""Characters of an answer that are read for the words around one-time codes, at worst in 0.2 s: more than
an answer shows."""
READ_BY_WORDS: Final = 2_500_000
"""Further characters in which whatever could be a code is masked: more than a page of messages has."""
_IN_FILE: Final = 50_000
"""Characters of a file up to which it is looked for codes that a search must not tell; and of four such."""
_RESERVE: Final = 200_000
"""Characters that are left for the next message, which is no longer with its file and its poll."""
_ANNOUNCING: Final = 300
"""Characters of a text that may announce a code in the name of its file."""


class Masker:
    """Masks the one-time codes in all fields of one answer; each message has a share of what is read closely.

    Behind that whatever could be a code is masked, and behind `READ_BY_WORDS` everything: it lies far beyond
    what an answer shows.
    """

    def __init__(self) -> None:
        self._closely = self._share = READ_CLOSELY
        self._by_words = READ_BY_WORDS
        self._in_files = 4 * _IN_FILE

    def begin(self, among: int) -> None:
        """Begin the next message, the first of so many that are still to come."""
        self._share = self._closely // max(1, among)

    @property
    def is_spent(self) -> bool:
        """Whether the next long message might be masked as a whole."""
        return self._by_words < _RESERVE

    def mark(self) -> tuple[int, int, int]:
        """What is left for the messages to come, for `back_to`."""
        return self._closely, self._by_words, self._in_files

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Take nothing for what came after a mark: it is not shown after all."""
        self._closely, self._by_words, self._in_files = mark

    def text(self, text: str) -> str:
        """The text with its codes masked; the same text where there are none."""
        if not may_hold_code(text):
            return text
        closely = self._take(len(text))
        by_words = min(len(text) - closely, self._by_words)
        self._by_words -= by_words
        end = closely + by_words
        masked = mask_codes(text if end == len(text) else text[:end], closely)
        if end < len(text):
            masked += MASK
        return text if masked == text else masked

    def name(self, name: str, text: str) -> str:
        """The name of a file with its codes masked, which the text of its message may announce."""
        if not may_hold_code(name):
            return name
        announcing = text[-_ANNOUNCING:]
        if self._take(len(announcing) + len(name)) < len(announcing) + len(name):
            return mask_codes(name, 0)
        return mask_parts((announcing, name), "\n")[1]

    def values(self, value: Any) -> Any:
        """A JSON value with the codes masked in every text within."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.values(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.values(inner) for inner in value]
        return value

    def looks_into_file(self, length: int) -> bool:
        """Whether what was read in a file is short enough to look for codes in it."""
        self._in_files -= min(length, _IN_FILE)
        return length <= _IN_FILE and self._in_files >= 0

    def _take(self, wanted: int) -> int:
        """So many of these characters are read closely."""
        taken = min(wanted, self._share)
        self._share -= taken
        self._closely -= taken
        return taken
