"""One image, one pass: every layer blob is decompressed, hashed, listed and searched for secrets as it streams by.

In: an `ImageReader` and a `SecretScanner`. Out: an `ImageScan`, which needs no byte of the image any more. Layers are
independent of each other here, whatever order the source gives them in; what needs the whole stack (status, waste,
attribution) is made of the listings afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from copy import deepcopy
from dataclasses import field, replace
from pathlib import Path
from typing import Final, Protocol

from imgscan.coverage import join_coverage, limit_skipped
from imgscan.detect.layerfacts import FactsBuilder, LayerFacts, watched_paths
from imgscan.detect.packages.claims import Owners
from imgscan.detect.secrets.documents import Document, image_documents, scan_documents
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.detect.secrets.keypairs import KeyUses
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner
from imgscan.detect.secrets.weighing import owner_of
from imgscan.errors import InputError
from imgscan.escape import path_text
from imgscan.frozen import frozen
from imgscan.gleanings import sums_by_path
from imgscan.layerresult import KeptLayer, LayerScan, PathHit, keep_layer, restore_layer, sort_hits
from imgscan.layers.attribution import Attribution
from imgscan.layers.blob import open_layer
from imgscan.layers.blocks import Blocks, BlockStore, CacheDamagedError, ListedEntry
from imgscan.layers.digests import check_digests
from imgscan.layers.dive import dive_metrics
from imgscan.layers.filesystem import Stacked, stack
from imgscan.layers.listing import begin_listing, empty_listing
from imgscan.layersearch import LayerSearch
from imgscan.model import Coverage, Digest, DiveMetrics, Location, NotRead, Place, Skipped, Status
from imgscan.progress import Progress
from imgscan.source import Image, ImageReader, Layer, LayerBlob
from imgscan.source.placed import PlacedFiles
from imgscan.source.records import StoreError
from imgscan.workers import FileJob, SearchedBefore, Workers

_LAYERS_AT_ONCE: Final = 3
"""So many layers' searches may still run while the next one is read: else a large file at the end of a layer would keep
all processes but one waiting."""
_MOST_WORDS: Final = 80


class ReadAgain(Exception):
    """A layer that a kept result was to stand for is not that layer; the message says so."""


class Results(Protocol):
    """Keeps results of layers by their diffIDs, and what blobs were seen to be these; see `store.layercache`."""

    def find(self, diff_id: str) -> tuple[KeptLayer, BlockStore] | None:
        """What is kept of a layer, and its blocks."""
        ...

    def keep(self, diff_id: str, kept: KeptLayer, items: Blocks) -> None:
        """Keep the result of a layer."""
        ...

    def is_proven(self, diff_id: str, digest: str) -> bool:
        """Whether the blob of that digest was seen to unpack to the layer, whose result is kept."""
        ...

    def prove(self, diff_id: str, digest: str) -> None:
        """Note that it was."""
        ...


@frozen
class Means:
    """What scanning needs beside the image. `jobs` are the processes (None: as many as there are processors; 1: this
    one alone), `results` and `searched` what is kept from earlier scans, of layers and of files (None: nothing)."""

    scanner: SecretScanner
    progress: Progress
    jobs: int | None = None
    results: Results | None = None
    searched: SearchedBefore | None = None


@frozen
class ImageScan:
    """An image as scanned: `layers` base first, one for each layer of `image`, and their `facts` without what higher
    layers hide; `document_hits` are those of its configuration, history and attestations. `dive` is computed here,
    since nothing may read the layers' blocks any more once kept ones that are damaged cannot be made again."""

    image: Image
    layers: tuple[LayerScan, ...]
    stacked: Stacked
    facts: tuple[LayerFacts, ...]
    dive: DiveMetrics
    document_hits: tuple[tuple[Document, SecretHit], ...] = field(repr=False)
    skipped: tuple[Skipped, ...] = ()

    @property
    def coverage(self) -> Coverage:
        """Bytes and entries that were searched; a layer that the image holds twice was searched once."""
        # By what a layer is, not by what it claims to be: one may lie in the image twice, compressed in two ways.
        indices = {self._identity(layer): layer.index for layer in reversed(self.image.layers)}
        return join_coverage(self._coverage(index) for index in sorted(indices.values()))

    def _identity(self, layer: Layer) -> str:
        if self.layers[layer.index].coverage.not_read == _missing(layer):
            return f"{layer.index}"
        return self.layers[layer.index].listing.diff_id or layer.diff_id or f"{layer.index}"

    def _coverage(self, index: int) -> Coverage:
        """A layer's, with its number in the places."""
        found = self.layers[index].coverage
        return replace(
            found,
            not_read=tuple(
                replace(item, where=f"layer {index}: {item.where}" if item.where else f"layer {index}")
                for item in found.not_read
            ),
        )


