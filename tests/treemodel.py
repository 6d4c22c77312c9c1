"""A second opinion on stacking: the tree of an image's paths as layers are put on it one after the other.

Every path is touched once for each layer that names it, and every file is dropped at most once, so that stacking is
linear in the number of entries whatever they remove.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.layers.blocks import ListedEntry
from imgscan.layers.filesystem import WasteItem
from imgscan.layers.listing import LayerListing
from imgscan.model import EntryKind, Status, WasteCause

_CONTENT_KINDS: Final = frozenset((EntryKind.FILE, EntryKind.HARDLINK))


def in_order(listing: LayerListing) -> list[ListedEntry]:
    """The entries as the archive has them."""
    return sorted(listing.items, key=lambda item: item.order)


class Inode:
    """A file's content: shipped by one layer as `entry`, there while `links` is not 0. `names` are its hard links'."""

    __slots__ = ("entry", "layer", "links", "names")

    def __init__(self, entry: ListedEntry, layer: int) -> None:
        self.entry = entry
        self.layer = layer
        self.links = 1
        self.names: tuple[bytes, ...] = ()


class Node:
    """A path of the tree; a directory if it has `children`. `entry` is None for a directory that is only implied.
    `below` are the lower layers that have entries for the same directory."""

    __slots__ = ("below", "children", "entry", "inode", "layer")

    def __init__(self, layer: int, entry: ListedEntry | None, inode: Inode | None) -> None:
        self.layer = layer
        self.entry = entry
        self.inode = inode
        self.children: dict[bytes, Node] | None = None
        self.below: tuple[int, ...] = ()


Fate = tuple[Status, int, Inode | None]
"""What became of a path, by which layer, and the content it stood for."""


class Tree:
    """The stacked tree. `fates` is keyed by layer and path and has only what is no longer visible."""

    def __init__(self) -> None:
        self.root = _directory(0, None)
        self.inodes: list[Inode] = []
        self.waste: list[WasteItem] = []
        self.fates: dict[tuple[int, bytes], Fate] = {}
        self.dangling: list[int] = []
        self._layer = 0
        self._items: dict[bytes, ListedEntry] = {}
        self._replaced_own = False
        self._last_parent: tuple[bytes, Node] | None = None

    def apply(self, layer: int, listing: LayerListing) -> None:
        """Put the next layer on the tree: first what it removes from those below, then what it adds."""
        self._layer = layer
        self._replaced_own = False
        self.dangling.append(0)
        if listing.whiteouts or listing.opaques:
            self._items = {item.path: item for item in in_order(listing)}
            self._remove(frozenset(listing.whiteouts), frozenset(listing.opaques))
        for item in in_order(listing):
            self._add(item)
        self._items = {}

    def walk(self) -> Iterator[Node]:
        """Every node below the root, in no particular order."""
        pending = list((self.root.children or {}).values())
        while pending:
            node = pending.pop()
            yield node
            if node.children:
                pending.extend(node.children.values())

    def _remove(self, whiteouts: frozenset[bytes], opaques: frozenset[bytes]) -> None:
        removed: set[bytes] = set()
        # Sorted, a directory comes before what is in it.
        for path in sorted(whiteouts | opaques):
            if path in whiteouts:
                if self._whiteout(path, opaque=path in opaques):
                    removed.add(path)
                elif not _is_below(path, removed):
                    self.dangling[-1] += 1
            if path in opaques:
                self._opaque(path)

    def _whiteout(self, path: bytes, *, opaque: bool) -> bool:
        parent_path, _, name = path.rpartition(b"/")
        parent = self.find(parent_path)
        node = (parent.children or {}).pop(name, None) if parent is not None else None
        if node is None:
            return False
        item = self._items.get(path)
        cause = _cause(node, item, None) if item is not None or opaque else WasteCause.DELETED
        self._drop([node], path, cause)
        return True

    def _opaque(self, path: bytes) -> None:
        node = self.find(path)
        if node is not None and node.children:
            gone = list(node.children.values())
            node.children = {}
            self._drop(gone, path, WasteCause.OPAQUE)

    def _add(self, item: ListedEntry) -> None:
        path = item.path
        parent_path, _, name = path.rpartition(b"/")
        last = self._last_parent
        if last is not None and last[0] == parent_path:
            parent = last[1]
        else:
            parent = self._parent(parent_path)
            self._last_parent = (parent_path, parent)
        siblings = parent.children
        assert siblings is not None, "_parent gives directories only"
        node = siblings.get(name)
        if self._replaced_own:
            self.fates.pop((self._layer, path), None)
        if item.kind is EntryKind.DIRECTORY and node is not None and node.children is not None:
            if node.entry is not None and node.layer != self._layer:
                node.below = (*node.below, node.layer)
            node.entry, node.layer = item, self._layer
            return
        # Linked before the old node is dropped: a file may be replaced by a link to itself.
        siblings[name] = new = self._new_node(item)
        if node is not None:
            self._drop([node], path, _cause(node, item, new.inode))

    def _new_node(self, item: ListedEntry) -> Node:
        if item.kind is EntryKind.DIRECTORY:
            return _directory(self._layer, item)
        inode: Inode | None = None
        if item.kind is EntryKind.FILE:
            inode = Inode(item, self._layer)
            self.inodes.append(inode)
        elif item.kind is EntryKind.HARDLINK and item.target is not None:
            target = self.find(item.target)
            inode = target.inode if target is not None else None
            if inode is not None:
                inode.links += 1
                inode.names = (*inode.names, item.path)
        return Node(self._layer, item, inode)

    def _parent(self, path: bytes) -> Node:
        """The directory of that path, made if it is missing or something else is in its way."""
        node = self.root
        if not path:
            return node
        parts = path.split(b"/")
        for depth, part in enumerate(parts):
            assert node.children is not None, "only directories are descended into"
            child = node.children.get(part)
            if child is None or child.children is None:
                replaced, child = child, _directory(self._layer, None)
                node.children[part] = child
                if replaced is not None:
                    self._drop([replaced], b"/".join(parts[: depth + 1]), WasteCause.TYPE_CHANGED)
            node = child
        return node

    def find(self, path: bytes) -> Node | None:
        """The node of a path, None if there is none."""
        node: Node | None = self.root
        for part in path.split(b"/") if path else ():
            if node is None or node.children is None:
                return None
            node = node.children.get(part)
        return node

    def _drop(self, nodes: list[Node], top: bytes, cause: WasteCause) -> None:
        """Take subtrees away that are out of the tree already; one waste item for each layer that shipped of them."""
        if any(node.children is not None for node in nodes):
            self._last_parent = None
        lost: dict[int, tuple[int, int]] = {}
        while nodes:
            node = nodes.pop()
            if node.children:
                nodes.extend(node.children.values())
            if node.entry is not None:
                self._record(node, node.entry.path, top, cause)
            inode = node.inode
            if inode is None:
                continue
            inode.links -= 1
            if not inode.links and inode.entry.size_bytes:
                size, files = lost.get(inode.layer, (0, 0))
                lost[inode.layer] = (size + inode.entry.size_bytes, files + 1)
        for layer, (size, files) in lost.items():
            self.waste.append(
                WasteItem(path=top, bytes=size, files=files, cause=cause, shipped_by=layer, shadowed_by=self._layer)
            )

    def _record(self, node: Node, path: bytes, top: bytes, cause: WasteCause) -> None:
        replaced = path in self._items or (path == top and cause not in (WasteCause.DELETED, WasteCause.OPAQUE))
        fate = (Status.OVERWRITTEN if replaced else Status.DELETED, self._layer, node.inode)
        for layer in (*node.below, node.layer):
            if layer == self._layer:
                # Replaced by a later entry of its own layer: under this path the layer ships that one.
                if path == top:
                    continue
                self._replaced_own = True
            self.fates[(layer, path)] = fate


def _directory(layer: int, entry: ListedEntry | None) -> Node:
    node = Node(layer, entry, None)
    node.children = {}
    return node


def _cause(node: Node, item: ListedEntry | None, inode: Inode | None) -> WasteCause:
    """Why what lies at a path goes when `item` comes there with the content of `inode` (if it is known by now); no item
    is an implied directory."""
    kind = EntryKind.DIRECTORY if item is None else item.kind
    if node.children is not None:
        return WasteCause.OPAQUE if kind is EntryKind.DIRECTORY else WasteCause.TYPE_CHANGED
    if node.entry is None or node.entry.kind not in _CONTENT_KINDS or kind not in _CONTENT_KINDS:
        return WasteCause.TYPE_CHANGED
    old = node.inode.entry.digest if node.inode is not None else None
    new = item.digest if item is not None else None
    if inode is not None:
        new = inode.entry.digest
    return WasteCause.METADATA_ONLY if old is not None and old == new else WasteCause.OVERWRITTEN


def _is_below(path: bytes, removed: set[bytes]) -> bool:
    if not removed:
        return False
    slash = path.rfind(b"/")
    while slash >= 0:
        if path[:slash] in removed:
            return True
        slash = path.rfind(b"/", 0, slash)
    return False
