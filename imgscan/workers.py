"""Searching files in several processes: batches of files go out, digests and secrets come back.

A batch is either bytes, handed over in memory that all processes share, or names of files in a folder that a process
opens itself. The processes are forked from this one, so they share its compiled rules; they end with it, whatever ends
it, and never outlive a `close`.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from blake3 import blake3

from imgscan.detect.secrets.hits import PackedHit, SecretHit, pack_hit, unpack_hit
from imgscan.detect.secrets.publickeys import SeenKey
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.windows import ReadAt
from imgscan.errors import WorkerError
from imgscan.escape import path_text
from imgscan.gleanings import Gleaned, glean, is_held
from imgscan.layers.listing import content_digest
from imgscan.source.placed import Directory, OneFile
from imgscan.source.records import StoreError

SLOT_BYTES: Final = 2 << 20
_SLOTS_PER_WORKER: Final = 3
_READ_BYTES: Final = 1 << 20
_SET_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_REUSED_BYTES: Final = 4 << 20
"""Options of mallopt(3): memory of up to so many bytes is used again and not given back to the system, which would
clear it for each window anew."""
_FILE_COST: Final = 8 << 10
_SPARE: Final = 8 << 20
"""What is searched before processes start, in bytes, a file being as good as some more of them: less work than it is to
start them, and all that most rebuilt images have anew."""
_PARENTS_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor


class FileJob(msgspec.Struct, frozen=True, gc=False):
    """A file to search: `path` is its entry's in the layer; its content is all of the file `name` of a folder, or lies
    at `start` of a slot or of a file."""

    path: bytes
    size: int
    start: int = 0
    name: bytes = b""


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a file held. `digest` is its `content_digest`, `notes` say what of it was left out, `gleaned` is what it
    gave besides secrets."""

    digest: bytes
    hits: tuple[SecretHit, ...] = ()
    notes: tuple[str, ...] = ()
    gleaned: Gleaned | None = None


class Batch:
    """Files that are being searched, in other processes or, `here`, already in this one."""

    def __init__(self, scanner: SecretScanner, *, there: Future[list[_Packed]] | None, here: list[_Packed]) -> None:
        self._scanner = scanner
        self._there = there
        self._here = here

    def done(self) -> bool:
        """Whether `result` would not wait."""
        return self._there is None or self._there.done()

    def result(self) -> list[Found]:
        """What each file held, in order. Raises StoreError, WorkerError."""
        packed = self._here
        if self._there is not None:
            from concurrent.futures.process import BrokenProcessPool

            try:
                packed = self._there.result()
            except BrokenProcessPool as error:
                raise _worker_ended() from error
        return [_unpack(item, self._scanner) for item in packed]


class Workers:
    """Processes that search; they start with the first batch. `count` of 0 searches in this process."""

    def __init__(self, scanner: SecretScanner, count: int | None = None) -> None:
        self._scanner = scanner
        self.count = _default_count() if count is None else count
        self.slots = max(self.count, 1) * _SLOTS_PER_WORKER
        self._memory: mmap.mmap | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._spare = _SPARE

    @property
    def started(self) -> bool:
        """Whether there are processes."""
        return self._pool is not None

    def is_little(self, jobs: Sequence[FileJob]) -> bool:
        """Whether processes are not worth starting for a batch, and those that this was said of before."""
        cost = sum(job.size + _FILE_COST for job in jobs)
        if self.started or cost > self._spare:
            return False
        self._spare -= cost
        return True

    def write(self, slot: int, start: int, data: bytes) -> None:
        """Put bytes into a slot, which no batch is using."""
        if self._memory is None:
            # Before the fork, so that every process has it; nameless, so that nothing can be left behind.
            self._memory = mmap.mmap(-1, self.slots * SLOT_BYTES)
        at = slot * SLOT_BYTES + start
        self._memory[at : at + len(data)] = data

    def search_slot(self, slot: int, jobs: Sequence[FileJob], *, here: bool = False) -> Batch:
        """Search what was written to a slot; `here`: in this process."""
        if here or not self.count:
            return self._here(_search_slot_in, slot, jobs)
        return self._submit(_search_slot, slot, jobs)

    def search_files(
        self, root: Path, jobs: Sequence[FileJob], *, identity: tuple[int, int] | None = None, here: bool = False
    ) -> Batch:
        """Search files of the folder `root`, or, with its `identity` (device, inode), stretches of the file `root`.

        The result raises StoreError where something is not what was recorded.
        """
        if here or not self.count:
            return self._here(_search_files_in, root, identity, jobs)
        return self._submit(_search_files, root, identity, jobs)

    def close(self) -> None:
        """End the processes; what they have not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _here(self, search: Callable[..., list[_Packed]], *arguments: object) -> Batch:
        with closing(_Shared(self._scanner, self._memory)) as shared:
            found = search(shared, *arguments)
        return Batch(self._scanner, there=None, here=found)

    def _submit(self, search: Callable[..., list[_Packed]], *arguments: object) -> Batch:
        from concurrent.futures.process import BrokenProcessPool

        mask: set[int] | None = None
        if self._pool is None:
            self._pool = self._make_pool()
            # The first batch forks the processes: what reaches one before `_begin` would end it with a traceback.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENTS_SIGNALS)
        try:
            return Batch(self._scanner, there=self._pool.submit(search, *arguments), here=[])
        except BrokenProcessPool as error:
            raise _worker_ended() from error
        finally:
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _make_pool(self) -> ProcessPoolExecutor:
        # Only here: a scan that reads little does without, and these take a while to import.
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        self._scanner.prepare()
        if self._memory is None:
            self._memory = mmap.mmap(-1, self.slots * SLOT_BYTES)
        return ProcessPoolExecutor(
            self.count,
            mp_context=multiprocessing.get_context("fork"),
            initializer=_begin,
            initargs=(os.getpid(), _Shared(self._scanner, self._memory)),
        )


class _Shared:
    """What every process has: the rules, and the memory that batches come in."""

    def __init__(self, scanner: SecretScanner, memory: mmap.mmap | None) -> None:
        self.scanner = scanner
        self.memory = memory
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


_Packed = tuple[bytes, tuple[PackedHit, ...], tuple[str, ...], Gleaned | None]
_process: Final[list[_Shared]] = []
"""Set once in each process, where there is no other way to hand it to the functions that run there."""


def _default_count() -> int:
    """As many as there are processors for us; none where processes cannot be forked safely."""
    if sys.platform != "linux":
        return 0
    processors = len(os.sched_getaffinity(0))
    return processors if processors > 1 else 0


def _worker_ended() -> WorkerError:
    return WorkerError(
        "a process that searches files ended in the middle of its work",
        cause="most likely the system ran out of memory and killed it",
        next_step="run the same command with --jobs 1, which needs less",
    )


def begin_process() -> None:
    """What a process that works for another one does first: Ctrl-C and a hang-up are its parent's to handle, and on
    Linux it ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PARENTS_SIGNALS)
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None)
        libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        with suppress(AttributeError):  # glibc's, others have it not
            libc.mallopt(_MMAP_THRESHOLD, _REUSED_BYTES)
            libc.mallopt(_TRIM_THRESHOLD, 4 * _REUSED_BYTES)


