"""How unlike language a text is: the letters that a piece of a small vocabulary covers on average.

Words of languages and programs fall into few long pieces, random tokens into many short ones. Entropy does not see that
difference in texts of twenty letters.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.rulebook import rules_dir

_LONGEST: Final = 14
_LOOKED_AT: Final = 160
_LETTERS: Final = lazy_re(rb"[A-Za-z]+|[0-9]+")


@cache
def _vocabulary() -> frozenset[bytes]:
    """Pieces of words, lower case (`benchmarks.vocabulary` makes the file)."""
    lines = (rules_dir() / "secrets" / "lists" / "vocabulary.txt").read_bytes().split(b"\n")
    return frozenset(piece for line in lines if not line.startswith(b"#") for piece in line.split())


def letters_per_piece(text: bytes) -> float:
    """Letters and digits of a text divided by the pieces it takes to spell it; 0 for a text without any.

    A piece is a run of digits up to two, or letters that the vocabulary has, in lower case, in capitals, or with a
    capital in front. Language gives 3 and more, random base 62 less than 2.
    """
    letters, pieces = 0, 0
    for run in _LETTERS.findall(text[:_LOOKED_AT]):
        letters += len(run)
        pieces += (len(run) + 1) // 2 if run[:1].isdigit() else _pieces(run)
    return letters / pieces if pieces else 0.0


def _pieces(run: bytes) -> int:
    vocabulary, lowered = _vocabulary(), run.lower()
    at, count = 0, 0
    while at < len(run):
        end = min(at + _LONGEST, len(run))
        while end > at + 1 and not (lowered[at:end] in vocabulary and _is_cased(run[at:end])):
            end -= 1
        at, count = end, count + 1
    return count


def _is_cased(piece: bytes) -> bool:
    return piece[1:].islower() or piece.isupper()
