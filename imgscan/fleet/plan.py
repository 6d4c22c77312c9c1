"""What has to be read: images that were looked up -> tasks for workers, each distinct layer once, without those whose
results are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec.structs import replace

from imgscan.fleet.lookup import Resolved
from imgscan.fleets import BlobToRead, LayerTask


def layer_tasks(
    images: Sequence[Resolved],
    kept: Collection[str],
    make: Callable[..., LayerTask],
    proven: Collection[tuple[str, str]] = (),
) -> list[LayerTask]:
    """The tasks for all layers of images that are not `kept`: each distinct layer once, the largest first, so that
    none is left over when all others are done. Besides, what only an image says of its layers is to be seen, but for
    blobs that are `proven` (diffID and digest). `make` makes a task of its own fields."""
    taken, seen = set(kept), set(proven)
    tasks = [*_registry_tasks(images, taken, seen, make)]
    for image in images:
        if image.kind == "registry" or not image.in_parts:
            continue
        blobs = tuple(_blobs_of(image, taken, seen))
        if blobs:
            tasks.append(_task(image, blobs, make))
    return sorted(tasks, key=lambda task: -task.size_bytes)


def proof_of(image: Resolved, blob: BlobToRead) -> str:
    """By whose word a blob is its layer: its digest's, which means the same blob in every image, where the source
    vouches for that; else the image's."""
    return blob.digest if image.vouched and blob.digest else image.ref


def _blobs_of(image: Resolved, taken: set[str], seen: set[tuple[str, str]]) -> Iterator[BlobToRead]:
    """What is to be read of an image that is read from front to back."""
    for blob in image.blobs:
        if blob.diff_id not in taken:
            yield blob
        elif _is_hearsay(image, blob, seen):
            yield _as_kept(image, blob)
        taken.add(blob.diff_id)
        _see(image, blob, seen)


def _is_hearsay(image: Resolved, blob: BlobToRead, seen: Collection[tuple[str, str]]) -> bool:
    """Whether nobody but the image says what the blob unpacks to."""
    if not image.vouched:
        return True
    return bool(blob.digest) and blob.digest != blob.diff_id and (blob.diff_id, blob.digest) not in seen


def _see(image: Resolved, blob: BlobToRead, seen: set[tuple[str, str]]) -> None:
    """Enter what is known of a blob once it was read."""
    if image.vouched and blob.digest:
        seen.add((blob.diff_id, blob.digest))


def _as_kept(image: Resolved, blob: BlobToRead) -> BlobToRead:
    """The layer, of which only has to be seen that it is what it says."""
    return replace(blob, is_kept=True, proof=proof_of(image, blob))


def _registry_tasks(
    images: Sequence[Resolved], taken: set[str], seen: set[tuple[str, str]], make: Callable[..., LayerTask]
) -> Iterator[LayerTask]:
    """Of a layer that lies in several places, compressed in several ways, the smallest is read; of the others it is
    seen that they are that layer."""
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
        _see(image, blob, seen)
        yield _task(image, (blob,), make)
    for image in images:
        for blob in image.blobs if image.kind == "registry" else ():
            if _is_hearsay(image, blob, seen):
                _see(image, blob, seen)
                yield _task(image, (_as_kept(image, blob),), make)


def _task(image: Resolved, blobs: tuple[BlobToRead, ...], make: Callable[..., LayerTask]) -> LayerTask:
    return make(
        ref=image.ref,
        kind=image.kind,
        platform=image.wanted.platform,
        host=image.host,
        blobs=blobs,
        insecure_hosts=image.insecure_hosts,
    )