def _begin(parent: int, shared: _Shared) -> None:
    begin_process()
    _process[:] = [shared]
    if os.getppid() != parent:
        os._exit(1)


def _search_slot(slot: int, jobs: Sequence[FileJob]) -> list[_Packed]:
    return _search_slot_in(_process[0], slot, jobs)


def _search_files(root: Path, identity: tuple[int, int] | None, jobs: Sequence[FileJob]) -> list[_Packed]:
    return _search_files_in(_process[0], root, identity, jobs)


def _search_slot_in(shared: _Shared, slot: int, jobs: Sequence[FileJob]) -> list[_Packed]:
    assert shared.memory is not None, "a slot is written to before it is searched"
    base = slot * SLOT_BYTES
    return [_search(shared.scanner, shared.memory[base + job.start : base + job.start + job.size], job) for job in jobs]


def _search_files_in(
    shared: _Shared, root: Path, identity: tuple[int, int] | None, jobs: Sequence[FileJob]
) -> list[_Packed]:
    found = []
    place = shared.place(root, identity)
    for job in jobs:
        file = place.open(job.name, job.size)
        try:
            found.append(_search_open(shared.scanner, file, job))
        finally:
            place.release(file)
    return found


def _search_open(scanner: SecretScanner, file: int, job: FileJob) -> _Packed:
    """A file that lies by itself, or a stretch of one; in windows if it is large."""
    if job.size < _READ_BYTES:
        # Asked for more, os.pread would make room for it first.
        data = os.pread(file, job.size, job.start)
        if len(data) != job.size:
            raise StoreError("a file is shorter than recorded")
        return _search(scanner, data, job)
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
    hits = scanner.scan_placed(read_at, path=path_text(job.path), size=job.size, note=notes.append, see=keys.append)
    if hashed_to < job.size:
        raise StoreError("a file is shorter than recorded")
    held = read_at(0, job.size) if is_held(job.path, job.size) else None
    gleaned = glean(job.path, held, keys, sha256=_sha256_of(read_at, job.size) if hits else None)
    return hashed.digest(), tuple(map(pack_hit, hits)), tuple(notes), gleaned


def _sha256_of(read_at: ReadAt, size: int) -> bytes:
    hashed = hashlib.sha256()
    for offset in range(0, size, _READ_BYTES):
        hashed.update(read_at(offset, _READ_BYTES))
    return hashed.digest()


def _search(scanner: SecretScanner, data: bytes, job: FileJob) -> _Packed:
    digest, path = content_digest(data), path_text(job.path)
    if scanner.is_plain(data, path):
        return digest, (), (), glean(job.path, data, (), sha256=None)
    notes: list[str] = []
    keys: list[SeenKey] = []
    hits = scanner.scan(io.BytesIO(data).read, path=path, size=len(data), note=notes.append, see=keys.append)
    gleaned = glean(job.path, data, keys, sha256=hashlib.sha256(data).digest() if hits else None)
    return digest, tuple(map(pack_hit, hits)), tuple(notes), gleaned


def _unpack(packed: _Packed, scanner: SecretScanner) -> Found:
    digest, hits, notes, gleaned = packed
    return Found(digest, tuple(unpack_hit(hit, scanner.rules) for hit in hits) if hits else (), notes, gleaned)
