"""Words that somebody may have meant who wrote one that is not known: a word and those that are -> the nearest ones."""

from __future__ import annotations

from collections.abc import Iterable


def alike(word: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The most similar of the `known` words, best first; `cutoff` is how alike they must be, from 0 to 1."""
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n=most, cutoff=cutoff)
