"""An image archive that can be read only once, front to back: the engine's export, standard input, a compressed file.

No copy of it is made. Layers are handed out as they come by; which image they belong to is known when the manifest has
come by too, which may be last. So `blobs` may give layers that `image().layers` does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imgscan.errors import ImgscanError
from imgscan.layers.tar import Entry, TarEntry, read_entries
from imgscan.layers.tarwindow import CHUNK_BYTES, ByteStream
from imgscan.model import EntryKind, Skipped
from imgscan.source.config import MAX_JSON_BYTES
from imgscan.source.members import (
    HEAD_BYTES,
    MAX_DOCUMENTS_BYTES,
    MAX_MEMBERS,
    Links,
    PrefixedStream,
    clean_name,
    is_layer,
    member_name,
    read_head,
)
from imgscan.source.platforms import Platform
from imgscan.source.records import LayerBlob
from imgscan.source.select import Selection, select_image


@dataclass(slots=True)
class _Collected:
    """What of the archive has come by, for `select_image`."""

    links: Links = field(default_factory=Links)
    layers: set[str] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)
    document_bytes: int = 0

    def read(self, name: str) -> bytes | None:
        """A document by name."""
        found = self.links.follow(clean_name(name))
        return self.documents.get(found) if found is not None else None

    def resolve(self, name: str) -> str | None:
        """A layer by name."""
        found = self.links.follow(clean_name(name))
        return found if found in self.layers else None


class OnePass:
    """Reads such an archive. `broken` makes the error for an archive that is damaged or cut off."""

    def __init__(self, stream: ByteStream, *, broken: Callable[[str], ImgscanError]) -> None:
        self._stream = stream
        self._broken = broken
        self._collected = _Collected()
        self._skipped: list[Skipped] = []
        self._done = False

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer of the archive as it comes by. Raises what `broken` makes."""
        members = 0
        for item in read_entries(self._stream, where="archive"):
            if isinstance(item, Skipped):
                raise self._broken(item.reason)
            members += 1
            if members > MAX_MEMBERS:
                raise self._broken(f"it has more than {MAX_MEMBERS:,} members and is no image")
            if item.entry.kind is not EntryKind.FILE:
                self._collected.links.add(item.entry)
                continue
            blob = self._take(item)
            if blob is not None:
                yield blob
        # Compressed data has its checksum at the end, and an engine its error message.
        while self._stream.read(CHUNK_BYTES):
            pass
        failure = getattr(self._stream, "failure", None)
        if failure is not None:
            raise self._broken(failure)
        self._done = True

    @property
    def has_manifest(self) -> bool:
        """Whether a list of images has come by."""
        return not self._collected.documents.keys().isdisjoint(("manifest.json", "index.json"))

    def select(
        self,
        *,
        ref: str,
        selector: str | None = None,
        platform: Platform | None = None,
        diff_ids: tuple[str, ...] = (),
    ) -> Selection:
        """The image, once all of `blobs` was taken. Raises InputError as `select_image` does."""
        if not self._done:
            raise RuntimeError("the image is known only after its last blob")
        found = select_image(self._collected, ref=ref, selector=selector, platform=platform, diff_ids=diff_ids)
        return Selection(image=found.image, documents=found.documents, skipped=(*found.skipped, *self._skipped))

    def _take(self, item: TarEntry) -> LayerBlob | None:
        name = member_name(item.entry)
        head = read_head(item, HEAD_BYTES)
        if is_layer(name, head):
            self._collected.layers.add(name)
            return LayerBlob(name=name, stream=PrefixedStream(head, item))
        self._keep_document(name, item.entry, head, item)
        return None

    def _keep_document(self, name: str, entry: Entry, head: bytes, item: TarEntry) -> None:
        collected = self._collected
        room = MAX_DOCUMENTS_BYTES - collected.document_bytes
        if entry.size_bytes > min(MAX_JSON_BYTES, room):
            self._skipped.append(Skipped(where=name, reason=f"a document of {entry.size_bytes:,} bytes is too large"))
            return
        data = head + item.read()
        collected.documents[name] = data
        collected.document_bytes += len(data)
