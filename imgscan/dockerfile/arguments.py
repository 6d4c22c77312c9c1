"""What follows the keyword of an instruction -> words, by the instruction's own rules.

As `frontend/dockerfile/parser/line_parsers.go` of moby/buildkit: JSON lists with their fall back to text, `KEY=value`
pairs, words between blanks, or the text as a whole.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from imgscan.dockerfile.lexer import GO_SPACE
from imgscan.dockerfile.pattern import replace_surrogates
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_BLANKS: Final = lazy_re(r"[\t\v\f\r ]+")
_SPACES: Final = frozenset(GO_SPACE)
_JSON_OR_TEXT: Final = frozenset({"run", "cmd", "entrypoint", "shell"})
_JSON_OR_WORDS: Final = frozenset({"copy", "add", "volume"})
_WORDS: Final = frozenset({"from", "expose"})
_WHOLE: Final = frozenset({"maintainer", "stopsignal", "user", "workdir"})
_NOT_STRINGS: Final = "when using JSON array syntax, arrays must be comprised of strings only"


@frozen
class Arguments:
    """The arguments of an instruction; for ENV and LABEL `KEY=value` words, quotes and escapes as written."""

    words: tuple[str, ...] = ()
    is_json: bool = False


def split_arguments(keyword: str, rest: str, escape: str) -> Arguments:
    """The arguments of the instruction of that (lower case) keyword. An unknown keyword has none; ONBUILD is the
    caller's. Raises ValueError with BuildKit's words for what its parser refuses."""
    if keyword in _JSON_OR_TEXT:
        return _json_or_text(rest)
    if keyword in _JSON_OR_WORDS:
        return _json_list(rest) or _blank_separated(rest)
    if keyword in _WORDS:
        return _blank_separated(rest)
    if keyword in _WHOLE:
        return Arguments(words=(rest,) if rest else ())
    if keyword in ("env", "label"):
        return Arguments(words=_pairs(rest, keyword.upper(), escape))
    if keyword == "arg":
        return Arguments(words=tuple(quoted_words(rest, escape)))
    if keyword == "healthcheck":
        return _healthcheck(rest)
    return Arguments()


def _json_or_text(rest: str) -> Arguments:
    return _json_list(rest) or Arguments(words=(rest,) if rest else ())


def _blank_separated(rest: str) -> Arguments:
    return Arguments(words=tuple(_BLANKS.split(rest)) if rest else ())


def _json_list(rest: str) -> Arguments | None:
    """The strings of a JSON list; None for anything that is not valid JSON, which is then taken as text."""
    text = rest.lstrip(GO_SPACE)
    if not text.startswith("["):
        return None
    try:
        found: list[Any] = _DECODER.decode(text.rstrip("\t\n\r "))
    except ValueError:
        return None
    except RecursionError:
        found = [None]  # lists in lists: no list of strings either way
    if not all(isinstance(item, str) for item in found):
        raise ValueError(_NOT_STRINGS)
    return Arguments(words=tuple(map(replace_surrogates, found)), is_json=True)


def _number(text: str) -> float:
    """A number as encoding/json of Go takes it: what does not fit a float64 makes the whole text invalid."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_constant)


def _pairs(rest: str, keyword: str, escape: str) -> tuple[str, ...]:
    words = quoted_words(rest, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        # The old form, one name and the rest of the line as its value.
        parts = _BLANKS.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise ValueError(f"{keyword} must have two arguments")
        return (f"{parts[0]}={parts[1]}",)
    for word in words:
        if "=" not in word:
            raise ValueError(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
    return tuple(words)


def quoted_words(rest: str, escape: str) -> list[str]:
    """The words between spaces that are neither quoted nor escaped; quotes and escapes are kept."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    chars = iter(rest)
    for ch in chars:
        if not quote and ch in _SPACES:
            if word:
                words.append("".join(word))
            word = []
            continue
        if ch == quote:
            quote = ""
        elif not quote and ch in "'\"":
            quote = ch
        elif ch == escape and quote != "'":
            following = next(chars, "")
            # An escape character that ends the text is dropped.
            word.append(ch + following if following else "")
            continue
        word.append(ch)
    return [*words, "".join(word)] if any(word) else words


def _healthcheck(rest: str) -> Arguments:
    kind, _, command = _cut_space(rest)
    if not kind:
        return Arguments()
    inner = _json_or_text(command)
    return Arguments(words=(kind, *inner.words), is_json=inner.is_json)


def _cut_space(text: str) -> tuple[str, str, str]:
    # Bytes, as in BuildKit: 0x85 and 0xA0 are spaces even inside another character.
    data = text.encode("utf-8", "surrogateescape").decode("latin-1")
    match = re.match(r"([^\t\n\v\f\r \x85\xa0]*)([\t\n\v\f\r \x85\xa0]*)", data)
    parts = (data[: match.end(1)], match.group(2), data[match.end() :]) if match else (data, "", "")
    first, between, last = (part.encode("latin-1").decode("utf-8", "surrogateescape") for part in parts)
    return first, between, last
