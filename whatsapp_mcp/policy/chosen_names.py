"""Names that others have chosen, so short and plain that they carry no message."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import Final

from whatsapp_mcp.jid import reads_as_address
from whatsapp_mcp.policy.cleaning import clean_line

LENGTH: Final = 25
"""Characters of a name: what WhatsApp lets people choose. A group's subject may be longer, and is cut."""
_NAMES: Final = 1024
_LINK: Final = re.compile(
    r"(?<!\S)\S*(?:://|www\.)\S*|\b(?:[\w-]{1,63}[.。．｡]){1,8}[^\W\d_]{2,63}\b(?:[/:?#]\S*)?", re.IGNORECASE
)
WORDS: Final = 3
"""Words of a name: whoever is to do something has to be told in more."""
_WORD: Final = re.compile(r"[^\W_]{2,}")
_DIGITS: Final = re.compile(r"\d{5,}")
_AT: Final = str.maketrans(dict.fromkeys("@＠﹫", " "))


def words_in_name(name: str) -> int:
    """How many words a name has."""
    return sum(1 for _ in _WORD.finditer(name))


@lru_cache(_NAMES)
def cut_name(name: str) -> str:
    """The name without links, `@` and runs of five digits: `WORDS` words and `LENGTH` characters at most.

    A number or jid, which is shown for who has no name, stays as it is: nobody is called so (`is_name`).
    """
    if reads_as_address(name):
        return name
    line = clean_line(_DIGITS.sub("…", _LINK.sub("…", clean_line(name))).translate(_AT))
    words = list(islice(_WORD.finditer(line), WORDS + 1))
    if len(words) > WORDS:
        line = f"{line[: words[WORDS - 1].end()]}…"
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 1].rstrip()}…"
