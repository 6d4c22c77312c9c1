"""Searching files in several processes: batches of files go out, digests and secrets come back.

A batch is either bytes, handed over in memory that all processes share, or names of files in a folder that a process
opens itself. The processes are forked from this one (see `forked`), so they share its compiled rules.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from struct import iter_unpack
from typing import Final, Protocol

import msgspec
from blake3 import blake3

from imgscan.detect.secrets.hits import PackedHit, SecretHit, pack_hit, unpack_hit
from imgscan.detect.secrets.publickeys import SeenKey
from imgscan.detect.secrets.rules import SecretRule
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.windows import ReadAt
from imgscan.escape import path_text
from imgscan.forked import Answer, Forked
from imgscan.gleanings import Gleaned, glean, is_held
from imgscan.layers.listing import content_digest
from imgscan.source.placed import Directory, OneFile
from imgscan.source.records import StoreError

SLOT_BYTES: Final = 2 << 20
_SLOTS_PER_WORKER: Final = 3
_READ_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 32
_FILE_COST: Final = 8 << 10
_SPARE: Final = 8 << 20
"""What is searched before processes start, in bytes, a file being as good as some more of them: less work than it is to
start them, and all that most rebuilt images have anew."""


class FileJob(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A file to search: `path` is its entry's in the layer; its content is all of the file `name` of a folder, or lies
    at `start` of a slot or of a file."""

    path: bytes
    size: int
    start: int = 0
    name: bytes = b""


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a file held. `notes` say what of it was left out, `gleaned` is what it gave besides secrets."""

    hits: tuple[SecretHit, ...] = ()
    notes: tuple[str, ...] = ()
    gleaned: Gleaned | None = None


class Searched(msgspec.Struct, frozen=True, gc=False):
    """A batch that was searched: the `content_digest` of each file, in order, and what was found in the few files that
    held something, by their places in the batch."""

    digests: Sequence[bytes]
    found: Sequence[tuple[int, Found]]


class Batch:
    """Files that are being searched, in other processes or, `here`, already in this one."""

    def __init__(self, scanner: SecretScanner, *, there: Answer | None, here: _Packed = (b"", ())) -> None:
        self._scanner = scanner
        self._there = there
        self._here = here

    def done(self) -> bool:
        """Whether `result` would not wait. Raises WorkerError."""
        return self._there is None or self._there.done()

    def result(self) -> Searched:
        """What the files held. Raises StoreError, WorkerError."""
        packed = self._here if self._there is None else _unpack(self._there.result())
        return _searched(packed, self._scanner.rules)


class SearchedBefore(Protocol):
    """Knows files that gave nothing; see `store.searchedfiles`."""

    def key(self, digest: bytes, path: bytes) -> bytes:
        """What a file is known by."""
        ...

    def knows(self, key: bytes) -> bool:
        """Whether such a file gave nothing."""
        ...

    def add(self, key: bytes) -> None:
        """Remember that it did not."""
        ...


class Workers:
    """Processes that search; they start with the first batch. `count` of 0 searches in this process. What `searched`
    knows is not searched."""

    def __init__(
        self, scanner: SecretScanner, count: int | None = None, *, searched: SearchedBefore | None = None
    ) -> None:
        self._scanner = scanner
        self._searched = searched
        self.count = _default_count() if count is None else count
        self.slots = max(self.count, 1) * _SLOTS_PER_WORKER
        self._memory: mmap.mmap | None = None
        self._forked: Forked | None = None
        self._spare = _SPARE

    @property
    def started(self) -> bool:
        """Whether there are processes."""
        return self._forked is not None

    def is_little(self, jobs: Sequence[FileJob]) -> bool:
        """Whether processes are not worth starting for a batch, and those that this was said of before."""
        if self.started:
            return False
        cost = sum(job.size + _FILE_COST for job in jobs)
        if cost > self._spare:
            return False
        self._spare -= cost
        return True

    def write(self, slot: int, start: int, data: bytes) -> None:
        """Put bytes into a slot, which no batch is using."""
        at = slot * SLOT_BYTES + start
        self._all_slots()[at : at + len(data)] = data

    def search_slot(self, slot: int, jobs: Sequence[FileJob], *, here: bool = False) -> Batch:
        """Search what was written to a slot; `here`: in this process."""
        if here or not self.count:
            return self._here(_Request(jobs=jobs, slot=slot))
        return self._there(_Request(jobs=jobs, slot=slot))

    def search_files(
        self, root: Path, jobs: Sequence[FileJob], *, identity: tuple[int, int] | None = None, here: bool = False
    ) -> Batch:
        """Search files of the folder `root`, or, with its `identity` (device, inode), stretches of the file `root`.

        The result raises StoreError where something is not what was recorded.
        """
        if here or not self.count:
            return self._here(_Request(jobs=jobs, root=os.fsencode(root), identity=identity))
        return self._there(_Request(jobs=jobs, root=os.fsencode(root), identity=identity))

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._forked is not None:
            self._forked.close()
            self._forked = None
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _here(self, request: _Request) -> Batch:
        with closing(_Shared(self._scanner, self._memory, self._searched)) as shared:
            return Batch(self._scanner, there=None, here=_search_batch(shared, request))

    def _there(self, request: _Request) -> Batch:
        if self._forked is None:
            self._scanner.prepare()
            shared = _Shared(self._scanner, self._all_slots(), self._searched)
            self._forked = Forked(lambda asked: _pack(_search_batch(shared, _decoder.decode(asked))))
            self._forked.start(self.count)
        return Batch(self._scanner, there=self._forked.ask(_encoder.encode(request)))

    def _all_slots(self) -> mmap.mmap:
        if self._memory is None:
            # Before the fork, so that every process has it; nameless, so that nothing can be left behind.
            self._memory = mmap.mmap(-1, self.slots * SLOT_BYTES)
        return self._memory


class _Request(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A batch to search: what was written to a `slot`; or files of the folder `root`, or, with its `identity`,
    stretches of the file `root`."""

    jobs: Sequence[FileJob]
    slot: int | None = None
    root: bytes = b""
    identity: tuple[int, int] | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Request)


