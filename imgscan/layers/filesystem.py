"""The layers of an image stacked on each other: what is visible, what is shipped in vain, since when and why.

`stack(listings)` gives figures that add up to the byte: size = visible + reclaimable, and reclaimable is the sum of the
waste items that are no duplicates. Rules: OCI image-spec layer.md (whiteouts), with the cases engines really meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgscan.layers.listing import LayerListing, ListedEntry, ListingBuilder, list_layer
from imgscan.layers.tree import Fate, Inode, Tree, WasteItem
from imgscan.model import Status, WasteCause

__all__ = ["LayerListing", "ListedEntry", "ListingBuilder", "Stacked", "WasteItem", "list_layer", "stack"]

DUPLICATE_MIN_BYTES: Final = 4096
"""Smaller equal files are licences and empty modules, not worth a line of the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacked:
    """The image's files as a whole.

    `layer_bytes`, `layer_reclaimable` and `dangling_whiteouts` (those that remove nothing) go by layer index. `waste`
    is sorted, largest first; its items of cause `duplicate` are visible and not part of `reclaimable_bytes`.
    """

    size_bytes: int
    visible_bytes: int
    reclaimable_bytes: int
    layer_bytes: tuple[int, ...]
    layer_reclaimable: tuple[int, ...]
    waste: tuple[WasteItem, ...]
    dangling_whiteouts: tuple[int, ...]
    fates: dict[tuple[int, bytes], Fate] = field(repr=False)
    tree: Tree = field(repr=False)

    @property
    def efficiency(self) -> float:
        """Visible over shipped bytes; 1.0 for an image without content."""
        return self.visible_bytes / self.size_bytes if self.size_bytes else 1.0

    def status_of(self, layer: int, path: bytes) -> tuple[Status, int | None]:
        """What became of a path that a layer ships, and which layer hid it.

        A file that is still there under another name (a hard link) is visible: so is its content.
        """
        fate = self.fates.get((layer, path))
        if fate is None:
            return Status.VISIBLE, None
        status, by, inode = fate
        if inode is not None and inode.links > 0:
            return Status.VISIBLE, None
        return status, by

    def visible(self) -> Iterator[tuple[int, ListedEntry]]:
        """Every visible entry with the index of the layer it comes from, sorted by path."""
        found = [(node.layer, node.entry) for node in self.tree.walk() if node.entry is not None]
        return iter(sorted(found, key=lambda pair: pair[1].path))


def stack(listings: Sequence[LayerListing]) -> Stacked:
    """Stack the layers' listings, base first. Linear in their entries."""
    tree = Tree()
    for index, listing in enumerate(listings):
        tree.apply(index, listing)
    layer_bytes = tuple(listing.size_bytes for listing in listings)
    reclaimable = [0] * len(listings)
    for item in tree.waste:
        reclaimable[item.shipped_by] += item.bytes
    waste = [*tree.waste, *_duplicates(tree)]
    waste.sort(key=lambda item: (-item.bytes, item.path, item.shipped_by, item.cause))
    return Stacked(
        size_bytes=sum(layer_bytes),
        visible_bytes=sum(layer_bytes) - sum(reclaimable),
        reclaimable_bytes=sum(reclaimable),
        layer_bytes=layer_bytes,
        layer_reclaimable=tuple(reclaimable),
        waste=tuple(waste),
        dangling_whiteouts=tuple(tree.dangling),
        fates=tree.fates,
        tree=tree,
    )


def _duplicates(tree: Tree) -> Iterator[WasteItem]:
    """Visible files whose content an earlier visible file has too."""
    first: set[tuple[int, bytes]] = set()
    for inode in tree.inodes:
        entry = inode.entry
        if not inode.links or entry.size_bytes < DUPLICATE_MIN_BYTES or entry.digest is None:
            continue
        content = (entry.size_bytes, entry.digest)
        if content not in first:
            first.add(content)
            continue
        yield WasteItem(
            path=_visible_name(tree, inode),
            bytes=entry.size_bytes,
            files=1,
            cause=WasteCause.DUPLICATE,
            shipped_by=inode.layer,
            shadowed_by=None,
        )


def _visible_name(tree: Tree, inode: Inode) -> bytes:
    if not inode.names or (inode.layer, inode.entry.path) not in tree.fates:
        return inode.entry.path
    kept = (name for name in inode.names if (node := tree.find(name)) is not None and node.inode is inode)
    return next(kept, inode.entry.path)
