"""An image of the engine -> its flattened file system: every visible path with kind, mode, owner and content."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from imgscan.layers.blob import open_layer
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import LayerListing, ReadingSearch, empty_listing, list_layer
from imgscan.model import EntryKind
from imgscan.source import ImageReader, open_image
from imgscan.source.records import StoreError

if TYPE_CHECKING:
    from imgscan.engine import Engine


class Seen(NamedTuple):
    """What is at a path. `content`: the `content_digest` of a file, the target of a link, None for anything else."""

    kind: EntryKind
    mode: int
    uid: int
    gid: int
    content: bytes | None


class Flattener:
    """Flattens images of one engine. State: the listings of layers that were read already."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, LayerListing] = {}

    def flatten(self, tag: str) -> dict[bytes, Seen]:
        """The file system of an image. Raises EngineError, InputError."""
        with closing(open_image(tag, engine=self._engine)) as reader:
            try:
                listings = self._listings(reader)
            except StoreError:
                leave_store = getattr(reader, "leave_store", None)
                if leave_store is None:
                    raise
                leave_store()
                listings = self._listings(reader)
        return _flat(listings)

    def _listings(self, reader: ImageReader) -> list[LayerListing]:
        stated = {layer.blob: layer.diff_id for layer in reader.image().layers} if reader.is_known else {}
        found: dict[str, LayerListing] = {}
        for blob in reader.blobs():
            diff_id = stated.get(blob.name) or ""
            listing = self._known.get(diff_id)
            if listing is None:
                stream = open_layer(blob.stream, where=blob.name, verify=blob.verify)
                listing = list_layer(stream, ReadingSearch(), where=blob.name)
                if diff_id:
                    self._known[diff_id] = listing
            found[blob.name] = listing
        return [found.get(layer.blob) or empty_listing(layer.diff_id) for layer in reader.image().layers]


def _flat(listings: Sequence[LayerListing]) -> dict[bytes, Seen]:
    links = [{(link.path, link.order): link.digest for link in listing.links} for listing in listings]
    flat: dict[bytes, Seen] = {}
    for layer, entry in stack(listings).visible():
        kind, content = entry.kind, entry.digest
        if kind is EntryKind.HARDLINK:
            # Which of several names is the file and which are links to it depends on the order of an archive.
            kind, content = EntryKind.FILE, links[layer].get((entry.path, entry.order))
        elif kind is EntryKind.SYMLINK:
            content = entry.target
        flat[entry.path] = Seen(kind, entry.mode, entry.uid, entry.gid, content)
    return flat
