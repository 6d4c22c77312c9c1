"""The entries of a layer in the order of their paths, in compressed blocks: as small as they can be kept, and still
searchable. In: entries in any order. Out: a `Blocks`, read from the front, or from any path on.

A layer may have millions of entries, and stacking needs only those whose paths meet another layer's: so nothing is ever
held as objects but one block for each layer, and blocks beyond a bound lie in an unnamed temporary file.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from operator import attrgetter
from typing import IO, Final, Protocol

import msgspec

from imgscan.layers.codec import zstd_pair
from imgscan.model import EntryKind

BLOCK_ENTRIES: Final = 2048
RUN_ENTRIES: Final = 1 << 16
"""So many entries are sorted in memory at once (some 30 MB of objects); longer layers are merged of sorted runs."""
_HELD_BYTES: Final = 32 << 20
_DIRECTORY = EntryKind.DIRECTORY


# A msgspec Struct instead of a dataclass: see `tar.Entry`.
class ListedEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One entry of a layer. `size_bytes` is what it ships: 0 for everything but files, so hard links count once.

    `digest` is a file's `listing.content_digest`, None where it was not read to its end. `target` is the path a hard
    link shares its content with, or the raw target of a symbolic link. `order` is its number in the archive: of two
    entries for one path the later one is on disk.
    """

    path: bytes
    kind: EntryKind
    size_bytes: int
    mode: int
    uid: int
    gid: int
    digest: bytes | None = None
    target: bytes | None = None
    order: int = 0


class BlockInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """What is known of a block without reading it: the keys of its first and last entry."""

    first: bytes
    last: bytes
    entries: int


class CacheDamagedError(Exception):
    """A block that was kept is gone or damaged: the layer has to be read after all."""


class BlockStore(Protocol):
    """Where blocks lie, by number."""

    def read(self, number: int) -> bytes:
        """A block's compressed bytes. Raises CacheDamagedError if they were kept and are no more."""
        ...


def key_of(path: bytes) -> bytes:
    """What paths are sorted by: a directory is followed by all that is below it. No name holds a NUL."""
    return path.replace(b"/", b"\0")


def path_of(key: bytes) -> bytes:
    """The path of a key."""
    return key.replace(b"\0", b"/")


def is_below(key: bytes, directory: bytes) -> bool:
    """Whether a key lies below another one; everything lies below the root, the empty key."""
    return not directory or (key.startswith(directory) and key[len(directory) : len(directory) + 1] == b"\0")


class Blocks:
    """Sorted entries: by path, and by `order` where a path comes more than once."""

    __slots__ = ("_firsts", "_store", "index")

    def __init__(self, index: Sequence[BlockInfo], store: BlockStore) -> None:
        self.index = tuple(index)
        self._store = store
        self._firsts = [info.first for info in self.index]

    def __len__(self) -> int:
        return sum(info.entries for info in self.index)

    def __iter__(self) -> Iterator[ListedEntry]:
        for number in range(len(self.index)):
            yield from self.block(number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocks) and self.index == other.index and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def raw(self, number: int) -> bytes:
        """A block as it is stored."""
        return self._store.read(number)

    def block(self, number: int) -> list[ListedEntry]:
        """The entries of a block."""
        return _decode(self._store.read(number))

    def block_at(self, key: bytes) -> int:
        """The first block that may hold an entry whose key is `key` or greater; the number of blocks if none can."""
        number = max(bisect_left(self._firsts, key) - 1, 0)
        while number < len(self.index) and self.index[number].last < key:
            number += 1
        return number

    def find(self, path: bytes) -> list[ListedEntry]:
        """All entries of one path, in their order."""
        cursor = Cursor(self)
        key = key_of(path)
        cursor.seek(key)
        found = []
        while cursor.key == key:
            found.append(cursor.entry)
            cursor.advance()
        return found


class Cursor:
    """A place among sorted entries. `key` is that of the current entry, None at the end. A block is read once more is
    asked of it than where it begins."""

    __slots__ = ("_at", "_blocks", "_entries", "_number", "key")

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._number = -1
        self._at = 0
        self._entries: list[ListedEntry] | None = None
        self.key: bytes | None = None
        self._begin(0)

    @property
    def entry(self) -> ListedEntry:
        """The current entry. Raises CacheDamagedError, as `advance` and `seek` do."""
        return self._read()[self._at]

    def advance(self) -> None:
        """Go to the next entry."""
        entries = self._read()
        self._at += 1
        if self._at < len(entries):
            self.key = key_of(entries[self._at].path)
        else:
            self._begin(self._number + 1)

    def seek(self, key: bytes) -> None:
        """Go forwards to the first entry whose key is `key` or greater; blocks in between are not read."""
        if self.key is None or self.key >= key:
            return
        if self._blocks.index[self._number].last < key:
            self._begin(self._blocks.block_at(key))
            if self.key is None or self.key >= key:
                return
        entries = self._read()
        self._at = bisect_left(entries, key, self._at, key=_key)
        self.key = key_of(entries[self._at].path)

    def end(self) -> None:
        """Go to the end."""
        self._begin(len(self._blocks.index))

    def _begin(self, number: int) -> None:
        """Go to the beginning of a block."""
        index = self._blocks.index
        self._number, self._at, self._entries = number, 0, None
        self.key = index[number].first if number < len(index) else None

    def _read(self) -> list[ListedEntry]:
        if self._entries is None:
            self._entries = self._blocks.block(self._number)
        return self._entries


