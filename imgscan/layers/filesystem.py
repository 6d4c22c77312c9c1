"""The layers of an image stacked on each other: what is visible, what is shipped in vain, since when and why.

`stack(listings)` gives figures that add up to the byte: size = visible + reclaimable, and reclaimable is the sum of the
waste items that are no duplicates. Rules: OCI image-spec layer.md (whiteouts), with the cases engines really meet.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final

import msgspec

from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.layers.blocks import ListedEntry, path_of
from imgscan.layers.contents import Content, read_contents
from imgscan.layers.directories import DirectoryLosses, image_directories
from imgscan.layers.links import LinksOfLayer
from imgscan.layers.listing import WHITEOUT_PREFIX, LayerListing
from imgscan.layers.stacking import Hidden, Stacking
from imgscan.model import DirectoryReport, EntryKind, Status, Waste, WasteCause

_MOST_REMEMBERED: Final = 500_000
"""Duplicates are looked for among the contents of so many files, to bound the memory."""


class WasteItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bytes a layer ships that nobody sees: one overwritten file, or one removed directory with all below it.

    `path` is the top-most path that went, without a leading slash; `files` counts the files in it. `shadowed_by` is the
    layer that hid them, None for a duplicate, which is visible. A directory whose files came from several layers has
    one item for each of these.
    """

    path: bytes
    bytes: int
    files: int
    cause: WasteCause
    shipped_by: int
    shadowed_by: int | None

    def as_waste(self) -> Waste:
        """The item as it stands in the report."""
        return Waste(
            path="/" + path_text(self.path),
            bytes=self.bytes,
            cause=self.cause,
            shipped_by=self.shipped_by,
            shadowed_by=self.shadowed_by,
        )


@frozen
class Stacked:
    """The image's files as a whole.

    `layer_bytes`, `layer_reclaimable` and `dangling_whiteouts` (those that remove nothing) go by layer index. `waste`
    is sorted, largest first; its items of cause `duplicate` are visible and not part of `reclaimable_bytes`.
    `directories` are the largest, see `directories`; `fates` says what is hidden.
    """

    size_bytes: int
    visible_bytes: int
    reclaimable_bytes: int
    layer_bytes: tuple[int, ...]
    layer_reclaimable: tuple[int, ...]
    waste: tuple[WasteItem, ...]
    dangling_whiteouts: tuple[int, ...]
    directories: tuple[DirectoryReport, ...]
    listings: tuple[LayerListing, ...] = field(repr=False)
    fates: Fates = field(repr=False)

    @property
    def efficiency(self) -> float:
        """Visible over shipped bytes; 1.0 for an image without content."""
        return self.visible_bytes / self.size_bytes if self.size_bytes else 1.0

    def status_of(self, layer: int, path: bytes) -> tuple[Status, int | None]:
        """What became of a path that a layer ships, and which layer hid it.

        A file that is still there under another name (a hard link) is visible: so is its content. What a whiteout holds
        is deleted by no layer: engines show nothing of it. The path is one of those that were `watched`.
        """
        if path.rpartition(b"/")[2].startswith(WHITEOUT_PREFIX):
            return Status.DELETED, None
        return self.fates.of(layer, path)

    def other_name(self, layer: int, path: bytes) -> bytes | None:
        """The name under which the file of a `watched` path is seen, where its own is gone."""
        return self.fates.other_name(layer, path)

    def is_hidden(self, layer: int, entry: ListedEntry) -> bool:
        """Whether something else, or nothing, is seen under an entry's path."""
        return self.fates.is_hidden(layer, entry.order)

    def visible(self) -> Iterator[tuple[int, ListedEntry]]:
        """Every visible entry with the index of the layer it comes from, sorted by path."""
        found = [
            (layer, entry)
            for layer, listing in enumerate(self.listings)
            for entry in last_of_each(listing)
            if not self.fates.is_hidden(layer, entry.order)
        ]
        return iter(sorted(found, key=lambda pair: pair[1].path))


