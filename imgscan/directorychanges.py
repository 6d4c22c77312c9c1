"""Where an image grew or shrank, by directory. In: two `ImageReport`s. Out: `DirectoryChange`s that add up. Pure.

A change is told of the innermost directory that accounts for it, and of no other: the changes that are told, and what
is below noise, sum up to that of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from imgscan.directories import LEAST_SHARE, MOST_REPORTED, around
from imgscan.frozen import frozen
from imgscan.model import ImageReport


@frozen
class DirectoryChange:
    """A directory that ships more or less than before. `base` and `head` are all its bytes, None where a report does
    not list it: then it had no more than `slack`, which is by how much `change` may be off. `change` is without those
    directories in it that are told of themselves."""

    path: str
    base: int | None
    head: int | None
    change: int
    slack: int = 0


def directory_changes(base: ImageReport | None, head: ImageReport | None, noise: float) -> tuple[DirectoryChange, ...]:
    """The changes of more than `noise` bytes, the largest first; none where a report does not know of directories."""
    if base is None or head is None or not base.directories or not head.directories:
        return ()
    changes = _changes(_Listed(base), _Listed(head), noise)
    return tuple(sorted(changes, key=lambda one: (-abs(one.change), one.path)))


class _Listed:
    """The directories of a report with their bytes, and how many one may have that is not among them."""

    def __init__(self, image: ImageReport) -> None:
        self.sizes: dict[str, int] = {}
        for one in image.directories:
            # Two names may be the same text once a secret is taken out of them.
            self.sizes[one.path] = self.sizes.get(one.path, 0) + one.size_bytes
        self._rest = dict(self.sizes)
        for path, outer in around(self.sizes).items():
            self._rest[outer] -= self.sizes[path]
        least = min(self.sizes.values())
        self._most = least if len(image.directories) >= MOST_REPORTED else ceil(image.size_bytes / LEAST_SHARE)

    def slack(self, path: str, outer: Mapping[str, str]) -> int:
        """The most that a directory has; nothing if it is listed."""
        if path in self.sizes:
            return 0
        while path not in self.sizes and path in outer:
            path = outer[path]
        return max(min(self._rest.get(path, self._most), self._most), 0)


def _changes(base: _Listed, head: _Listed, noise: float) -> Iterator[DirectoryChange]:
    sizes = {**base.sizes, **head.sizes}
    outer = around(sizes)
    inner: dict[str, list[str]] = {}
    for path, place in outer.items():
        inner.setdefault(place, []).append(path)
    told: dict[str, int] = {}
    slacks: dict[str, int] = {}
    # From the inside out: what lies in a directory comes after it in `outer`; the outermost are not in there.
    for path in (*reversed(outer), *(path for path in sizes if path not in outer)):
        before, after = base.sizes.get(path), head.sizes.get(path)
        whole = before is None or after is None
        if whole and path in outer and _sides(outer[path], base, head) == _sides(path, base, head):
            continue  # a part of what is new or gone
        change = (after or 0) - (before or 0) - told.get(path, 0)
        slack = slacks.get(path, 0) + base.slack(path, outer) + head.slack(path, outer)
        if abs(change) > noise + slack:
            shown = _innermost(path, sizes, inner) if whole else path
            yield DirectoryChange(path=shown, base=before, head=after, change=change, slack=slack)
            told[path] = told.get(path, 0) + change
            slacks[path] = slack
        if path in outer:
            for sums in (told, slacks):
                sums[outer[path]] = sums.get(outer[path], 0) + sums.get(path, 0)


def _sides(path: str, base: _Listed, head: _Listed) -> tuple[bool, bool]:
    return path in base.sizes, path in head.sizes


def _innermost(path: str, sizes: Mapping[str, int], inner: Mapping[str, list[str]]) -> str:
    """The innermost directory that has all of the bytes of a directory."""
    while same := [one for one in inner.get(path, ()) if sizes[one] == sizes[path]]:
        path = same[0]
    return path
