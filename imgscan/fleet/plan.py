"""What has to be read: images that were looked up -> tasks for workers, each distinct layer once, without those whose
results are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from imgscan.fleet.lookup import Resolved
from imgscan.fleets import BlobToRead, LayerTask


def layer_tasks(images: Sequence[Resolved], kept: Collection[str], make: Callable[..., LayerTask]) -> list[LayerTask]:
    """The tasks for all layers of images that are not `kept`: each distinct layer once, the largest first, so that
    none is left over when all others are done. `make` makes a task of its own fields."""
    taken = set(kept)
    tasks = [*_registry_tasks(images, taken, make)]
    for image in images:
        if image.kind == "registry" or not image.in_parts:
            continue
        blobs = [blob for blob in image.blobs if blob.diff_id not in taken]
        again = [_as_kept(blob) for blob in image.blobs if blob.diff_id in taken and not image.vouched]
        taken.update(blob.diff_id for blob in blobs)
        if blobs or again:
            tasks.append(_task(image, (*blobs, *again), make))
    return sorted(tasks, key=lambda task: -task.size_bytes)


def _as_kept(blob: BlobToRead) -> BlobToRead:
    """The layer, of which only has to be seen that it is what it says."""
    return BlobToRead(
        blob=blob.blob, diff_id=blob.diff_id, digest=blob.digest, size_bytes=blob.size_bytes, is_kept=True
    )


def _registry_tasks(images: Sequence[Resolved], taken: set[str], make: Callable[..., LayerTask]) -> Iterator[LayerTask]:
    """Of a layer that lies in several places, compressed in several ways, the smallest is read."""
    smallest: dict[str, tuple[BlobToRead, Resolved]] = {}
    for image in images:
        if image.kind != "registry":
            continue
        for blob in image.blobs:
            known = smallest.get(blob.diff_id)
            if blob.diff_id not in taken and (known is None or blob.size_bytes < known[0].size_bytes):
                smallest[blob.diff_id] = blob, image
    taken.update(smallest)
    for blob, image in smallest.values():
        yield _task(image, (blob,), make)


def _task(image: Resolved, blobs: tuple[BlobToRead, ...], make: Callable[..., LayerTask]) -> LayerTask:
    return make(
        ref=image.ref,
        kind=image.kind,
        platform=image.wanted.platform,
        host=image.host,
        blobs=blobs,
        insecure_hosts=image.insecure_hosts,
    )
