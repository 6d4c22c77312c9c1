"""An engine's image read from the engine's own store on this machine, without an export: a `StoredReader`.

With a graph driver the layers are put together of their files where they lie (`graphdriver`, `tarsplit`); with the
containerd store they are its blobs (`content`). Where the store is elsewhere, or not for this user to read, there is no
such reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgscan.errors import InputError
from imgscan.model import Skipped
from imgscan.source.choice import Asked
from imgscan.source.config import Json, has_root_file_system, member, parse_config, parse_json, platform_of, text, texts
from imgscan.source.content import ContentMembers, find_content
from imgscan.source.graphdriver import StoredImage, find_stored_image
from imgscan.source.records import Image, ImageReader, LayerBlob, StoreError, layers_of_store
from imgscan.source.select import Selection, select_image
from imgscan.source.tarsplit import TarSplitStream

if TYPE_CHECKING:
    from imgscan.engine import Engine
    from imgscan.enginerecords import EngineInfo

_CONTAINERD: Final = "containerd:"


def is_containerd(info: EngineInfo) -> bool:
    """Whether an engine keeps its images in containerd's store."""
    return info.store.startswith(_CONTAINERD)


def open_stored_image(ref: str, record: Json, engine: Engine) -> ImageReader | None:
    """The image that the engine's `record` (its inspect answer) describes, out of the store; None if the store cannot
    be read from here. What is found is the image's by its digests, so that no other engine's can be taken for it."""
    info = engine.info
    if not engine.host.startswith("unix://") or info.kind != "docker" or not info.root_dir:
        return None
    image_id = text(member(record, "Id"))
    diff_ids = texts(member(member(record, "RootFS"), "Layers"))
    root = Path(info.root_dir)
    if is_containerd(info):
        content = find_content(root, text(member(member(record, "Descriptor"), "digest")) or image_id)
        return _open_content(ref, image_id, diff_ids, content) if content is not None else None
    stored = find_stored_image(root, info.store, image_id, diff_ids)
    document = parse_json(stored.raw_config, "the image's configuration") if stored is not None else None
    if stored is None or not has_root_file_system(document):
        return None
    return GraphDriverReader(ref, image_id, stored, document)


class GraphDriverReader:
    """An image of a graph driver's store. Raises StoreError while reading when the store changes under it."""

    kind = "image"
    is_known = True

    def __init__(self, ref: str, image_id: str, stored: StoredImage, document: Json) -> None:
        self.ref = ref
        self._stored = stored
        config = parse_config(document)
        self._image = Image(
            ref=ref,
            image_id=image_id,
            platform=platform_of(document),
            config=config,
            raw_config=stored.raw_config,
            layers=layers_of_store(config, [layer.diff_id for layer in stored.layers], have_blobs=True),
        )

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer once, the largest first: while the processes that search it have enough to do, the others are
        listed, and it is listed to its end while those are searched."""
        layers = {layer.diff_id: layer for layer in self._stored.layers}.values()
        for layer in sorted(layers, key=lambda layer: -layer.size_bytes):
            with closing(TarSplitStream(layer.records, layer.root)) as stream:
                yield LayerBlob(name=layer.diff_id, stream=stream, verify=False, vouched=True, root=layer.root)

    def image(self) -> Image:
        """The image."""
        return self._image

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """None: this store keeps nothing beside an image."""
        return ()

    def skipped(self) -> tuple[Skipped, ...]:
        """None: what cannot be read is a StoreError."""
        return ()

    def close(self) -> None:
        """Nothing is open between blobs."""


class ContentReader:
    """An image of a containerd content store."""

    kind = "image"
    is_known = True

    def __init__(self, ref: str, image_id: str, members: ContentMembers, selection: Selection) -> None:
        self.ref = ref
        self._members = members
        self._selection = selection
        self._image = replace(selection.image, ref=ref, image_id=image_id)

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer blob once, base first. Raises StoreError when one is gone."""
        for name, digest in {layer.blob: layer.digest for layer in self._image.layers}.items():
            try:
                stream = self._members.open(name)
            except (InputError, OSError) as error:
                raise StoreError("a blob of the content store cannot be opened") from error
            yield LayerBlob(name=name, stream=stream, digest=digest, hashes=self._image.hashes(name))

    def image(self) -> Image:
        """The image."""
        return self._image

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """Attestations and other JSON of the image; the index is none of it, it was made."""
        return tuple(item for item in self._selection.documents if item[0] != "index.json")

    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be read."""
        return self._selection.skipped

    def close(self) -> None:
        """Close the blob that is open."""
        self._members.close()


def _open_content(ref: str, image_id: str, diff_ids: tuple[str, ...], members: ContentMembers) -> ContentReader | None:
    try:
        selection = select_image(members, Asked(ref=ref, diff_ids=diff_ids))
    except InputError:
        return None
    names = tuple(layer.blob for layer in selection.image.layers)
    if selection.image.config.diff_ids != diff_ids or not members.is_complete(names):
        return None
    return ContentReader(ref, image_id, members, selection)
