"""The files of an image as a tree, as a chosen layer leaves them. In: listings of layers. Out: `Node`s with what the
layer did to each. Pure.

The tree of a layer is that of the layer below with its own entries applied: whiteouts first, then what it adds (OCI
image specification, "Applying Changesets"). What a layer removes stays in its tree, marked, and is gone in the next's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

from imgscan.layers.blocks import ListedEntry
from imgscan.layers.filesystem import last_of_each
from imgscan.layers.listing import LayerListing
from imgscan.model import EntryKind


class Change(StrEnum):
    """What a layer did to a path."""

    UNCHANGED = "unchanged"
    ADDED = "added"
    MODIFIED = "modified"
    REMOVED = "removed"


class Node:
    """A path of the tree. `size_bytes` is the file's own, `total_bytes` with all that is below and not removed; `layer`
    is the one that it comes from. Not a record: a tree is changed in place from layer to layer."""

    __slots__ = ("change", "children", "entry", "layer", "name", "total_bytes", "touched")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.children: dict[bytes, Node] = {}
        self.entry: ListedEntry | None = None
        self.layer = -1
        self.change = Change.UNCHANGED
        self.touched = False
        self.total_bytes = 0

    @property
    def is_directory(self) -> bool:
        """Whether something can be below it; a directory that only its contents' paths tell of is one too."""
        return bool(self.children) or self.entry is None or self.entry.kind is EntryKind.DIRECTORY

    @property
    def size_bytes(self) -> int:
        """Its own bytes."""
        return self.entry.size_bytes if self.entry is not None else 0


class ImageTree:
    """The trees of all layers, one at a time: asking for a higher layer goes on from the last one asked for."""

    def __init__(self, listings: Sequence[LayerListing]) -> None:
        self._listings = listings
        self._root = Node(b"")
        self._layer = -1

    def at(self, layer: int) -> Node:
        """The tree as that layer leaves it, with what it changed. Good until the next call.

        Raises blocks.CacheDamagedError when a kept layer cannot be read any more.
        """
        if layer < self._layer:
            self._root, self._layer = Node(b""), -1
        while self._layer < layer:
            _settle(self._root)
            self._layer += 1
            _apply(self._root, self._listings[self._layer], self._layer)
        _sum(self._root)
        return self._root


def _settle(root: Node) -> None:
    """Forget what the layer did: what it removed goes, the rest is as it is. What it did not touch is not looked at."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.change is Change.UNCHANGED and not node.touched:
            continue
        node.change, node.touched = Change.UNCHANGED, False
        gone = [name for name, child in node.children.items() if child.change is Change.REMOVED]
        for name in gone:
            del node.children[name]
        waiting += node.children.values()


def _apply(root: Node, listing: LayerListing, layer: int) -> None:
    for path in listing.opaques:
        node = _touch(root, path)
        for child in node.children.values() if node else ():
            _remove(child)
    for path in listing.whiteouts:
        removed = _touch(root, path)
        if removed is not None:
            _remove(removed)
    # Neighbours mostly lie in the same directory, which nothing but an entry of its own changes.
    folder, parent = b"", _enter(root, [])
    for entry in last_of_each(listing):
        around, _, name = entry.path.rpartition(b"/")
        if around != folder:
            folder, parent = around, _enter(root, _parts(around))
        if name:
            _place(parent, name, entry, layer)


def _touch(root: Node, path: bytes) -> Node | None:
    """The node of a path, below which something goes."""
    node: Node | None = root
    for part in _parts(path):
        if node is None:
            return None
        node.touched = True
        node = node.children.get(part)
    if node is not None:
        node.touched = True
    return node


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part]


def _remove(node: Node) -> None:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        one.change = Change.REMOVED
        waiting += one.children.values()


def _enter(root: Node, parts: list[bytes]) -> Node:
    """The directory of that path, made where it is missing, to have something placed in it."""
    node = root
    for part in parts:
        _become_directory(node)
        node = _child(node, part)
    _become_directory(node)
    return node


def _child(node: Node, name: bytes) -> Node:
    child = node.children.get(name)
    if child is None:
        child = node.children[name] = Node(name)
        child.change = Change.ADDED
    elif child.change is Change.REMOVED:
        child.change = Change.MODIFIED
    return child


def _place(parent: Node, name: bytes, entry: ListedEntry, layer: int) -> None:
    node = _child(parent, name)
    known = node.entry
    if node.change is not Change.ADDED:
        # Of a directory that only paths told of so far nothing is known that could have changed.
        same = entry.kind is EntryKind.DIRECTORY and (known is None or _looks(known) == _looks(entry))
        node.change = Change.UNCHANGED if same and node.change is Change.UNCHANGED else Change.MODIFIED
    if entry.kind is not EntryKind.DIRECTORY:
        for child in node.children.values():
            _remove(child)
    node.entry, node.layer = entry, layer


def _become_directory(node: Node) -> None:
    """Something is placed below it: what was a file there is none any more."""
    node.touched = True
    if node.entry is not None and node.entry.kind is not EntryKind.DIRECTORY:
        node.entry = None
        node.change = Change.MODIFIED if node.change is Change.UNCHANGED else node.change


def _looks(entry: ListedEntry) -> tuple[object, ...]:
    return entry.kind, entry.mode, entry.uid, entry.gid


def _sum(root: Node) -> None:
    order = [root]
    for node in order:
        node.total_bytes = 0 if node.change is Change.REMOVED else node.size_bytes
        order += node.children.values()
    for node in reversed(order):
        for child in node.children.values():
            node.total_bytes += child.total_bytes
            node.touched = node.touched or child.touched or child.change is not Change.UNCHANGED


class Filter:
    """Which nodes to show: by what the layer did to them, and by a pattern of their paths."""

    def __init__(self, changes: frozenset[Change], pattern: str = "") -> None:
        self.changes = changes
        try:
            self._pattern = re.compile(pattern.encode("utf-8", "surrogateescape"), re.IGNORECASE)
        except re.error:
            self._pattern = re.compile(re.escape(pattern).encode("utf-8", "surrogateescape"), re.IGNORECASE)
        self._plain = not pattern

    def shows(self, node: Node, path: bytes) -> bool:
        """Whether a node is shown: itself, or for something below it."""
        if not node.is_directory:
            return node.change in self.changes and (self._plain or self._pattern.search(path) is not None)
        if self._plain and node.change in self.changes and (node.change is not Change.UNCHANGED or not node.children):
            return True
        if self._plain and Change.UNCHANGED in self.changes and not node.touched:
            return True
        return any(self.shows(child, path + b"/" + child.name) for child in node.children.values()) or (
            not self._plain and node.change in self.changes and self._pattern.search(path) is not None
        )


def children(node: Node, *, by_size: bool) -> list[Node]:
    """What is below a node: directories first by name, or the largest first."""
    if by_size:
        return sorted(node.children.values(), key=lambda child: (-child.total_bytes, child.name))
    return sorted(node.children.values(), key=lambda child: (not child.is_directory, child.name))


def walk(root: Node) -> Iterator[tuple[bytes, Node]]:
    """Every node with its path, directories before what is in them."""
    waiting = [(b"/" + child.name, child) for child in root.children.values()]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        waiting += [(path + b"/" + child.name, child) for child in node.children.values()]
