"""Bytes by directory: of a layer, counted while its entries are sorted and kept with it; of an image, added up from
those and from what stacking takes away. In: listings, and the files that are hidden. Out: `DirectoryReport`s.

What a directory is said to have is with all that is below it, so smaller ones may be left out and every sum still
holds: their bytes count in the directory around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import msgspec

from imgscan.directories import LEAST_SHARE, MOST_REPORTED
from imgscan.escape import path_text
from imgscan.layers.blocks import ListedEntry, key_of
from imgscan.layers.codec import zstd_pair
from imgscan.model import DirectoryReport, DirectoryShare

if TYPE_CHECKING:
    from imgscan.layers.listing import LayerListing

MOST_DIRECTORIES: Final = 2048
"""So many of a layer are kept, the largest: what the others have is small beside it."""
DEEPEST: Final = 8
"""Parts of a path: `/usr/local/lib/python3.12/site-packages/torch/lib` has seven."""
_LONGEST: Final = 512
_MOST_NAME_BYTES: Final = 256 << 10


class DirectoriesBuilder:
    """Counts the bytes of one layer, and keeps the `most` largest directories. What it holds does not grow with the
    layer."""

    def __init__(self, most: int = MOST_DIRECTORIES) -> None:
        self._most = most
        self._open: list[tuple[bytes, int]] = [(b"", 0)]
        self._closed: list[tuple[int, bytes]] = []
        self._least = 1

    def add(self, entries: Iterable[ListedEntry]) -> None:
        """Take the next entries, in the order of their paths (`blocks.key_of`)."""
        here, size = b"", 0
        for entry in entries:
            bytes_here = entry.size_bytes
            if bytes_here:
                folder = entry.path.rpartition(b"/")[0]
                if folder != here:
                    self._count(here, size)
                    here, size = folder, 0
                size += bytes_here
        self._count(here, size)

    def finish(self) -> bytes:
        """The directories that are kept with their bytes, sorted by path; nothing for a layer without bytes."""
        while len(self._open) > 1:
            self._close()
        _, total = self._open[0]
        self._offer(b"", total)
        self._shrink()
        if not total:
            return b""
        return zstd_pair()[0](msgspec.msgpack.encode(sorted((path, size) for size, path in self._closed)))

    def _count(self, folder: bytes, size: int) -> None:
        """Bytes right in a directory, which lies in or behind the ones that are open."""
        if not size:
            return
        folder = _bounded(folder)
        while not _is_in(folder, self._open[-1][0]):
            self._close()
        at = len(self._open[-1][0])
        while at < len(folder):
            at = folder.find(b"/", at + 1)
            at = len(folder) if at < 0 else at
            self._open.append((folder[:at], 0))
        path, total = self._open[-1]
        self._open[-1] = (path, total + size)

    def _close(self) -> None:
        path, size = self._open.pop()
        self._offer(path, size)
        around, total = self._open[-1]
        self._open[-1] = (around, total + size)

    def _offer(self, path: bytes, size: int) -> None:
        if size >= self._least:
            self._closed.append((size, path))
            if len(self._closed) > 2 * self._most:
                self._shrink()
                self._least = self._closed[-1][0]

    def _shrink(self) -> None:
        """Keep the largest: a directory is never smaller than one in it, and comes before it where they are equal."""
        self._closed.sort(key=lambda item: (-item[0], item[1]))
        del self._closed[self._most :]
        names = 0
        for at, (_, path) in enumerate(self._closed):
            names += len(path)
            if names > _MOST_NAME_BYTES:
                del self._closed[at:]
                return


def _bounded(folder: bytes) -> bytes:
    """The innermost directory of those above a path that is neither too deep nor too long to be kept."""
    if folder.count(b"/") >= DEEPEST:
        folder = b"/".join(folder.split(b"/", DEEPEST)[:DEEPEST])
    while len(folder) > _LONGEST:
        folder = folder.rpartition(b"/")[0]
    return folder


def _is_in(folder: bytes, around: bytes) -> bool:
    return not around or folder == around or folder.startswith(around + b"/")


def read_directories(listing: LayerListing) -> dict[bytes, int]:
    """The bytes in and below directories of a layer, those that are kept: a directory's parent always is, and the root
    has all."""
    if not listing.directories:
        return {b"": listing.size_bytes}
    return dict(_decoder.decode(zstd_pair()[1](listing.directories)))


class DirectoryLosses:
    """Bytes of layers that are not visible, counted where they lay."""

    def __init__(self, listings: Sequence[LayerListing]) -> None:
        self._listings = listings
        self._known: dict[int, dict[bytes, int]] = {}
        self._lost: dict[int, dict[bytes, int]] = {}
        self._here: tuple[int, bytes] = (0, b"")
        self._size = 0

    def lose(self, layer: int, path: bytes, size: int) -> None:
        """Count a file of a layer; see `stacking.Lost`."""
        # They come by path: most lie where the one before lay.
        here = (layer, path.rpartition(b"/")[0])
        if here != self._here:
            self._count()
            self._here = here
        self._size += size

    def _count(self) -> None:
        if self._size:
            layer, folder = self._here
            lost = self._lost.setdefault(layer, {})
            home = self._home(layer, folder)
            lost[home] = lost.get(home, 0) + self._size
            self._size = 0

    def of(self, layer: int) -> dict[bytes, int]:
        """What a layer lost in and below its directories."""
        self._count()
        below: dict[bytes, int] = {}
        for home, size in self._lost.get(layer, {}).items():
            path = home
            while path:
                below[path] = below.get(path, 0) + size
                path = path.rpartition(b"/")[0]
            below[b""] = below.get(b"", 0) + size
        return below

    def _home(self, layer: int, folder: bytes) -> bytes:
        """The directory in which a layer counts what lies in `folder`."""
        known = self._known.get(layer)
        if known is None:
            known = self._known[layer] = read_directories(self._listings[layer])
        folder = _bounded(folder)
        while folder not in known:
            folder = folder.rpartition(b"/")[0]
        return folder


def image_directories(listings: Sequence[LayerListing], losses: DirectoryLosses) -> tuple[DirectoryReport, ...]:
    """The image's largest directories, each followed by those in it; the first is the root, with all bytes there are.

    A layer in which a directory is too small to be kept counts it in the directory around it.
    """
    tables = [read_directories(listing) for listing in listings]
    totals: dict[bytes, int] = {}
    for table in tables:
        for path, size in table.items():
            totals[path] = totals.get(path, 0) + size
    least = totals.get(b"", 0) / LEAST_SHARE
    by_size = sorted(((size, path) for path, size in totals.items() if size), key=lambda item: (-item[0], item[1]))
    shown = sorted((path for _, path in takewhile(lambda item: item[0] >= least, by_size[:MOST_REPORTED])), key=key_of)
    lost = [losses.of(layer) for layer in range(len(listings))]
    return tuple(_report(path, tables, lost) for path in shown)


def _report(path: bytes, tables: Sequence[dict[bytes, int]], lost: Sequence[dict[bytes, int]]) -> DirectoryReport:
    shares = tuple(
        DirectoryShare(layer=layer, size_bytes=table[path], reclaimable_bytes=lost[layer].get(path, 0))
        for layer, table in enumerate(tables)
        if table.get(path)
    )
    size, reclaimable = sum(share.size_bytes for share in shares), sum(share.reclaimable_bytes for share in shares)
    return DirectoryReport(
        path="/" + path_text(path),
        size_bytes=size,
        visible_bytes=size - reclaimable,
        reclaimable_bytes=reclaimable,
        layers=shares,
    )


_decoder: Final = msgspec.msgpack.Decoder(list[tuple[bytes, int]])
