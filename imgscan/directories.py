"""The nouns for an image's bytes by directory, as they stand in the report; `imgscan.model` gives them on, and
`layers.directories` makes them. And what lies in what among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from imgscan.frozen import frozen

MOST_REPORTED: Final = 400
"""So many of an image are reported, the largest."""
LEAST_SHARE: Final = 1000
"""A directory with less than this part of the image's bytes is not reported."""


@frozen
class DirectoryShare:
    """What one layer ships in and below a directory, and how much of that is not visible."""

    layer: int
    size_bytes: int
    reclaimable_bytes: int


@frozen
class DirectoryReport:
    """A directory with all that is below it. `size_bytes` is what the layers ship, `visible_bytes` what is left of it;
    a file that has several names counts where its layer has its content. `layers` are those that ship bytes of it."""

    path: str
    size_bytes: int
    visible_bytes: int
    reclaimable_bytes: int
    layers: tuple[DirectoryShare, ...]


def around(paths: Iterable[str]) -> dict[str, str]:
    """For each of these directories the innermost other one that it lies in, if there is one; in tree order, each
    followed by those in it."""
    found: dict[str, str] = {}
    outer: list[str] = []
    for path in sorted(set(paths), key=lambda one: one.replace("/", "\0")):
        while outer and not path.startswith(outer[-1].rstrip("/") + "/"):
            outer.pop()
        if outer:
            found[path] = outer[-1]
        outer.append(path)
    return found
