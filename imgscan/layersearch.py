"""One layer's files on their way through the secret scanner, many at a time.

In: entries as they come by. Out: their digests, to whoever lists them, and the secrets found. Small files go to
`Workers` in batches, files that lie by themselves as their places only; large files of a stream are searched here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imgscan.coverage import LeftOut
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.names import NameSearch
from imgscan.detect.secrets.publickeys import SeenKey
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.escape import path_text
from imgscan.gleanings import GleaningsBuilder, Holding, glean
from imgscan.layerresult import PathHit
from imgscan.layers.listing import Done, HashedContent, content_digest
from imgscan.layers.tar import Entry, TarEntry, clean_path
from imgscan.layers.tarwindow import ContentPlace
from imgscan.model import EntryKind, NotRead
from imgscan.progress import Progress
from imgscan.units import human_bytes
from imgscan.workers import SLOT_BYTES, Batch, FileJob, Workers

_LARGE_BYTES: Final = 1 << 19
"""A file of a stream that is as large as this is searched at once: to hand it over costs a copy and saves little."""
_BATCH_FILES: Final = 256
_SLOT_FILES: Final = 4096
"""Of tiny files so many fill a slot: each is an object here until its digest is known."""
_BATCH_BYTES: Final = 8 << 20
MOST_HITS: Final = 50_000
"""Of one layer, one in each of a million files would take a gigabyte."""
_MOST_RUNNING: Final = 64
"""Batches that are searched or wait for it: one that takes long should not keep the others from being handed out."""
_DIRECTORY = EntryKind.DIRECTORY
_EMPTY: Final = content_digest(b"")


@dataclass(slots=True)
class _Pending:
    """Files for one batch, and what waits for their digests. `slot` has their bytes; or `root` has the files, or is the
    file, if it has an `identity`."""

    jobs: list[FileJob] = field(default_factory=list)
    waiting: list[Done] = field(default_factory=list)
    bytes: int = 0
    slot: int | None = None
    root: Path | None = None
    identity: tuple[int, int] | None = None


class LayerSearch:
    """Searches the files of one layer, and their names; see `listing.Search`. `read_bytes` counts what was searched,
    `not_read` says what was left out, `gleanings` take what there is besides secrets. Raises StoreError and
    WorkerError."""

    def __init__(
        self,
        workers: Workers,
        scanner: SecretScanner,
        progress: Progress,
        *,
        where: str,
        most_hits: int = MOST_HITS,
    ) -> None:
        self._most_hits = most_hits
        self.hits: list[PathHit] = []
        self.not_read = LeftOut()
        self.read_bytes = 0
        self.gleanings = GleaningsBuilder()
        self._workers = workers
        self._scanner = scanner
        self._progress = progress
        self._where = where
        self._running: deque[tuple[Batch, _Pending]] = deque()
        self._free = list(range(workers.slots))
        self._files: _Pending | None = None
        self._slot: _Pending | None = None
        self._names = NameSearch(scanner, lambda reason: self._note("names of files", [reason]))
        self._add_name = self._names.add

    def see(self, entry: Entry) -> None:
        """Look at an entry's name, and at what it says besides."""
        path = entry.path if entry.raw_name is None else entry.raw_name
        if entry.link_target is None and entry.attributes is None:
            self._add_name(path, is_directory=entry.kind is _DIRECTORY)
        else:
            self._add_name(path, entry.link_target, entry.attributes, is_directory=entry.kind is _DIRECTORY)

    def search(self, item: TarEntry, done: Done) -> None:
        """Take a file; it is searched now or with the next batch."""
        entry = item.entry
        size = entry.size_bytes
        if not size:
            done(_EMPTY)
            return
        self.read_bytes += size
        place = item.place()
        if place is not None:
            self._take_place(place, entry, done)
        elif self._workers.count and size < _LARGE_BYTES and not entry.sparse:
            self._take_bytes(item, done)
        else:
            self._search_here(item, done)

    def search_beside(self, item: TarEntry) -> None:
        """Take what is no file of the layer's; it does not count as read of it."""
        self.search(item, lambda _: None)
        self.read_bytes -= item.entry.size_bytes

    def flush(self) -> None:
        """Send what is left. Batches that need no slot then run on while the next layer is read."""
        self._names.finish()
        for path, hit in self._names.hits:
            self._take_hits(clean_path(path), [hit], in_name=True)
        self._names.hits.clear()
        for pending in (self._files, self._slot):
            if pending is not None:
                self._send(pending)
        self._files = self._slot = None
        if any(pending.slot is not None for _, pending in self._running):
            self.finish()

    def finish(self) -> None:
        """Wait until all files are searched."""
        if self._files is not None or self._slot is not None:
            self.flush()
        while self._running:
            self._collect()

    def _take_place(self, place: ContentPlace, entry: Entry, done: Done) -> None:
        pending = self._files
        if pending is None:
            pending = self._files = _Pending(root=place.root, identity=place.identity)
        jobs, size = pending.jobs, place.size
        jobs.append(FileJob(entry.path, size, place.offset, place.name))
        pending.waiting.append(done)
        pending.bytes += size
        if len(jobs) >= _BATCH_FILES or pending.bytes >= _BATCH_BYTES:
            self._files = None
            self._send(pending)

    def _take_bytes(self, item: TarEntry, done: Done) -> None:
        entry = item.entry
        data = item.read()
        if len(data) < entry.size_bytes:
            path = path_text(entry.path)
            notes: list[str] = []
            cut = self._scanner.scan_bytes(data, path=path, note=notes.append)
            self._take_hits(entry.path, cut)
            self.gleanings.add(entry.path, None, found=bool(cut))
            self._note(path, notes)
            self._cut_off(path, entry.size_bytes - len(data))
            done(None)
            return
        pending = self._slot
        if pending is not None and (pending.bytes + len(data) > SLOT_BYTES or len(pending.jobs) >= _SLOT_FILES):
            self._send(pending)
            pending = None
        if pending is None:
            while not self._free:
                self._collect()
            pending = self._slot = _Pending(slot=self._free.pop())
        assert pending.slot is not None, "it was made with one"
        self._workers.write(pending.slot, pending.bytes, data)
        pending.jobs.append(FileJob(path=entry.path, size=len(data), start=pending.bytes))
        pending.waiting.append(done)
        pending.bytes += len(data)

    def _search_here(self, item: TarEntry, done: Done) -> None:
        entry, content = item.entry, HashedContent(item)
        notes: list[str] = []
        path = path_text(entry.path)
        keys: list[SeenKey] = []
        held = Holding(content.read, entry.path, entry.size_bytes)
        hits = self._scanner.scan(held.read, path=path, size=entry.size_bytes, note=notes.append, see=keys.append)
        self._take_hits(entry.path, hits)
        self._note(path, notes)
        self._progress.update(f"reading {self._where[:19]}: {human_bytes(self.read_bytes)}")
        held.finish()
        digest = content.finish()
        # Of a sparse file only holes are left out; where its data are missing the layer is told to be damaged.
        if content.left and not entry.sparse:
            self._cut_off(path, content.left)
        sha256 = None if not hits else b"" if digest is None else held.sha256()
        gleaned = glean(entry.path, held.data(), keys, sha256=sha256)
        self.gleanings.add(entry.path, gleaned, found=bool(hits))
        done(digest)

    def _send(self, pending: _Pending) -> None:
        here = self._workers.is_little(pending.jobs)
        if pending.root is not None:
            batch = self._workers.search_files(pending.root, pending.jobs, identity=pending.identity, here=here)
        else:
            assert pending.slot is not None, "a batch has a folder or a slot"
            batch = self._workers.search_slot(pending.slot, pending.jobs, here=here)
        self._running.append((batch, pending))
        while len(self._running) > _MOST_RUNNING or (self._running and self._running[0][0].done()):
            self._collect()

    def _collect(self) -> None:
        """Take in the results of the batch that was sent first."""
        batch, pending = self._running.popleft()
        searched = batch.result()
        for done, digest in zip(pending.waiting, searched.digests, strict=True):
            done(digest)
        for number, found in searched.found:
            path = pending.jobs[number].path
            self._take_hits(path, found.hits)
            self.gleanings.add(path, found.gleaned, found=bool(found.hits))
            self._note(path_text(path), found.notes)
        if pending.slot is not None:
            self._free.append(pending.slot)
        # No path with it: a name may be, or hold, a secret that is not known yet.
        self._progress.update(f"reading {self._where[:19]}: {human_bytes(self.read_bytes)}")

    def _take_hits(self, path: bytes, hits: Sequence[SecretHit], *, in_name: bool = False) -> None:
        room = self._most_hits - len(self.hits)
        self.hits += [PathHit(path=path, hit=hit, in_name=in_name) for hit in hits[:room]]
        if len(hits) > room:
            reason = f"the layer holds more than {self._most_hits:,} secrets, those beyond are not told"
            self.not_read.add(NotRead(where=f"/{path_text(path)}", bytes=0, reason=reason))

    def _note(self, path: str, notes: Sequence[str]) -> None:
        self.not_read.extend(NotRead(where=f"/{path}", bytes=0, reason=note) for note in notes)

    def _cut_off(self, path: str, missing: int) -> None:
        """A file of which the layer does not have everything."""
        self.read_bytes -= missing
        reason = "the layer ends, or is damaged, before the end of the file"
        self.not_read.add(NotRead(where=f"/{path}", bytes=missing, reason=reason))
