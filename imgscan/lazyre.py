"""Regular expressions that are compiled when they are first used: a command loads ten times as many as it uses, and to
compile them all takes longer than to load the modules that they stand in."""

from __future__ import annotations

import re
from typing import Any, AnyStr, Final, Generic, cast

_METHODS: Final = ("search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")
_FACTS: Final = ("pattern", "flags", "groups", "groupindex")


def lazy_re(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, for all that it is asked for by an attribute; only functions of `re` do not take it.

    An error in the pattern is raised where it is first used.
    """
    return cast("re.Pattern[AnyStr]", _LazyPattern(pattern, flags))


class _LazyPattern(Generic[AnyStr]):
    """Has no attribute until one is asked for; then it has those of the compiled pattern, which cost no more there."""

    __slots__ = (*_METHODS, *_FACTS, "_given")

    def __init__(self, pattern: AnyStr, flags: int) -> None:
        self._given: tuple[AnyStr, int] = (pattern, flags)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the pattern has
        compiled = re.compile(*self._given)
        for each in (*_METHODS, *_FACTS):
            setattr(self, each, getattr(compiled, each))
        return getattr(compiled, name)

    def __repr__(self) -> str:
        return f"lazy_re{self._given!r}"
