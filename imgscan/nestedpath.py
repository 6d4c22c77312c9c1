"""How a path is told that goes on inside of an archive. In: a `Location`. Out: plain, unescaped text."""

from __future__ import annotations

from typing import Final

from imgscan.model import Location

_INSIDE: Final = "!/"
"""What stands between an archive and its member in a `Location.path`."""
_GIT_OBJECTS: Final = ".git/objects/"
_GIT_OBJECT: Final = ("object",)


def nested_path(location: Location) -> str:
    """`backup.tgz → config/prod.env`; what git keeps compressed as one file is told as that file."""
    path, inside = location.path or "", location.inside
    # The path of a secret names the members too, that of another finding may not.
    outer = path.removesuffix(_INSIDE + _INSIDE.join(inside)) if inside else path
    if inside[:1] == _GIT_OBJECT and _GIT_OBJECTS in outer:
        inside = inside[1:]
    return " → ".join((outer, *inside))