class _Shared:
    """What every process has: the rules, the memory that batches come in, what needs no search."""

    def __init__(self, scanner: SecretScanner, memory: mmap.mmap | None, searched: SearchedBefore | None) -> None:
        self.scanner = scanner
        self.memory = memory
        self.searched = searched
        self._place: Directory | OneFile | None = None

    def place(self, root: Path, identity: tuple[int, int] | None) -> Directory | OneFile:
        """The folder or file to read from; the last one is kept open. Raises StoreError."""
        known = self._place
        if known is None or known.path != root or known.identity != identity:
            if known is not None:
                known.close()
            self._place = None
            self._place = known = Directory(root) if identity is None else OneFile(root, identity)
        return known

    def close(self) -> None:
        """Close what is open."""
        if self._place is not None:
            self._place.close()


_Said = tuple[tuple[PackedHit, ...], tuple[str, ...], Gleaned | None]
"""What a file held: hits, notes, what it gave besides."""
_Packed = tuple[bytes, Sequence[tuple[int, _Said]]]
"""A batch as plain values: all digests, one after the other, and what the few files that held something held."""


def _default_count() -> int:
    """As many as there are processors for us; none where processes cannot be forked safely."""
    if sys.platform != "linux":
        return 0
    processors = len(os.sched_getaffinity(0))
    return processors if processors > 1 else 0


def _search_batch(shared: _Shared, request: _Request) -> _Packed:
    """Raises StoreError."""
    batch = _BatchSearch(shared.scanner, shared.searched)
    if request.slot is not None:
        assert shared.memory is not None, "a slot is written to before it is searched"
        base = request.slot * SLOT_BYTES
        for job in request.jobs:
            at = base + job.start
            batch.search(shared.memory[at : at + job.size], job.path)
        return batch.packed()
    place = shared.place(Path(os.fsdecode(request.root)), request.identity)
    for job in request.jobs:
        size = job.size
        file = place.open(job.name, size)
        try:
            if size >= _READ_BYTES:
                batch.search_file(file, job)
                continue
            # Asked for more, os.pread would make room for it first.
            data = os.pread(file, size, job.start)
        finally:
            place.release(file)
        if len(data) != size:
            raise StoreError("a file is shorter than recorded")
        batch.search(data, job.path)
    return batch.packed()


