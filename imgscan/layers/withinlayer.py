"""Where the entries of one layer come to lie: an archive may write through symbolic links that it has itself.

In: entries in their order. Out: the same entries by the paths that they have once an engine has unpacked them. A layer
is unpacked into a folder of its own, so links of other layers do not count, and the folder is the root: absolute
targets begin there and `..` ends there (moby, pkg/archive in a chroot; containerd, archive.Apply with fs.RootPath). The
two differ only where a link leads to nothing: there the one gives up, and the other makes the folder.
"""

from __future__ import annotations

from typing import Final

import msgspec

from imgscan.layers.tar import Entry
from imgscan.model import EntryKind

_MOST_LINKS: Final = 40
"""Links that the kernel follows in one path (MAXSYMLINKS)."""
_MOST_STEPS: Final = 1024
_MOST_FOLDERS: Final = 4096
_MOST_NODES: Final = 500_000
"""Paths of links, and folders around them: an archive of deep names could make millions. No image has as many."""
_HERE: Final = frozenset((b"", b"."))
_DIRECTORY, _HARDLINK, _SYMLINK = EntryKind.DIRECTORY, EntryKind.HARDLINK, EntryKind.SYMLINK


class _Node:
    """A path that is a link (`target`), or has links below it."""

    __slots__ = ("below", "target")

    def __init__(self) -> None:
        self.below: dict[bytes, _Node] = {}
        self.target: bytes | None = None


class WithinLayer:
    """The links of one layer so far."""

    def __init__(self) -> None:
        self._root = _Node()
        self._nodes = 0
        self._folders: dict[bytes, tuple[bytes, _Node | None]] = {}
        self._plain = b""  # the folder of the entry before and a slash, where neither above nor below it is any link

    def placed(self, entry: Entry) -> Entry:
        """The entry as it comes to lie; the same object where it lies as its name says."""
        kind = entry.kind
        if kind is not _SYMLINK and (
            not self._root.below or (kind is not _HARDLINK and self._plain and entry.path.startswith(self._plain))
        ):
            return entry
        folder, _, name = entry.path.rpartition(b"/")
        there, node = self._folder(folder)
        self._plain = b"" if node is not None or there != folder or not folder else folder + b"/"
        path = there + b"/" + name if there else name
        if kind is _SYMLINK and entry.link_target is not None and name:
            self._enter(path, entry.link_target)
        elif node is not None and name in node.below:
            self._replace(node, name, is_directory=kind is _DIRECTORY)
        target = entry.link_target
        if kind is _HARDLINK and target is not None:
            target = self._path(target)
        if path == entry.path and target == entry.link_target:
            return entry
        return msgspec.structs.replace(entry, path=path, link_target=target, raw_name=entry.raw_name or entry.path)

    def _path(self, path: bytes) -> bytes:
        """A path with the links in its folder followed."""
        folder, _, name = path.rpartition(b"/")
        there = self._folder(folder)[0]
        return there + b"/" + name if there else name

    def _folder(self, folder: bytes) -> tuple[bytes, _Node | None]:
        found = self._folders.get(folder)
        if found is None:
            if len(self._folders) >= _MOST_FOLDERS:
                self._folders.clear()
            found = self._folders[folder] = self._resolve(folder)
        return found

    def _resolve(self, folder: bytes) -> tuple[bytes, _Node | None]:
        """A folder with all links followed, and its node if there are links below it; a loop, and what takes too many
        steps, as it stands: no engine unpacks that."""
        rest = folder.split(b"/")[::-1] if folder else []
        done: list[tuple[bytes, _Node | None]] = []
        node: _Node | None = self._root
        followed = steps = 0
        while rest:
            part = rest.pop()
            steps += 1
            if steps > _MOST_STEPS:
                return folder, None
            if part in _HERE:
                continue
            if part == b"..":
                done = done[:-1]
                node = done[-1][1] if done else self._root
                continue
            below = node.below.get(part) if node is not None else None
            if below is None or below.target is None:
                done.append((part, below))
                node = below
                continue
            followed += 1
            if followed > _MOST_LINKS or len(below.target) > _MOST_STEPS * 4:
                return folder, None
            if below.target[:1] == b"/":
                done, node = [], self._root
            rest += below.target.split(b"/")[::-1]
        return b"/".join(part for part, _ in done), node

    def _enter(self, path: bytes, target: bytes) -> None:
        node = self._root
        self._plain = b""
        if self._nodes > _MOST_NODES:
            return
        for part in path.split(b"/"):
            below = node.below.get(part)
            if below is None:
                below = node.below[part] = _Node()
                self._nodes += 1
            node = below
        node.target = target
        node.below.clear()
        self._folders.clear()

    def _replace(self, folder: _Node, name: bytes, *, is_directory: bool) -> None:
        """What lies at a path goes for an entry of that path; a directory stays under a directory."""
        if folder.below[name].target is not None or not is_directory:
            del folder.below[name]
            self._folders.clear()
