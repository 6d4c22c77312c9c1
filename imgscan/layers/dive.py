"""dive's three figures by dive's own formulas (v0.13, filetree/efficiency.go and image/analysis.go), errors included.

They are wrong in both directions: a replaced file's kept copy counts as waste, a removed directory counts as nothing.
They are here so that thresholds of a `.dive-ci` go on meaning what they meant; the exact figures are `filesystem`'s.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from imgscan.layers.blocks import ListedEntry, is_below, key_of
from imgscan.layers.listing import WHITEOUT_PREFIX, LayerListing
from imgscan.layers.merge import Group, merge_paths
from imgscan.model import DiveMetrics, EntryKind


def dive_metrics(listings: Sequence[LayerListing]) -> DiveMetrics:
    """The figures dive would show. `user_wasted_percent` is a ratio, as dive has it, and 0.0 where dive divides by zero
    (an image of one layer)."""
    walk = _Walk(listings, {}).run()
    if walk.dangling:
        # dive's visitor gives up at a whiteout of what is not there: what follows in that layer does not count.
        walk = _Walk(listings, walk.dangling).run()
    user_bytes = sum(listing.size_bytes for listing in listings[1:])
    return DiveMetrics(
        efficiency=walk.least / walk.total if walk.total else 1.0,
        wasted_bytes=walk.wasted,
        user_wasted_percent=walk.wasted / user_bytes if user_bytes else 0.0,
    )


class _Removal:
    """A whiteout on its way to its size: what is at and below its path in the layers under it, as dive stacks them."""

    __slots__ = ("found", "is_directory", "layer", "size")

    def __init__(self, layer: int) -> None:
        self.layer = layer
        self.found = False
        self.is_directory = False
        self.size = 0


class _Path:
    """A path that has whiteouts: how often it counts, how much and the least, and what of this is still to come.
    `removers` are the layers with whiteouts of it or of a directory around it."""

    __slots__ = ("key", "removals", "removers", "sizes")

    def __init__(self, key: bytes, sizes: list[int], removals: list[_Removal], removers: list[int]) -> None:
        self.key = key
        self.sizes = sizes
        self.removals = removals
        self.removers = removers


class _Walk:
    """One walk over all layers. `total` and `least` are the sums of all sizes and of each path's least, `wasted` what
    paths that come twice weigh, `dangling` the key of each layer's first whiteout of nothing, in dive's order.

    `ends` has the keys after which layers do not count any more.
    """

    def __init__(self, listings: Sequence[LayerListing], ends: dict[int, bytes]) -> None:
        self._listings = listings
        self._whiteouts = [[key_of(path) for path in listing.whiteouts] for listing in listings]
        self._ends = ends
        self._paths: list[_Path] = []
        self.total = sum(listing.size_bytes for listing in listings)
        self.least = self.total
        self.wasted = 0
        self.dangling: dict[int, bytes] = {}

    def run(self) -> _Walk:
        """Walk."""
        for group in merge_paths(self._listings, self._may_pass):
            self._see(group)
        self._leave(None)
        return self

    def _may_pass(self, key: bytes, layer: int) -> bool:
        self._leave(key)
        if layer in self._ends:
            return False
        # Whiteouts act on lower layers, those of the first layer on that one: see `_remove`.
        return not self._paths or (layer > 0 and max(self._paths[-1].removers) <= layer)

    def _see(self, group: Group) -> None:
        around = self._paths[-1].removers if self._paths else []
        removers = [*around, *group.whiteouts]
        removals = [_Removal(layer) for layer in group.whiteouts]
        for path in self._paths:
            for removal in path.removals:
                _remove(removal, group.entries, removers, is_top=False)
        for removal in removals:
            _remove(removal, group.entries, removers, is_top=True)
        sizes = self._leaf_sizes(group)
        if removals:
            self._paths.append(_Path(group.key, sizes, removals, removers))
        else:
            self._count(sizes)

    def _leaf_sizes(self, group: Group) -> list[int]:
        """The sizes of the path in the layers in which it has nothing below it; of two entries of a layer the last."""
        last = {time[0]: entry for time, entry in group.entries}
        sizes: list[int] = []
        for time, entry in group.entries:
            layer = time[0]
            ended = layer in self._ends and group.key > self._ends[layer]
            is_leaf = layer not in group.continued and not self._has_whiteouts_below(layer, group.key)
            if last[layer] is entry and is_leaf and not ended:
                sizes.append(entry.size_bytes)
            else:
                self.total -= entry.size_bytes
                self.least -= entry.size_bytes
        # An opaque marker is dropped, but the directory it lies in is made.
        made = (layer for layer in group.opaques if layer not in last and layer not in group.continued)
        sizes += [0 for layer in made if not self._has_whiteouts_below(layer, group.key)]
        return sizes

    def _has_whiteouts_below(self, layer: int, key: bytes) -> bool:
        keys = self._whiteouts[layer]
        at = bisect_left(keys, key + b"\0")
        return at < len(keys) and is_below(keys[at], key)

    def _leave(self, key: bytes | None) -> None:
        while self._paths and (key is None or not is_below(key, self._paths[-1].key)):
            path = self._paths.pop()
            for removal in path.removals:
                self._settle(path, removal)
            self._count(path.sizes)

    def _settle(self, path: _Path, removal: _Removal) -> None:
        parent, slash, name = path.key.rpartition(b"\0")
        marker = parent + slash + WHITEOUT_PREFIX + name
        layer = removal.layer
        if not removal.found:
            self.dangling[layer] = min(marker, self.dangling.get(layer, marker))
        if layer in self._ends and marker >= self._ends[layer]:
            return
        size = removal.size if removal.is_directory else 0
        path.sizes.append(size)
        self.total += size
        self.least += size

    def _count(self, sizes: list[int]) -> None:
        if len(sizes) > 1:
            self.least -= sum(sizes) - min(sizes)
            self.wasted += sum(sizes)


def _remove(
    removal: _Removal, entries: Sequence[tuple[tuple[int, int], ListedEntry]], removers: Sequence[int], *, is_top: bool
) -> None:
    """Take a path into account of which, or around which, there is a whiteout: its last entry under the whiteout, if
    no other whiteout between them took it."""
    # There is nothing below the first layer, and dive then looks into that layer itself.
    under = max(removal.layer, 1)
    since = max((layer for layer in removers if layer < removal.layer), default=0)
    entry = next((entry for time, entry in reversed(entries) if since <= time[0] < under), None)
    if entry is None:
        return
    removal.found = True
    removal.size += entry.size_bytes
    if is_top:
        removal.is_directory = entry.kind is EntryKind.DIRECTORY
