"""One layer as a compact list: what it adds, what it removes, how many bytes it ships.

A `LayerListing` depends on the layer's content alone, so it can be kept for its diffID and used for every image that
shares the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Protocol

import msgspec
from blake3 import blake3

from imgscan.coverage import MOST_SKIPPED
from imgscan.layers.beside import search_aside, search_index
from imgscan.layers.blob import LayerStream
from imgscan.layers.blocks import Blocks, BlockWriter, ListedEntry, key_of
from imgscan.layers.contents import DUPLICATE_MIN_BYTES, ContentsBuilder
from imgscan.layers.directories import DirectoriesBuilder
from imgscan.layers.links import HardLink, resolve_in_layer
from imgscan.layers.tar import Entry, TarEntry, read_entries
from imgscan.layers.tarwindow import CHUNK_BYTES
from imgscan.layers.withinlayer import WithinLayer
from imgscan.model import Digest, EntryKind, Skipped

WHITEOUT_PREFIX: Final = b".wh."
OPAQUE_NAME: Final = b".wh..wh..opq"
AUFS_PREFIX: Final = b".wh..wh."
AUFS_LINKS: Final = b".wh..wh.plnk/"

MAX_PATH_BYTES: Final = 4096
MAX_PATH_PARTS: Final = 512
"""Linux's PATH_MAX, and a depth no real image comes near: without bounds one megabyte of name makes half a million
directories."""

MAX_LAYER_BYTES: Final = 1 << 46
"""70 TB: sparse files state any size, and sums over all layers have to stay numbers that formats can hold."""

ReadContent = Callable[[int], bytes]
Visitor = Callable[[Entry, ReadContent], None]
_FILE, _HARDLINK = EntryKind.FILE, EntryKind.HARDLINK
Done = Callable[[bytes | None], None]
"""Takes the `content_digest` of a file, None where its content was not all there."""


def content_digest(data: bytes) -> bytes:
    """What content is told apart by, 32 bytes: its BLAKE3, which takes less than half of SHA-256's time. It is never
    shown, nor compared with what anybody else states."""
    return blake3(data).digest()


class Search(Protocol):
    """Looks at the entries of one layer, and at its files as they come by or later, in any order."""

    def see(self, entry: Entry) -> None:
        """Look at an entry of whatever kind, before its content."""
        ...

    def search(self, item: TarEntry, done: Done) -> None:
        """Look at a regular file. Its content can be read here and now only; `done` is called once, by the end of
        `finish` at the latest."""
        ...

    def search_beside(self, item: TarEntry) -> None:
        """Look at what reads like a regular file and is none of the layer's (see `beside`)."""
        ...

    def flush(self) -> None:
        """No further file of the layer comes: begin with whatever was put off."""
        ...

    def finish(self) -> None:
        """Wait until every file was looked at."""
        ...


