"""Tells in which language a text is: by its script, and among languages of Latin script by their commonest words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

#: Scripts, by the beginning of the Unicode names of their letters, that point to one language.
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "ARABIC": "ar",
    "HEBREW": "he",
    "GREEK": "el",
    "DEVANAGARI": "hi",
    "THAI": "th",
    "CYRILLIC": "ru",
}
_WORDS = {
    "en": "the of and to in is that it for was with as be on "
    "are this by not you have or from at which an they we can what",
    "de": "der die das und ist nicht ein eine zu den mit von auf für "
    "sich dem des es sie im auch als wird sind wie oder an bei ich",
    "fr": "le la les des et est dans un une pour que qui pas sur "
    "au avec ne ce il du sont par plus vous nous ou mais cette",
    "es": "el la los las de y que en un una es por con para no se del al lo como su más está son pero este hay le",
    "it": "il la le di che e un una per non è con del della sono da nel si alla come più ma gli anche questo lo ha",
    "pt": "o a os as de e que em um uma é não para com do da se no na por mais dos como são mas foi ao você",
    "nl": "de het een en van is dat niet in op te met voor zijn die aan er ook als maar bij om dit wordt naar je of",
    "pl": "w i na z nie się jest do to że o jak a po co za od przez są lub ale dla jego oraz może tym które być",
    "sv": "och att det som en är på av för med den till inte ett om har de jag man var kan så eller från vi sig men",
}
_BY_WORD: dict[str, list[str]] = {}
for _language, _words in _WORDS.items():
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_language)
_LETTERS = re.compile(r"[^\W\d_]+")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`]*`|https?://\S+", re.DOTALL)
#: The characters that are looked at, the fewest words of Latin script that tell, and the share that has to be common.
_LOOKED_AT, _FEWEST, _SHARE = 2000, 4, 0.12


def language_of(text: str) -> str | None:
    """The language of ``text`` by its ISO 639-1 code; ``None`` if it is too short, or of none of those known."""
    words = _LETTERS.findall(_CODE.sub(" ", text)[:_LOOKED_AT].lower())
    if not words:
        return None
    scripts = Counter(None if letter.isascii() else _script(letter) for word in words for letter in word)
    script, letters = scripts.most_common(1)[0]
    if scripts.get("ja"):  # Japanese has Chinese characters, too
        script = "ja"
    if script is not None:
        return script if letters >= 2 else None
    votes = Counter(language for word in words for language in _BY_WORD.get(word, ()))
    if len(words) < _FEWEST or not votes:
        return None
    (first, most), *others = votes.most_common(2)
    if most < _SHARE * len(words) or (others and others[0][1] == most):
        return None
    return first


def _script(letter: str) -> str | None:
    name = unicodedata.name(letter, "")
    return next((language for start, language in _SCRIPTS.items() if name.startswith(start)), None)
