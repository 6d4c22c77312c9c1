"""All layers' entries and whiteouts, path by path in the order of paths. In: listings, base first. Out: `Group`s.

Stretches of paths that only one layer has can be passed over without being read.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

import msgspec

from imgscan.layers.blocks import Cursor, ListedEntry, is_below, key_of
from imgscan.layers.links import Time
from imgscan.layers.listing import LayerListing

_WHITEOUT, _OPAQUE, _ENTRY = range(3)


class Group(msgspec.Struct, gc=False):
    """What layers have at one path, by its key: entries with their times, in that order; the layers with a whiteout of
    it and those with an opaque marker in it. `below`: something follows that lies below it, `continued` in which layers
    entries do."""

    key: bytes
    entries: list[tuple[Time, ListedEntry]]
    whiteouts: list[int]
    opaques: list[int]
    below: bool
    continued: frozenset[int]


def merge_paths(listings: Sequence[LayerListing], may_pass: Callable[[bytes, int], bool]) -> Iterator[Group]:
    """Every path that may matter. `may_pass(key, layer)` is asked, with the next key, whether that layer may be moved
    on to the first path at which, above which or below which another layer has something."""
    cursors = [Cursor(listing.items) for listing in listings]
    heap: list[tuple[bytes, int, int]] = []
    for layer, listing in enumerate(listings):
        heap += [(key_of(path), _WHITEOUT, layer) for path in listing.whiteouts]
        heap += [(key_of(path), _OPAQUE, layer) for path in listing.opaques]
        if (key := cursors[layer].key) is not None:
            heap.append((key, _ENTRY, layer))
    heapq.heapify(heap)
    while heap:
        key, kind, layer = heap[0]
        allowed = may_pass(key, layer)
        if kind == _ENTRY and allowed and not listings[layer].clashes:
            limit = _first_concern(min(heap[1:3])[0], key) if len(heap) > 1 else None
            if limit != key:
                _move_on(cursors[layer], limit)
                _next(heap, cursors[layer], layer)
                continue
        yield _take(heap, cursors)


def _take(heap: list[tuple[bytes, int, int]], cursors: Sequence[Cursor]) -> Group:
    group = Group(heap[0][0], [], [], [], False, frozenset())
    key = group.key
    continued = []
    while heap and heap[0][0] == key:
        _, kind, layer = heap[0]
        if kind != _ENTRY:
            heapq.heappop(heap)
            (group.whiteouts if kind == _WHITEOUT else group.opaques).append(layer)
            continue
        cursor = cursors[layer]
        while cursor.key == key:
            entry = cursor.entry
            group.entries.append(((layer, entry.order), entry))
            cursor.advance()
        if cursor.key is not None and is_below(cursor.key, key):
            continued.append(layer)
        _next(heap, cursor, layer)
    group.below = bool(heap) and is_below(heap[0][0], key)
    group.continued = frozenset(continued)
    return group


def _move_on(cursor: Cursor, limit: bytes | None) -> None:
    if limit is None:
        cursor.end()
    else:
        cursor.seek(limit)


def _next(heap: list[tuple[bytes, int, int]], cursor: Cursor, layer: int) -> None:
    """Put a layer, which is first in the heap, where it belongs now."""
    if cursor.key is None:
        heapq.heappop(heap)
    else:
        heapq.heapreplace(heap, (cursor.key, _ENTRY, layer))


def _first_concern(other: bytes, key: bytes) -> bytes:
    """The first of the paths above another layer's next one, or that one itself, that does not come before `key`."""
    end = other.find(b"\0")
    while end >= 0:
        if other[:end] >= key:
            return other[:end]
        end = other.find(b"\0", end + 1)
    return other