class _BatchSearch:
    """Searches the files of a batch, in order. Nearly all hold nothing: what is done for each is done with as few calls
    as may be."""

    def __init__(self, scanner: SecretScanner, searched: SearchedBefore | None) -> None:
        self._scanner = scanner
        self._searched = searched
        self._digests: list[bytes] = []
        self._said: list[tuple[int, _Said]] = []

    def packed(self) -> _Packed:
        """The batch."""
        return b"".join(self._digests), self._said

    def search(self, data: bytes, path: bytes) -> None:
        """Search a file that is in memory."""
        digest = content_digest(data)
        self._digests.append(digest)
        text = path_text(path)
        if self._scanner.is_plain(data, text):
            gleaned = glean(path, data, (), sha256=None)
            if gleaned is not None:
                self._say((), (), gleaned)
            return
        searched = self._searched
        key = b"" if searched is None else searched.key(digest, path)
        if searched is not None and searched.knows(key):
            return
        notes: list[str] = []
        keys: list[SeenKey] = []
        read = io.BytesIO(data).read
        hits = self._scanner.scan(read, path=text, size=len(data), note=notes.append, see=keys.append)
        gleaned = glean(path, data, keys, sha256=hashlib.sha256(data).digest() if hits else None)
        if hits or notes or gleaned is not None:
            self._say(hits, notes, gleaned)
        elif searched is not None:
            searched.add(key)

    def search_file(self, file: int, job: FileJob) -> None:
        """Search a file that lies by itself, or a stretch of one, in windows. Raises StoreError."""
        hashed, hashed_to = blake3(), 0

        def read_at(offset: int, size: int) -> bytes:
            nonlocal hashed_to
            data = os.pread(file, min(size, job.size - offset), job.start + offset)
            end = offset + len(data)
            if end > hashed_to:
                hashed.update(data if offset == hashed_to else memoryview(data)[hashed_to - offset :])
                hashed_to = end
            return data

        notes: list[str] = []
        keys: list[SeenKey] = []
        path = path_text(job.path)
        hits = self._scanner.scan_placed(read_at, path=path, size=job.size, note=notes.append, see=keys.append)
        if hashed_to < job.size:
            raise StoreError("a file is shorter than recorded")
        self._digests.append(hashed.digest())
        held = read_at(0, job.size) if is_held(job.path, job.size) else None
        gleaned = glean(job.path, held, keys, sha256=_sha256_of(read_at, job.size) if hits else None)
        if hits or notes or gleaned is not None:
            self._say(hits, notes, gleaned)

    def _say(self, hits: Sequence[SecretHit], notes: Sequence[str], gleaned: Gleaned | None) -> None:
        """Of the file whose digest was the last."""
        self._said.append((len(self._digests) - 1, (tuple(map(pack_hit, hits)), tuple(notes), gleaned)))


def _sha256_of(read_at: ReadAt, size: int) -> bytes:
    hashed = hashlib.sha256()
    for offset in range(0, size, _READ_BYTES):
        hashed.update(read_at(offset, _READ_BYTES))
    return hashed.digest()


def _pack(packed: _Packed) -> bytes:
    import pickle

    return pickle.dumps(packed, pickle.HIGHEST_PROTOCOL)


def _unpack(data: bytes) -> _Packed:
    import pickle

    packed: _Packed = pickle.loads(data)  # noqa: S301 - of a process that was this one
    return packed


def _searched(packed: _Packed, rules: Mapping[str, SecretRule]) -> Searched:
    digests, said = packed
    found = [
        (number, Found(tuple(unpack_hit(hit, rules) for hit in hits), notes, gleaned))
        for number, (hits, notes, gleaned) in said
    ]
    return Searched([digest for (digest,) in iter_unpack(f"{_DIGEST_BYTES}s", digests)], found)
