"""An image archive that can be read only once, front to back: the engine's export, standard input, a compressed file.

No copy of it is made. Layers are handed out as they come by; which image they belong to is known when the manifest has
come by too, which may be last. So `blobs` may give layers that `image().layers` does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imgscan.errors import ImgscanError
from imgscan.frozen import frozen
from imgscan.layers.blob import LayerStream
from imgscan.layers.digests import BY_SHA256, algorithm_of, digest_by_name
from imgscan.layers.tar import Entry, TarEntry, read_entries
from imgscan.layers.tarwindow import CHUNK_BYTES, ByteStream
from imgscan.model import EntryKind, Skipped
from imgscan.source.choice import Asked
from imgscan.source.config import MAX_JSON_BYTES
from imgscan.source.members import (
    HEAD_BYTES,
    MAX_DOCUMENTS_BYTES,
    MemberTable,
    PrefixedStream,
    TooManyMembersError,
    is_layer,
    is_packed,
    member_name,
    read_head,
)
from imgscan.source.records import LayerBlob
from imgscan.source.select import Held, Selection, held_images, select_image


@frozen(kw_only=False)
class _Member:
    """A file of the archive: a layer by the name its blob was handed out under, or a document."""

    layer: str | None = None
    document: bytes | None = None


def _same(one: _Member, other: _Member) -> bool:
    # Of layers that differ one is not what its diffID says, whichever is taken.
    return (one.layer is not None and other.layer is not None) or one == other


@dataclass(slots=True)
class _Collected:
    """What of the archive has come by, for `select_image`."""

    members: MemberTable[_Member] = field(default_factory=MemberTable)
    names: set[str] = field(default_factory=set)
    document_bytes: int = 0

    def read(self, name: str) -> bytes | None:
        """A document by name."""
        found = self.members.find(name)
        return found.document if found is not None else None

    def resolve(self, name: str) -> str | None:
        """A layer by name."""
        found = self.members.find(name)
        return found.layer if found is not None else None


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
        for item in read_entries(self._stream, where="archive"):
            if isinstance(item, Skipped):
                raise self._broken(item.reason)
            try:
                blob = self._enter(item)
            except TooManyMembersError as error:
                raise self._broken(str(error)) from None
            if blob is not None:
                yield blob
        # Compressed data has its checksum at the end, and an engine its error message; anything may lie behind both.
        if isinstance(self._stream, LayerStream):
            self._skipped += self._stream.finish().skipped
        while self._stream.read(CHUNK_BYTES):
            pass
        failure = getattr(self._stream, "failure", None)
        if failure is not None:
            raise self._broken(failure)
        self._done = True

    @property
    def has_manifest(self) -> bool:
        """Whether a list of images has come by."""
        return any(self._collected.read(name) is not None for name in ("manifest.json", "index.json"))

    def select(self, asked: Asked) -> Selection:
        """The image, once all of `blobs` was taken. Raises InputError as `select_image` does."""
        if not self._done:
            raise RuntimeError("the image is known only after its last blob")
        found = select_image(self._collected, asked)
        notes = (*found.skipped, *self._collected.members.notes(_same), *self._skipped)
        return Selection(image=found.image, documents=found.documents, skipped=notes)

    def held(self, *, ref: str) -> tuple[Held, ...]:
        """Every image that there is, once all of `blobs` was taken. Raises InputError as `held_images` does."""
        return held_images(self._collected, ref=ref)

    def _enter(self, item: TarEntry) -> LayerBlob | None:
        collected = self._collected
        number = collected.members.count()
        if item.entry.kind is not EntryKind.FILE:
            collected.members.add(item.entry, None)
            return None
        name = member_name(item.entry)
        # A name may come again, and what comes then is another file; no name of a member begins with a slash.
        blob = name if name not in collected.names else f"/{number}/{name}"
        collected.names.add(blob)
        head = read_head(item, HEAD_BYTES)
        if not is_layer(name, head):
            collected.members.add(item.entry, _Member(document=self._read_document(name, item.entry, head, item)))
            return None
        # It may be attached to the image, or be a layer that is damaged: which, the manifests say. What is packed shows
        # by its beginning that it is no text.
        document = None
        if item.entry.size_bytes <= self._room():
            document = head if is_packed(head) else self._read_document(name, item.entry, head, item)
        collected.members.add(item.entry, _Member(layer=blob, document=document))
        # How its diffID is stated is known only once the configuration has come by.
        stored = algorithm_of(digest_by_name(name))
        return LayerBlob(name=blob, stream=PrefixedStream(document or head, item), hashes=(stored, BY_SHA256[1]))

    def _read_document(self, name: str, entry: Entry, head: bytes, item: TarEntry) -> bytes | None:
        if entry.size_bytes > self._room():
            self._skipped.append(Skipped(where=name, reason=f"a document of {entry.size_bytes:,} bytes is too large"))
            return None
        data = head + item.read()
        self._collected.document_bytes += len(data)
        return data

    def _room(self) -> int:
        """The bytes that the next document may have."""
        return min(MAX_JSON_BYTES, MAX_DOCUMENTS_BYTES - self._collected.document_bytes)
