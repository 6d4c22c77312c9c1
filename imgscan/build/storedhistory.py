"""The history of an image in the containerd store, with the bytes of each layer's files.

In: an engine, an image's name. Out: entries like those of the engine's API, newest first.

The API's own sizes are those of the disk there, whole blocks for every file and directory (containerd,
core/snapshots, `Usage`); the store on this machine has the layers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from imgscan.errors import InputError
from imgscan.layers.blob import open_layer
from imgscan.layers.listing import list_layer
from imgscan.source.records import ImageReader, StoreError
from imgscan.source.stored import is_containerd, open_stored_image

if TYPE_CHECKING:
    from imgscan.engine import Engine


def history_of(engine: Engine, ref: str, newest: int) -> list[dict[str, Any]]:
    """The image's history: the engine's own, or, where that would count blocks of a disk, that of the store, if it can
    be read from here, with sizes of the so many `newest` layers. Raises EngineError, InputError."""
    if is_containerd(engine.info):
        reader = open_stored_image(ref, engine.inspect_image(ref), engine)
        found = _stored_history(reader, newest) if reader is not None else None
        if found is not None:
            return found
    return engine.history(ref)


def _stored_history(reader: ImageReader, newest: int) -> list[dict[str, Any]] | None:
    """None where layers cannot be read, or the history does not say which of its entries made them."""
    with closing(reader):
        image = reader.image()
        wanted = {layer.blob for layer in image.layers[-newest:]}
        try:
            sizes = _sizes(reader, wanted)
        except (StoreError, InputError, OSError):
            return None
    by_layer = iter([sizes.get(layer.blob, 0) for layer in image.layers])
    history = image.config.history
    if sizes.keys() != wanted or sum(not entry.empty_layer for entry in history) != len(image.layers):
        return None
    entries = [{"CreatedBy": entry.created_by, "Size": 0 if entry.empty_layer else next(by_layer)} for entry in history]
    return entries[::-1]


def _sizes(reader: ImageReader, wanted: set[str]) -> Mapping[str, int]:
    """Bytes of the files of each layer that could be read to its end."""
    sizes: dict[str, int] = {}
    for blob in reader.blobs():
        if blob.name in wanted:
            listing = list_layer(open_layer(blob.stream, where=blob.name, verify=False), where=blob.name)
            if not listing.skipped:
                sizes[blob.name] = listing.size_bytes
    return sizes