class LayerListing(msgspec.Struct, frozen=True, kw_only=True):
    """One layer. `items` are sorted by path; where a path comes twice the one of the higher order is on disk.

    `whiteouts` are the paths it removes from the layers below, `opaques` the directories whose lower content it hides,
    both sorted; `entries` counts every entry of the archive, these included. `size_bytes` is the sum of its files'
    sizes. `clashes` says that entries of the layer itself hide each other, `links` lists its hard links, `contents` its
    larger files (see `contents`), `directories` its bytes by directory (see `directories`).
    """

    diff_id: Digest | None
    digest: Digest | None
    size_bytes: int
    entries: int
    items: Blocks
    whiteouts: tuple[bytes, ...] = ()
    opaques: tuple[bytes, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    links: tuple[HardLink, ...] = ()
    clashes: bool = False
    contents: bytes = b""
    directories: bytes = b""


def empty_listing(diff_id: Digest | None) -> LayerListing:
    """The listing of a layer of which nothing is there."""
    return LayerListing(diff_id=diff_id, digest=None, size_bytes=0, entries=0, items=BlockWriter().finish()[0])


class ListingBuilder:
    """Collects the entries of one layer in their order."""

    def __init__(self, where: str = "layer", observe: Callable[[ListedEntry], None] | None = None) -> None:
        self._where = where
        self._observe = observe
        self._items = BlockWriter()
        self._list = self._items.add
        self._contents = ContentsBuilder()
        self._links: list[HardLink] = []
        self._whiteouts: dict[bytes, None] = {}
        self._opaques: dict[bytes, None] = {}
        self._skipped: list[Skipped] = []
        self._more_skipped = 0
        self._aufs_links: dict[bytes, tuple[int, bytes | None]] = {}
        self._entries = 0
        self._size = 0

    def number(self) -> int:
        """The next entry's number, for `add`."""
        self._entries += 1
        return self._entries

    def add(self, entry: Entry, digest: bytes | None = None, *, number: int | None = None) -> None:
        """Take an entry; `digest` is a regular file's `content_digest`. Without its `number` it is the next."""
        self._add(entry, self.number() if number is None else number, digest)

    def adder(self, entry: Entry) -> Done:
        """Number an entry, and add it once its digest is known."""
        self._entries += 1
        return partial(self._add, entry, self._entries)

    def _add(self, entry: Entry, order: int, digest: bytes | None) -> None:
        path = entry.path
        # To part it is quicker than to ask whether it is in: that raises an error first, and swallows it.
        if path.partition(WHITEOUT_PREFIX)[1] and self._add_marker(entry, digest, order):
            return
        kind, size, target = entry.kind, 0, entry.link_target
        if kind is _FILE:
            size = entry.size_bytes
            if not path:
                self._skip(order, "a file has no name")
                return
        elif kind is _HARDLINK and target is not None and target.startswith(AUFS_LINKS):
            # AUFS keeps the content of hard links in a directory of its own; engines copy it from there.
            kind, target = _FILE, None
            size, digest = self._aufs_links.get(entry.link_target or b"", (0, None))
        elif not path:
            return
        total = self._size + size
        if (len(path) >= MAX_PATH_PARTS or total > MAX_LAYER_BYTES) and (beyond := _beyond(path, total)):
            self._skip(order, beyond)
            return
        self._size = total
        if kind is _HARDLINK and target is not None:
            self._links.append(HardLink(path=path, target=target, order=order))
        listed = ListedEntry(
            path=path,
            kind=kind,
            size_bytes=size,
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            digest=digest,
            target=target,
            order=order,
        )
        self._list(listed)
        if size >= DUPLICATE_MIN_BYTES:
            self._contents.add(listed)
        if self._observe is not None:
            self._observe(listed)

    def skip(self, skipped: Skipped) -> None:
        """Note something of the layer that could not be read; beyond the first of them only how many there are."""
        if len(self._skipped) < MOST_SKIPPED:
            self._skipped.append(skipped)
        else:
            self._more_skipped += skipped.count

    def finish(self, *, diff_id: Digest | None, digest: Digest | None) -> LayerListing:
        """The listing; `diff_id` and `digest` as computed while reading."""
        directories = DirectoriesBuilder()
        items, clashes = self._items.finish(directories.add)
        return LayerListing(
            diff_id=diff_id,
            digest=digest,
            size_bytes=self._size,
            entries=self._entries,
            items=items,
            whiteouts=tuple(sorted(self._whiteouts, key=key_of)),
            opaques=tuple(sorted(self._opaques, key=key_of)),
            skipped=(*self._skipped, *self._further()),
            links=resolve_in_layer(self._links, items),
            clashes=clashes,
            contents=self._contents.finish(),
            directories=directories.finish(),
        )

    def _further(self) -> Iterator[Skipped]:
        count = self._more_skipped
        if count:
            yield Skipped(where=self._where, reason=f"{count} more things that could not be read", count=count)

    def _skip(self, order: int, reason: str) -> None:
        self.skip(Skipped(where=self._where, reason=f"entry {order}: {reason}"))

    def _add_marker(self, entry: Entry, digest: bytes | None, order: int) -> bool:
        """Take a whiteout, opaque marker or AUFS leftover; False for a path that is none of them."""
        parent, slash, name = entry.path.rpartition(b"/")
        if name == OPAQUE_NAME:
            # Before the general prefix: taken for a whiteout it would remove a file named `.wh..opq`.
            self._opaques[parent] = None
            return True
        if entry.path.startswith(AUFS_PREFIX) or b"/" + AUFS_PREFIX in entry.path:
            if entry.kind is EntryKind.FILE and entry.path.startswith(AUFS_LINKS):
                self._aufs_links[entry.path] = (entry.size_bytes, digest)
            return True
        if not name.startswith(WHITEOUT_PREFIX):
            return False
        removed = name[len(WHITEOUT_PREFIX) :]
        if removed in (b"", b".", b".."):
            self._skip(order, "an invalid whiteout, it names no file")
            return True
        self._whiteouts[parent + slash + removed] = None
        return True


def list_layer(
    stream: LayerStream,
    search: Search | None = None,
    *,
    where: str = "layer",
    observe: Callable[[ListedEntry], None] | None = None,
) -> LayerListing:
    """Read a layer once, to its end, and list it; see `begin_listing`."""
    return begin_listing(stream, search, where=where, observe=observe)()


def begin_listing(
    stream: LayerStream,
    search: Search | None = None,
    *,
    where: str = "layer",
    observe: Callable[[ListedEntry], None] | None = None,
) -> Callable[[], LayerListing]:
    """Read a layer once, to its end: every entry is listed, every regular file given to `search`. `observe` is shown
    each entry as it is listed. What comes back waits for the search and gives the listing; it does not need the stream.

    Without `search` nothing but the headers is looked at. Only what the stream's source and `search` raise is raised;
    damage is in `skipped`.
    """
    builder, layer = ListingBuilder(where, observe), WithinLayer()
    for item in read_entries(stream, where=where):
        if isinstance(item, Skipped):
            builder.skip(item)
            continue
        entry = item.entry = layer.placed(item.entry)
        if search is None:
            builder.add(entry)
            continue
        search.see(entry)
        if entry.kind is _FILE:
            search.search(item, builder.adder(entry))
        else:
            if entry.link_target is not None and entry.link_target.startswith(AUFS_LINKS):
                search.finish()  # the content that it links to must be known
            builder.add(entry)
    beside = search_index(stream, search, where)
    summary = stream.finish()
    if search is not None:
        search_aside(stream, search)
        search.flush()
    for skipped in (*beside, *summary.skipped):
        builder.skip(skipped)

    def listing() -> LayerListing:
        if search is not None:
            search.finish()
        return builder.finish(diff_id=summary.diff_id, digest=summary.digest)

    return listing


def _beyond(path: bytes, total: int) -> str:
    """Why an entry with which a layer has so many bytes is left out: it is more than any real image has."""
    if len(path) > MAX_PATH_BYTES or path.count(b"/") >= MAX_PATH_PARTS:
        return f"a path is longer than {MAX_PATH_BYTES:,} bytes or has more than {MAX_PATH_PARTS} parts"
    if total > MAX_LAYER_BYTES:
        return "with this file the layer's are larger than any disk"
    return ""


class ReadingSearch:
    """Reads every file here and now. What `visit(entry, read)` leaves unread is read all the same, for the digest."""

    def __init__(self, visit: Visitor | None = None) -> None:
        self._visit = visit

    def see(self, entry: Entry) -> None:
        """Names are not read."""

    def search(self, item: TarEntry, done: Done) -> None:
        """Read the file."""
        content = HashedContent(item)
        if self._visit is not None:
            self._visit(item.entry, content.read)
        done(content.finish())

    def search_beside(self, item: TarEntry) -> None:
        """Read it."""
        self.search(item, lambda _: None)

    def flush(self) -> None:
        """Nothing is put off."""

    def finish(self) -> None:
        """Nothing is outstanding."""


class HashedContent:
    """A file's content on its way to whoever reads it, hashed in passing."""

    __slots__ = ("_entry", "_hash", "_left")

    def __init__(self, entry: TarEntry) -> None:
        self._entry = entry
        self._hash = blake3()
        self._left = entry.entry.size_bytes

    @property
    def left(self) -> int:
        """How many of the content's bytes were not read: after `finish`, those that are not there."""
        return self._left

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (-1: all), b"" at the end."""
        data = self._entry.read(size)
        self._hash.update(data)
        self._left -= len(data)
        return data

    def finish(self) -> bytes | None:
        """Read what is left and give the `content_digest`; None if the content was not all there."""
        while self._left and self.read(CHUNK_BYTES):
            pass
        return None if self._left else self._hash.digest()
