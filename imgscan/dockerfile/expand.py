"""Variables in a Dockerfile word, as BuildKit's ProcessWord expands them."""

from __future__ import annotations

from collections.abc import Mapping

from imgscan.dockerfile.lexer import Lexer, LexError
from imgscan.errors import InputError


def expand(word: str, scope: Mapping[str, str], *, escape: str = "\\") -> str:
    """The word with variables replaced and quotes and escapes removed; unset variables are empty.

    Knows `$X`, `${X}`, `${X:-d}`, `${X-d}`, `${X:+r}`, `${X+r}`, `${X:?e}`, `${X?e}`, `${X#p}`, `${X##p}`, `${X%p}`,
    `${X%%p}`, `${X/p/r}`, `${X//p/r}`. Raises InputError for what BuildKit refuses (an unbalanced quote, a bad
    substitution, `${X:?e}` without X), and for a word that would grow beyond 128 Ki characters.
    """
    try:
        return Lexer(word, scope, escape=escape).expand()
    except LexError as error:
        raise InputError(f"failed to process {_short(word)!r}: {error}") from error


def _short(word: str) -> str:
    return word if len(word) <= 80 else f"{word[:79]}…"
