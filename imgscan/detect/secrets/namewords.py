"""The words of a name as programs write them: `stripeApiKey2`, `STRIPE_API_KEY` and `stripe.api-key`; and whether it is
one at all."""

from __future__ import annotations

from typing import Final

from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.wordlists import words
from imgscan.lazyre import lazy_re

_LEAST_LETTERS: Final = 8
_RANDOM: Final = 1.8
_HINTS: Final = ("secret_words", "hinting_words", "key_qualifiers")

_WORDS: Final = lazy_re(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def name_words(name: str) -> list[str]:
    """Its words and numbers, in lower case and in their order: `["stripe", "api", "key", "2"]`."""
    return [word.lower() for word in _WORDS.findall(name)]


def is_random(name: str) -> bool:
    """Whether a name is random letters and digits, among which a word that hints at a secret came about by chance:
    `LCaPwdNZbQIB`. Programs shorten words to two or three letters (`rdsPgBkpPwd`), not to one."""
    if not name.isalnum():
        return False
    rest = " ".join(word for word in _WORDS.findall(name) if not _is_hint(word.lower())).encode("utf-8", "replace")
    return len(rest.replace(b" ", b"")) >= _LEAST_LETTERS and letters_per_piece(rest) <= _RANDOM


def _is_hint(word: str) -> bool:
    return word in ("key", "keys") or any(word in words(name) for name in _HINTS)