class Fates:
    """What became of entries: whether each is hidden, in a bit, and how for those whose paths are asked for.

    `watched` are these paths, for each layer; None keeps all.
    """

    def __init__(self, listings: Sequence[LayerListing], watched: Sequence[Container[bytes]] | None = None) -> None:
        self._bits = [bytearray(listing.entries // 8 + 1) for listing in listings]
        self._watched = watched
        self._kept: dict[tuple[int, bytes], tuple[Status, int]] = {}
        self._nameless: dict[tuple[int, bytes], int] = {}
        self._listings = listings
        self._links: dict[int, LinksOfLayer] = {}

    def hide(self, layer: int, entry: ListedEntry, status: Status | None, by: int) -> None:
        """Take note of a hidden entry; see `stacking.Hidden`."""
        self._bits[layer][entry.order >> 3] |= 1 << (entry.order & 7)
        if self._watched is not None and entry.path not in self._watched[layer]:
            return
        if status is not None:
            self._kept[(layer, entry.path)] = (status, by)
        elif entry.kind is EntryKind.FILE and self._listings[layer].links:
            self._nameless[(layer, entry.path)] = entry.order

    def is_hidden(self, layer: int, order: int) -> bool:
        """Whether another entry lies over it: under its path something else, or nothing, is seen."""
        return bool(self._bits[layer][order >> 3] >> (order & 7) & 1)

    def other_name(self, layer: int, path: bytes) -> bytes | None:
        """Of a file whose name alone is hidden another one, by a hard link of its layer, that is not."""
        order = self._nameless.get((layer, path))
        if order is None:
            return None
        links = self._links.get(layer)
        if links is None:
            links = self._links[layer] = LinksOfLayer(self._listings[layer].links)
        return next((link.path for link in links.to(order) if not self.is_hidden(layer, link.order)), None)

    def of(self, layer: int, path: bytes) -> tuple[Status, int | None]:
        """What became of the last entry of a path, and by which layer."""
        return self._kept.get((layer, path), (Status.VISIBLE, None))


def stack(
    listings: Sequence[LayerListing],
    *,
    watched: Sequence[Container[bytes]] | None = None,
    hidden: Hidden | None = None,
) -> Stacked:
    """Stack the layers' listings, base first.

    Linear in the entries that layers have in common. `watched` are the paths, for each layer, whose status will be
    asked for (None: any); `hidden` is told of every entry that another one hides.
    """
    fates = Fates(listings, watched)

    def hide(layer: int, entry: ListedEntry, status: Status | None, by: int) -> None:
        fates.hide(layer, entry, status, by)
        if hidden is not None:
            hidden(layer, entry, status, by)

    losses = DirectoryLosses(listings)
    stacking = Stacking(listings, hide, losses.lose).run()
    layer_bytes = tuple(listing.size_bytes for listing in listings)
    reclaimable = [0] * len(listings)
    waste: list[WasteItem] = []
    for (loss, layer), (size, files) in stacking.lost.items():
        reclaimable[layer] += size
        waste.append(
            WasteItem(
                path=path_of(loss.top),
                bytes=size,
                files=files,
                cause=loss.cause,
                shipped_by=layer,
                shadowed_by=loss.time[0],
            )
        )
    waste += _duplicates(listings, fates, _metadata_copies(waste))
    waste.sort(key=lambda item: (-item.bytes, item.path, item.shipped_by, item.cause))
    return Stacked(
        size_bytes=sum(layer_bytes),
        visible_bytes=sum(layer_bytes) - sum(reclaimable),
        reclaimable_bytes=sum(reclaimable),
        layer_bytes=layer_bytes,
        layer_reclaimable=tuple(reclaimable),
        waste=tuple(waste),
        dangling_whiteouts=tuple(stacking.dangling),
        directories=image_directories(listings, losses),
        listings=tuple(listings),
        fates=fates,
    )


def _metadata_copies(waste: Sequence[WasteItem]) -> dict[tuple[bytes, int], int]:
    """Of a path that a layer has again with other metadata alone: the layer it had it from."""
    return {
        (item.path, item.shadowed_by): item.shipped_by
        for item in waste
        if item.cause is WasteCause.METADATA_ONLY and item.shadowed_by is not None
    }


def _duplicates(
    listings: Sequence[LayerListing], fates: Fates, copies: Mapping[tuple[bytes, int], int]
) -> Iterator[WasteItem]:
    """Visible files whose content a visible file of a lower layer, or of a path before theirs, has too. What is among
    the `copies` counts as old as it was at first: it is not the duplicate."""
    seen: set[int] = set()
    for _, layer, content in _by_age(listings, fates, copies):
        if content.digest in seen:
            yield WasteItem(
                path=content.path,
                bytes=content.size_bytes,
                files=1,
                cause=WasteCause.DUPLICATE,
                shipped_by=layer,
                shadowed_by=None,
            )
        elif len(seen) < _MOST_REMEMBERED:
            seen.add(content.digest)


def _by_age(
    listings: Sequence[LayerListing], fates: Fates, copies: Mapping[tuple[bytes, int], int]
) -> Iterator[tuple[int, int, Content]]:
    """The visible contents, by the layers that first had them: that layer, the one that has them, the content."""
    early: dict[int, list[tuple[int, int, Content]]] = {}
    changers = {layer for _, layer in copies}
    for layer in sorted(changers):
        for content in read_contents(listings[layer].contents):
            first = _first_of(content.path, layer, copies)
            if first != layer and not fates.is_hidden(layer, content.order):
                early.setdefault(first, []).append((first, layer, content))
    for layer, listing in enumerate(listings):
        yield from early.get(layer, ())
        for content in read_contents(listing.contents):
            if not fates.is_hidden(layer, content.order) and (content.path, layer) not in copies:
                yield layer, layer, content


def _first_of(path: bytes, layer: int, copies: Mapping[tuple[bytes, int], int]) -> int:
    while (before := copies.get((path, layer))) is not None:
        layer = before
    return layer


def last_of_each(listing: LayerListing) -> Iterator[ListedEntry]:
    """Of every path of a layer the entry that is on disk."""
    previous: ListedEntry | None = None
    for entry in listing.items:
        if previous is not None and previous.path != entry.path:
            yield previous
        previous = entry
    if previous is not None:
        yield previous
