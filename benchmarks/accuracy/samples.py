"""Random texts that a regular expression matches, for samples of token formats."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Sequence
from typing import Any, Final

_MOST: Final = 40
"""How often a repetition without an upper bound is repeated at most beyond its least."""
_WORD: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_CATEGORIES: Final = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_WORD": _WORD, "CATEGORY_SPACE": " "}
_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))


def random_text(pattern: str, rng: random.Random) -> str:
    """A text that `pattern` matches. Raises ValueError for look-around, back-references and negated categories."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = re._parser.parse(pattern)  # type: ignore[attr-defined]
    return _sequence(tree, rng)


def _sequence(items: Sequence[tuple[Any, Any]], rng: random.Random) -> str:
    return "".join(_one(str(name), value, rng) for name, value in items)


def _one(name: str, value: Any, rng: random.Random) -> str:  # noqa: ANN401 - the parser's tree has no types
    match name:
        case "LITERAL":
            return chr(value)
        case "ANY" | "NOT_LITERAL":
            return rng.choice(_PRINTABLE)
        case "IN":
            return rng.choice(_members(value))
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = value
            return "".join(_sequence(inner, rng) for _ in range(rng.randint(least, min(int(most), least + _MOST))))
        case "SUBPATTERN":
            return _sequence(value[3], rng)
        case "BRANCH":
            return _sequence(rng.choice(value[1]), rng)
        case "AT":
            return ""
        case _:
            raise ValueError(f"no sample for {name}")


def _members(items: Sequence[tuple[Any, Any]]) -> str:
    members, negated = "", False  # what else stands in a class is its negation
    for name, value in items:
        match str(name):
            case "LITERAL":
                members += chr(value)
            case "RANGE":
                members += "".join(chr(code) for code in range(value[0], value[1] + 1))
            case "CATEGORY":
                if str(value) not in _CATEGORIES:
                    raise ValueError(f"no sample for {value}")
                members += _CATEGORIES[str(value)]
            case _:
                negated = True
    return "".join(char for char in _PRINTABLE if char not in members) if negated else members