def scan_image(reader: ImageReader, means: Means) -> ImageScan:
    """Read every layer once and search all of it, then the configuration; a layer whose result is kept is not read.

    Raises EngineError or InputError from the source, WorkerError; what is wrong inside the image is in `skipped`.
    """
    jobs = means.jobs
    count = None if jobs is None else jobs if jobs > 1 else 0
    with closing(Workers(means.scanner, count, searched=means.searched)) as workers:
        try:
            return _scan(reader, workers, means)
        except StoreError as error:
            leave_store = getattr(reader, "leave_store", None)
            if leave_store is None:
                raise InputError(f"{reader.ref} changed while it was being read", cause=str(error)) from error
            means.progress.stage(f"the engine's store cannot be read ({error}); asking the engine for the image")
            leave_store()
        except (ReadAgain, CacheDamagedError) as error:
            means.progress.stage(f"{error}; reading all layers")
        return _scan(reader, workers, replace(means, results=None))


def _scan(reader: ImageReader, workers: Workers, means: Means) -> ImageScan:
    by_blob = _scan_blobs(reader, workers, means)
    return put_together(reader.image(), by_blob, reader.documents(), reader.skipped(), means.scanner)


def put_together(
    image: Image,
    by_blob: Mapping[str, LayerScan],
    documents: Iterable[tuple[str, bytes]],
    skipped: Iterable[Skipped],
    scanner: SecretScanner,
) -> ImageScan:
    """The image of layers that were scanned, by the names of their blobs: stacked, its configuration searched."""
    layers, missing = _in_order(image, by_blob)
    stacked, facts = _stack(layers)
    found = scan_documents(scanner, image_documents(image.config, documents, image.raw_config))
    return ImageScan(
        image=image,
        layers=layers,
        stacked=stacked,
        facts=facts,
        dive=dive_metrics([layer.listing for layer in layers]),
        document_hits=tuple(found),
        skipped=limit_skipped((*skipped, *missing, *(s for layer in layers for s in layer.listing.skipped))),
    )


def _scan_blobs(reader: ImageReader, workers: Workers, means: Means) -> dict[str, LayerScan]:
    """Every blob's result by its name."""
    by_blob: dict[str, LayerScan] = {}
    reading: deque[tuple[str, Callable[[], LayerScan]]] = deque()
    stated = {layer.blob: layer.diff_id for layer in reader.image().layers} if reader.is_known else {}
    try:
        for number, blob in enumerate(reader.blobs(), start=1):
            means.progress.stage(f"reading layer {number}")
            reading.append((blob.name, _kept_or_read(blob, stated.get(blob.name), workers, means)))
            if len(reading) > _LAYERS_AT_ONCE:
                name, result = reading.popleft()
                by_blob[name] = result()
    except StoreError:
        # What was read whole is kept, and need not be read again.
        with suppress(StoreError):
            while reading:
                reading.popleft()[1]()
        raise
    by_blob.update((name, result()) for name, result in reading)
    return by_blob


def _stack(layers: Sequence[LayerScan]) -> tuple[Stacked, tuple[LayerFacts, ...]]:
    """The layers stacked, and each one's facts as far as they are still true then."""
    facts = tuple(deepcopy(layer.facts) for layer in layers)
    builder = FactsBuilder()

    def hide(layer: int, entry: ListedEntry, status: Status | None, by: int) -> None:
        if status is not None:
            builder.hide(facts[layer], entry)

    watched = [watched_paths(layer.facts) | {hit.path for hit in layer.hits} for layer in layers]
    return stack([layer.listing for layer in layers], watched=watched, hidden=hide), facts