def _key(entry: ListedEntry) -> bytes:
    # `key_of` itself would be one more call for each entry.
    return entry.path.replace(b"/", b"\0")


class HeldBlocks:
    """Blocks in memory, those beyond a bound in a temporary file without a name."""

    def __init__(self, blocks: Iterable[bytes] = ()) -> None:
        self._file: IO[bytes] | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._places: list[tuple[int, int]] = []
        for data in blocks:
            self.append(data)

    def __len__(self) -> int:
        return len(self._held) + len(self._places)

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, data: bytes) -> None:
        """Keep one more block."""
        if self._file is None and self._held_bytes + len(data) <= _HELD_BYTES:
            self._held.append(data)
            self._held_bytes += len(data)
            return
        if self._file is None:
            import tempfile

            self._file = tempfile.TemporaryFile(prefix="imgscan-")  # noqa: SIM115 - it lives as long as this object
        offset = self._file.seek(0, 2)
        self._file.write(data)
        self._places.append((offset, len(data)))

    def read(self, number: int) -> bytes:
        """A block's bytes."""
        if number < len(self._held):
            return self._held[number]
        offset, size = self._places[number - len(self._held)]
        assert self._file is not None, "what is not held is in the file"
        self._file.seek(offset)
        return self._file.read(size)


class BlockWriter:
    """Takes entries in any order; `finish` gives them sorted."""

    def __init__(self) -> None:
        self._run: list[ListedEntry] = []
        self._runs: list[Blocks] = []
        self._run_store = HeldBlocks()
        self._clashes = False

    def add(self, entry: ListedEntry) -> None:
        """Take one more entry; no two have the same order."""
        self._run.append(entry)
        if len(self._run) >= RUN_ENTRIES:
            self._end_run()

    def finish(self, see: Callable[[list[ListedEntry]], None] | None = None) -> tuple[Blocks, bool]:
        """The sorted entries, and whether entries of the layer itself clash: a path comes twice, or is that of no
        directory although there are entries below it. `see` is shown all of them in their order, block by block."""
        if self._runs and self._run:
            self._end_run()
        entries: Iterable[ListedEntry] = _sort(self._run)
        if self._runs:
            entries = (entry for _, _, entry in heapq.merge(_keyed(entries), *map(_keyed, self._runs)))
        blocks = _write(entries, HeldBlocks(), self._note, see)
        self._run, self._runs = [], []
        return blocks, self._clashes

    def _end_run(self) -> None:
        self._runs.append(_write(_sort(self._run), self._run_store))
        self._run = []

    def _note(self, neighbours: Iterable[ListedEntry]) -> None:
        for previous, entry in pairwise(neighbours):
            before, path = previous.path, entry.path
            if path.startswith(before) and (
                path == before or (previous.kind is not _DIRECTORY and path.startswith(before + b"/"))
            ):
                self._clashes = True


class _Shared:
    """The blocks of one run in the store of all of them."""

    def __init__(self, store: HeldBlocks, first: int) -> None:
        self._store = store
        self._first = first

    def read(self, number: int) -> bytes:
        return self._store.read(self._first + number)


def _sort(entries: list[ListedEntry]) -> list[ListedEntry]:
    # Twice by one thing is quicker than once by two, since they come nearly in their order.
    entries.sort(key=attrgetter("order"))
    entries.sort(key=_key)
    return entries


def _keyed(entries: Iterable[ListedEntry]) -> Iterator[tuple[bytes, int, ListedEntry]]:
    return ((key_of(entry.path), entry.order, entry) for entry in entries)


def _write(
    entries: Iterable[ListedEntry],
    store: HeldBlocks,
    note: Callable[[Iterable[ListedEntry]], None] | None = None,
    see: Callable[[list[ListedEntry]], None] | None = None,
) -> Blocks:
    """Sorted entries as blocks of `store`; `note` is shown each block after the entry before it, `see` each block."""
    index: list[BlockInfo] = []
    first = len(store)
    previous: list[ListedEntry] = []
    left = iter(entries)
    while block := list(islice(left, BLOCK_ENTRIES)):
        if note is not None:
            note(chain(previous, block))
        previous = block[-1:]
        index.append(_end_block(block, store, see))
    return Blocks(index, _Shared(store, first) if first else store)


def _end_block(
    block: list[ListedEntry], store: HeldBlocks, see: Callable[[list[ListedEntry]], None] | None
) -> BlockInfo:
    if see is not None:
        see(block)
    store.append(zstd_pair()[0](msgspec.msgpack.encode(block)))
    return BlockInfo(first=key_of(block[0].path), last=key_of(block[-1].path), entries=len(block))


_decoder: Final = msgspec.msgpack.Decoder(list[ListedEntry])


def _decode(data: bytes) -> list[ListedEntry]:
    return _decoder.decode(zstd_pair()[1](data))
