"""What a value is made of: words of a language, words that everybody tries, words that say what they stand for.

Predicates, as those of `filters` are; people choose words for a secret, and manuals do for a specimen.
"""

from __future__ import annotations

from typing import Final

from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.wordlists import byte_words
from imgscan.lazyre import lazy_re

_WORD: Final = lazy_re(rb"[A-Za-z]?[a-z]+(?:[ _.-][A-Za-z]?[a-z]+)*|[A-Z]+(?:[_.-][A-Z]+)*")
_PROSE: Final = lazy_re(
    rb"[A-Za-z\x80-\xff]+[.,:;]|(?:[A-Za-z]*\\u[0-9A-Fa-f]{4})+[A-Za-z]*[.,:;]?"
    rb"|(?:[A-Z]+[:_-])+(?:SECRET|TOKEN|PASS|PASSWORD|PWD|KEY)[.,:;]?"
    rb"|[A-Za-z]*(?:[\xce-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}){2}[A-Za-z\x80-\xff]*"
)
"""Letters and what ends a sentence; what to give, as a manual has it; letters of other scripts, escaped or in UTF-8
(from Greek on)."""
_LANGUAGE: Final = 2.8
_WORDY: Final = 2.4
_LONG_PART: Final = lazy_re(rb"[A-Za-z0-9]{16,}")
_SPELT: Final = lazy_re(rb"d[e3][a4]d-?b(?:ee|33)f|faceb00k|f00df00d")
_SAYS: Final = lazy_re(rb"passw(?:or)?d|passphrase|secret|token")
_BEHIND_WORDS: Final = b"0123456789!@#$%^&*._-"
_LEET: Final = bytes.maketrans(b"0134579@$!", b"oieastgasi")
_SHORTEST_TOKEN: Final = 24
_LOOKED_AT: Final = 256


def is_weak_password(value: bytes) -> bool:
    """True for a password from the top of every list: no secret to leak, but one that anybody tries first."""
    return value.strip().lower() in byte_words("weak_passwords")


def is_dressed_word(value: bytes) -> bool:
    """True for a password that everybody tries, with digits in place of letters, or digits and signs behind it."""
    return is_weak_password(value.lower().rstrip(_BEHIND_WORDS).translate(_LEET))


def says_what_it_is(value: bytes) -> bool:
    """True for words of which one is for a secret: `adminUserPassword123`."""
    return is_language(value) and _SAYS.search(value.lower()) is not None


def reads_like_words(value: bytes) -> bool:
    """True for a long token whose letters no chance puts together (`AIza…ThisIsTheKeyOfNobody`, `…deadbeef…`): none of
    its parts of sixteen and more is rare. Of 20,000 random ones of base 62 none is."""
    if _SPELT.search(value.lower()) is not None:
        return True
    parts = _LONG_PART.findall(value[:_LOOKED_AT])
    return b"/" not in value and max(map(len, parts), default=0) >= _SHORTEST_TOKEN and all(map(_is_wordy, parts))


def _is_wordy(part: bytes) -> bool:
    return letters_per_piece(part) > _WORDY


def is_one_word(value: bytes) -> bool:
    """True for letters of one case, maybe joined: an identifier or a word of a language, not a random token."""
    return _WORD.fullmatch(value) is not None


def is_prose(value: bytes) -> bool:
    """True for the last word of a sentence, and for letters of other scripts: what follows a word in a message, not
    what a command is given."""
    return _PROSE.fullmatch(value) is not None


def is_language(value: bytes) -> bool:
    """True for words behind each other, as the strings of a program lie."""
    return letters_per_piece(value) > _LANGUAGE