def _kept_or_read(blob: LayerBlob, diff_id: Digest | None, workers: Workers, means: Means) -> Callable[[], LayerScan]:
    """A layer's result, once it is asked for: the one that is kept, else made by reading the layer, and then kept."""
    results = means.results
    if results is not None and diff_id:
        found = results.find(diff_id)
        scan = _reuse(blob, diff_id, *found, workers, means) if found is not None else None
        if scan is not None:
            return lambda: scan
    begun = begin_layer(blob, workers, means.scanner, means.progress)
    return lambda: _keep(begun(), blob, diff_id, means)


def _keep(scan: LayerScan, blob: LayerBlob, diff_id: Digest | None, means: Means) -> LayerScan:
    # What is kept is found under what the layer is, not under what an image says of it.
    listing = scan.listing
    true_id = listing.diff_id or (diff_id if blob.vouched else None)
    if means.results is not None and true_id:
        with closing(PlacedFiles(blob.root)) as files:
            kept = keep_layer(scan, means.scanner.is_recognised, files.read_at)
        if kept is not None:
            means.results.keep(true_id, kept, listing.items)
            if listing.digest:
                means.results.prove(true_id, listing.digest)
    return scan


def _reuse(
    blob: LayerBlob, diff_id: Digest, kept: KeptLayer, store: BlockStore, workers: Workers, means: Means
) -> LayerScan | None:
    """The kept result, if the blob is that layer; None if it has to be read for it. Raises ReadAgain if it is not."""
    if (kept.again or kept.places) and not (blob.vouched and blob.root):
        return None
    digest = None if _is_known(blob, diff_id, means.results) else _see(blob, diff_id, means.results)
    try:
        found = _search_again(blob.root, kept, workers)
        with closing(PlacedFiles(blob.root)) as files:
            return restore_layer(
                kept,
                store,
                means.scanner.rules,
                digest=digest,
                read_at=files.read_at,
                found_again=found,
            )
    except (LookupError, StoreError):
        return None


def _is_known(blob: LayerBlob, diff_id: Digest, results: Results | None) -> bool:
    """Whether a blob is the layer that its image says it is, as far as can be known without reading it. Who hands out
    blobs by their digests does not look into them: any image may say of any blob what it unpacks to."""
    if blob.vouched or blob.digest is None or blob.digest == diff_id:
        return blob.vouched or blob.digest is not None
    return results is not None and results.is_proven(diff_id, blob.digest)


def _see(blob: LayerBlob, diff_id: Digest, results: Results | None) -> Digest | None:
    """Read a blob to see that it is that layer; its digest. Raises ReadAgain if it is not."""
    summary = open_layer(blob.stream, where=blob.name, hashes=blob.hashes).finish()
    known = results is not None and summary.digest is not None and results.is_proven(diff_id, summary.digest)
    if summary.diff_id != diff_id or summary.behind_bytes or (summary.aside_bytes and not known):
        raise ReadAgain("a layer is not quite the one that was scanned before")
    if results is not None and summary.digest is not None:
        results.prove(diff_id, summary.digest)
    return summary.digest


def _search_again(root: Path | None, kept: KeptLayer, workers: Workers) -> list[PathHit]:
    if root is None or not kept.again:
        return []
    jobs = [FileJob(path=path, size=size, name=path) for path, size in kept.again]
    searched = workers.search_files(root, jobs, here=True).result()
    return [PathHit(path=jobs[number].path, hit=hit) for number, found in searched.found for hit in found.hits]


def begin_layer(
    blob: LayerBlob, workers: Workers, scanner: SecretScanner, progress: Progress
) -> Callable[[], LayerScan]:
    """List a layer and search every file of it, in one pass over its bytes. The search may go on until the result is
    asked for, which does not need the blob any more."""
    search = LayerSearch(workers, scanner, progress, where=blob.name)
    facts = FactsBuilder()
    stream = open_layer(blob.stream, where=blob.name, verify=blob.verify, hashes=blob.hashes)
    listing = begin_listing(stream, search, where=blob.name, observe=facts.observe)
    return lambda: LayerScan(
        listing=listing(),
        facts=facts.finish(),
        hits=sort_hits(tuple(search.hits)),
        read_bytes=search.read_bytes,
        not_read=tuple(sorted(search.not_read.items, key=lambda item: (item.where, item.reason))),
        not_listed=search.not_read.more,
        not_listed_bytes=search.not_read.more_bytes,
        gleanings=search.gleanings.finish(),
    )


