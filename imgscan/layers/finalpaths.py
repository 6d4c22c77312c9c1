"""Whether a path is in an image's final root file system, symbolic links followed as the kernel does.

In: the stacked layers and the names that will be asked for. Out: a predicate over absolute paths. One pass over the
visible entries; of these only links and the asked names are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from imgscan.layers.filesystem import Stacked
from imgscan.model import EntryKind

_MOST_LINKS: Final = 40
"""Links that the kernel follows in one path (MAXSYMLINKS)."""
_THERE: Final = frozenset({EntryKind.FILE, EntryKind.HARDLINK})


def final_paths(stacked: Stacked, names: Collection[str]) -> Callable[[str], bool]:
    """`exists(path)`: whether a file is at an absolute path whose last component is one of the names, or is reached
    from there by links."""
    links: dict[str, str] = {}
    files: set[str] = set()
    wanted = frozenset(name.encode("utf-8", "surrogateescape") for name in names)
    visible = [entry for _, entry in stacked.visible()]
    for entry in visible:
        if entry.kind is EntryKind.SYMLINK and entry.target is not None:
            links[_text(entry.path)] = _text(entry.target)
    # A link may lead to a file of another name.
    ends = wanted | {target.rpartition("/")[2].encode("utf-8", "surrogateescape") for target in links.values()}
    for entry in visible:
        if entry.kind in _THERE and entry.path.rpartition(b"/")[2] in ends:
            files.add(_text(entry.path))

    def exists(path: str) -> bool:
        found = _resolved(path, links)
        return found is not None and found in files

    return exists


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _resolved(path: str, links: dict[str, str]) -> str | None:
    """The path without links, relative to the root; None for a loop."""
    rest = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    followed = 0
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = "/".join((*done, part))
        target = links.get(here)
        if target is None:
            done.append(part)
            continue
        followed += 1
        if followed > _MOST_LINKS:
            return None
        if target.startswith("/"):
            done = []
        rest.extend(reversed(target.split("/")))
    return "/".join(done)
