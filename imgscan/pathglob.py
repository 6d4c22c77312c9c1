"""Paths by patterns as .gitignore has them. In: a pattern. Out: a test for paths, in time linear in the path (RE2).

Differences to gitignore(5): `!` is refused, since a pattern here stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from imgscan.lazyre import lazy_re

LONGEST: Final = 1000
_PARTS: Final = lazy_re(r"\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^]]*\]|\\.|.", re.DOTALL)
_SPECIAL: Final = lazy_re(r"[\\\[\]^]")


class GlobError(ValueError):
    """A pattern that means nothing."""


@lru_cache(maxsize=512)
def compile_glob(pattern: str) -> Callable[[str], bool]:
    """A test for paths with `/` between their parts, with or without one before the first.

    `*` and `?` stop at a slash, `**` does not, `[a-z]` is one character. A pattern without a slash, but at its end, is
    for names in any folder, any other one begins at the root; one that fits a folder is for everything in it, and with
    a slash at its end for nothing else. Raises GlobError.
    """
    import re2

    if not pattern.strip("/"):
        raise GlobError("it names nothing")
    if pattern.startswith("!"):
        raise GlobError("a pattern cannot begin with !")
    if not pattern.isascii() and any("\ud800" <= character <= "\udfff" for character in pattern):
        raise GlobError("it is not UTF-8")
    if len(pattern) > LONGEST:
        raise GlobError(f"it is longer than {LONGEST} characters")
    body, anchored = pattern.rstrip("/"), "/" in pattern.rstrip("/")
    inside = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    options = re2.Options()
    options.log_errors, options.dot_nl = False, True
    try:
        regex = re2.compile(
            ("" if anchored else "(?:.*/)?") + "".join(_pieces(body.removeprefix("/"))) + inside, options
        )
    except re2.error as error:
        raise GlobError("a [ ] in it is not a set of characters") from error

    def fits(path: str) -> bool:
        text = path.removeprefix("/").encode("utf-8", "replace").decode()
        return regex.fullmatch(text) is not None

    return fits


def _pieces(body: str) -> Iterator[str]:
    for found in _PARTS.finditer(body):
        part = found.group()
        match part:
            case "**/":
                # Anything but a folder's whole name before it makes the stars ordinary ones.
                at_start = found.start() == 0 or body[found.start() - 1] == "/"
                yield "(?:.*/)?" if at_start else "[^/]*/"
            case "/**":
                yield "/.*"
            case "?":
                yield "[^/]"
            case _ if part.startswith("*"):
                yield ".*" if part == "**" and body == "**" else "[^/]*"
            case _ if part.startswith("[") and len(part) > 2:
                inner = part[1:-1]
                negated = inner[:1] in ("!", "^")
                inner = _SPECIAL.sub(r"\\\g<0>", inner[negated:])
                yield f"[^/{inner}]" if negated else f"[{inner}]"
            case _:
                yield re.escape(part[1:] if part.startswith("\\") and len(part) == 2 else part)
