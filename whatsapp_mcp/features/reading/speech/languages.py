"""The languages that Whisper models know, by code and by the English names that some services answer."""

from __future__ import annotations

from typing import Final

_WORDS: Final = """
    en english zh chinese de german es spanish ru russian ko korean fr french ja japanese pt portuguese
    tr turkish pl polish ca catalan nl dutch ar arabic sv swedish it italian id indonesian hi hindi fi
    finnish vi vietnamese he hebrew uk ukrainian el greek ms malay cs czech ro romanian da danish hu
    hungarian ta tamil no norwegian th thai ur urdu hr croatian bg bulgarian lt lithuanian la latin mi
    maori ml malayalam cy welsh sk slovak te telugu fa persian lv latvian bn bengali sr serbian az
    azerbaijani sl slovenian kn kannada et estonian mk macedonian br breton eu basque is icelandic hy
    armenian ne nepali mn mongolian bs bosnian kk kazakh sq albanian sw swahili gl galician mr marathi
    pa punjabi si sinhala km khmer sn shona yo yoruba so somali af afrikaans oc occitan ka georgian be
    belarusian tg tajik sd sindhi gu gujarati am amharic yi yiddish lo lao uz uzbek fo faroese ht
    haitian_creole ps pashto tk turkmen nn nynorsk mt maltese sa sanskrit lb luxembourgish my myanmar bo
    tibetan tl tagalog mg malagasy as assamese tt tatar haw hawaiian ln lingala ha hausa ba bashkir jw
    javanese su sundanese yue cantonese
""".split()
NAMES: Final = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
"""The English name by code; a code is of ISO 639-1, of ISO 639-3 where that has none."""
_ISO: Final = {"jw": "jv"}
"""Whisper's codes that differ from ISO 639-1, with the ISO code of each."""
_CODES: Final = {name: code for code, name in NAMES.items()}


def code_of(said: object) -> str | None:
    """The code of a language of which an engine tells the code or the English name; None if not known."""
    if not isinstance(said, str):
        return None
    word = said.strip().lower().replace(" ", "_")
    code = word if word in NAMES else _CODES.get(word)
    return None if code is None else _ISO.get(code, code)
