r"""Text as it was before something was made of it: escapes taken back, and what was put before each of its lines.

In: a stretch that is known to be something else underneath, such as a key. Out: ways to read it. Which of them is
right is for the caller to say, who knows what it should look like.

Forms: RFC 3986, 2.1, and the `+` of HTML's forms; RFC 8259, 7; XML 1.0, 4.1; RFC 2045, 6.7; `Properties.load` of Java.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.lazyre import lazy_re

_ESCAPE: Final = lazy_re(
    rb"(?:%(?:25){0,2}|\\{1,8}(?:u00|x))(?P<hex>[0-9A-Fa-f]{2})|&#(?:x0{0,2}(?P<x>[0-9A-Fa-f]{1,2})|0{0,2}(?P<dec>[0-9]{1,2}));|"
    rb"\\{1,8}(?P<sign>[=:/+])|&(?P<name>equals|plus|sol|NewLine);"
)
_NAMED: Final = {b"equals": b"=", b"plus": b"+", b"sol": b"/", b"NewLine": b"\n"}
_DRESS: Final = lazy_re(rb"\x1b\[[0-9;]{0,11}m|</?[a-z][^<>]{0,80}>")
"""Colours of a terminal, and tags."""
_QUOTED: Final = lazy_re(rb"=(?:([0-9A-F]{2})|[ \t]{0,4}\r?\n)")
LINE_END: Final = lazy_re(rb"(?:\\{1,16}[rn]|[\r\n])+")
_VARYING: Final = lazy_re(rb"[0-9]+|(?:\\?[ \t])+")
_LONGEST_PREFIX: Final = 200


def readings(text: bytes) -> Iterator[bytes]:
    """What lines may have been before they were escaped, or got a prefix each; the last of them is no more than the
    prefix, since something known stands behind it. Numbers of lines may be taken for a part of them, so the reading
    without a prefix comes first, and the text as it is after that."""
    plain = _DRESS.sub(b"\n", unescaped(text))
    for each in (text, plain) if plain != text else (text,):
        bare = without_prefix(each)
        if bare is not None:
            yield bare
        yield each
    if b"=" in text:
        yield _QUOTED.sub(lambda found: bytes.fromhex((found[1] or b"").decode()), text)


def unescaped(text: bytes) -> bytes:
    """The text with the characters that its escapes stand for, those that were escaped once more, too."""
    return _ESCAPE.sub(_meant, text)


def _meant(found: re.Match[bytes]) -> bytes:
    if (digits := found["hex"] or found["x"]) is not None:
        return bytes((int(digits, 16),))
    if found["dec"] is not None:
        return bytes((int(found["dec"]),))
    return found["sign"] or _NAMED[found["name"]]


def without_prefix(text: bytes) -> bytes | None:
    """The lines without what stands before each: a sign of a diff, a time, a number. The last line is the prefix alone.
    Digits and blanks in it may vary, where it ends in something else than a letter or a digit. None without one."""
    *lines, prefix = LINE_END.split(text)
    if len(lines) < 2 or not 0 < len(prefix) <= _LONGEST_PREFIX or prefix.isspace():
        return None
    first, *others = lines
    if not all(line.startswith(prefix) for line in others):
        if prefix[-1:].isalnum():
            return None
        return _without_varying(prefix, first, others)
    return b"\n".join([first, *(line[len(prefix) :] for line in others)])


def _without_varying(prefix: bytes, first: bytes, others: list[bytes]) -> bytes | None:
    shape = re.compile(_VARYING.sub(_any_like, re.escape(prefix.lstrip())))
    bare = []
    for line in others:
        found = shape.match(line.lstrip())
        if found is None:
            return None
        bare.append(line.lstrip()[found.end() :])
    return b"\n".join([first, *bare])


def _any_like(found: re.Match[bytes]) -> bytes:
    return b"[0-9]+" if found[0][:1].isdigit() else rb"[ \t]+"