def locate_hits(scan: ImageScan, attributions: Sequence[Attribution]) -> Iterator[LocatedHit]:
    """Every hit of the image with layer, path, status and Dockerfile line.

    A path that comes twice in one layer has one place: what counts is that the bytes are there.
    """
    lines = {attribution.layer: attribution.dockerfile for attribution in attributions}
    made = {attribution.layer: _made_by(attribution) for attribution in attributions}
    owners = Owners([layer.gleanings.claims for layer in scan.layers])
    uses = KeyUses(item for layer in scan.layers for item in layer.gleanings.keys)
    for index, layer in enumerate(scan.layers):
        sums = sums_by_path(layer.gleanings)
        for item in layer.hits:
            status, hidden = _what_became(scan.stacked, index, item.path, made)
            location = Location(
                place=Place.FILE,
                layer=index,
                path=item.hit.path_in("/" + path_text(item.path)),
                line=None if item.in_name else item.hit.line,
                inside=item.hit.members,
                dockerfile=lines.get(index),
                status=status,
                mark=item.hit.mark or None,
            )
            yield LocatedHit(
                hit=item.hit,
                location=location,
                owner=owner_of(owners, item.path, sums.get(item.path, ())),
                use=uses.of(item.hit.public),
                shipped=made.get(index, ""),
                hidden=hidden,
                seen_as=_seen_as(scan.stacked, index, item.path) if status is Status.VISIBLE else "",
            )
    for document, hit in scan.document_hits:
        line = None if document.layer is None else lines.get(document.layer)
        location = Location(
            place=document.place, layer=document.layer, path=document.path, dockerfile=line, mark=hit.mark or None
        )
        yield LocatedHit(hit=hit, location=location, use=uses.of(hit.public))


def _what_became(stacked: Stacked, layer: int, path: bytes, made: Mapping[int, str]) -> tuple[Status, str]:
    """What became of a path that a layer ships, and what hides it."""
    status, by = stacked.status_of(layer, path)
    if by is None and status is Status.DELETED:
        return status, "the engine, which takes the file for a whiteout and shows nothing of it"
    return status, f"layer {by}{made.get(by, '')}" if by is not None else ""


def _seen_as(stacked: Stacked, layer: int, path: bytes) -> str:
    name = stacked.other_name(layer, path)
    return f"/{path_text(name)}" if name is not None else ""


def _made_by(attribution: Attribution) -> str:
    """The instruction of a layer, in brackets: its line where that is known, and its words if they are few. A part of
    them would be as bad as the whole where there is a secret in them, and would not be known for one."""
    words = (attribution.instruction or "").strip()
    if len(words) > _MOST_WORDS or "\n" in words:
        words = f"{words.split(None, 1)[0][:10]} …" if words[:1].isalpha() and words.isprintable() else ""
    line = attribution.dockerfile
    place = f"{line.file}:{line.line}" if line is not None else ""
    told = ", ".join(part for part in (words, place) if part)
    return f" ({told})" if told else ""


def _missing(layer: Layer) -> tuple[NotRead, ...]:
    """What is told of a layer that the source does not have."""
    if layer.elsewhere_bytes is None:
        return (NotRead(where="", bytes=0, reason="the source has no bytes of this layer"),)
    return (NotRead(where="", bytes=layer.elsewhere_bytes, reason="it is distributed by URL and not read from there"),)


def _in_order(image: Image, by_blob: Mapping[str, LayerScan]) -> tuple[tuple[LayerScan, ...], tuple[Skipped, ...]]:
    """The layers' scans base first, and what is wrong between the image's words and the blobs' content."""
    layers: list[LayerScan] = []
    wrong: list[Skipped] = []
    for layer in image.layers:
        where = f"layer {layer.index}"
        found = by_blob.get(layer.blob)
        if found is not None:
            wrong += check_digests(found.listing, diff_id=layer.diff_id, digest=layer.digest, where=where)
        else:
            (missing,) = _missing(layer)
            size = f" ({missing.bytes:,} bytes)" if missing.bytes else ""
            wrong.append(Skipped(where=where, reason=f"{missing.reason}{size}"))
            listing = empty_listing(layer.diff_id)
            found = LayerScan(listing=listing, facts=LayerFacts(), hits=(), read_bytes=0, not_read=(missing,))
        layers.append(found)
    return tuple(layers), tuple(wrong)
