"""One image, one pass: every layer blob is decompressed, hashed, listed and searched for secrets as it streams by.

In: an `ImageReader` and a `SecretScanner`. Out: an `ImageScan`, which needs no byte of the image any more. Layers are
independent of each other here, whatever order the source gives them in; what needs the whole stack (status, waste,
attribution) is made of the listings afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field

from imgscan.detect.layerfacts import FactsBuilder, LayerFacts, watched_paths
from imgscan.detect.secrets.documents import Document, image_documents, scan_document
from imgscan.detect.secrets.findings import LocatedHit
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner
from imgscan.escape import path_text
from imgscan.layers.attribution import Attribution
from imgscan.layers.blob import check_digests, open_layer
from imgscan.layers.blocks import ListedEntry
from imgscan.layers.filesystem import Stacked, stack
from imgscan.layers.listing import LayerListing, empty_listing, list_layer
from imgscan.layersearch import LayerSearch, PathHit
from imgscan.model import Coverage, Location, NotRead, Place, Skipped, Status
from imgscan.progress import Progress
from imgscan.source import Image, ImageReader, LayerBlob
from imgscan.source.records import StoreError
from imgscan.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerScan:
    """What one pass over a layer blob gave. `read_bytes` counts file content, `not_read` what of it was left out."""

    listing: LayerListing
    facts: LayerFacts
    hits: tuple[PathHit, ...]
    read_bytes: int
    not_read: tuple[NotRead, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScan:
    """An image as scanned: `layers` base first, one for each layer of `image`, and their `facts` without what higher
    layers hide; `document_hits` are those of its configuration, history and attestations."""

    image: Image
    layers: tuple[LayerScan, ...]
    stacked: Stacked
    facts: tuple[LayerFacts, ...]
    document_hits: tuple[tuple[Document, SecretHit], ...] = field(repr=False)
    skipped: tuple[Skipped, ...] = ()

    @property
    def coverage(self) -> Coverage:
        """Bytes and entries that were searched; a layer that the image holds twice was searched once."""
        distinct = {id(layer): layer for layer in self.layers}.values()
        return Coverage(
            bytes=sum(layer.read_bytes for layer in distinct),
            entries=sum(layer.listing.entries for layer in distinct),
            not_read=tuple(item for layer in distinct for item in layer.not_read),
        )


def scan_image(
    reader: ImageReader, scanner: SecretScanner, progress: Progress, *, jobs: int | None = None
) -> ImageScan:
    """Read every layer once and search all of it, then the configuration, with `jobs` processes (None: as many as there
    are processors; 1: this one alone).

    Raises EngineError or InputError from the source, WorkerError; what is wrong inside the image is in `skipped`.
    """
    with closing(Workers(scanner, None if jobs is None else jobs if jobs > 1 else 0)) as workers:
        try:
            by_blob = _scan_blobs(reader, workers, scanner, progress)
        except StoreError as error:
            leave_store = getattr(reader, "leave_store", None)
            if leave_store is None:
                raise
            progress.stage(f"the engine's store cannot be read ({error}); asking the engine for the image")
            leave_store()
            by_blob = _scan_blobs(reader, workers, scanner, progress)
    image = reader.image()
    layers, missing = _in_order(image, by_blob)
    documents = image_documents(image.config, reader.documents())
    stacked, facts = _stack(layers)
    return ImageScan(
        image=image,
        layers=layers,
        stacked=stacked,
        facts=facts,
        document_hits=tuple((document, hit) for document in documents for hit in scan_document(scanner, document)),
        skipped=(*reader.skipped(), *missing, *(s for layer in layers for s in layer.listing.skipped)),
    )


def _stack(layers: Sequence[LayerScan]) -> tuple[Stacked, tuple[LayerFacts, ...]]:
    """The layers stacked, and each one's facts as far as they are still true then."""
    facts = tuple(deepcopy(layer.facts) for layer in layers)
    builder = FactsBuilder()

    def hide(layer: int, entry: ListedEntry, status: Status | None, by: int) -> None:
        if status is not None:
            builder.hide(facts[layer], entry)

    watched = [watched_paths(layer.facts) | {hit.path for hit in layer.hits} for layer in layers]
    return stack([layer.listing for layer in layers], watched=watched, hidden=hide), facts


def _scan_blobs(
    reader: ImageReader, workers: Workers, scanner: SecretScanner, progress: Progress
) -> dict[str, LayerScan]:
    by_blob: dict[str, LayerScan] = {}
    for number, blob in enumerate(reader.blobs(), start=1):
        progress.stage(f"reading layer {number}")
        by_blob[blob.name] = scan_layer(blob, workers, scanner, progress)
    return by_blob


def scan_layer(blob: LayerBlob, workers: Workers, scanner: SecretScanner, progress: Progress) -> LayerScan:
    """List a layer and search every file of it, in one pass over its bytes."""
    search = LayerSearch(workers, scanner, progress, where=blob.name)
    facts = FactsBuilder()
    stream = open_layer(blob.stream, where=blob.name, verify=blob.verify)
    listing = list_layer(stream, search, where=blob.name, observe=facts.observe)
    # Batches come back in any order.
    hits = sorted(search.hits, key=lambda item: (item.path, item.hit.offset, item.hit.rule.id))
    return LayerScan(
        listing=listing,
        facts=facts.finish(),
        hits=tuple(hits),
        read_bytes=search.read_bytes,
        not_read=tuple(search.not_read),
    )


def locate_hits(scan: ImageScan, attributions: Sequence[Attribution]) -> Iterator[LocatedHit]:
    """Every hit of the image with layer, path, status and Dockerfile line.

    A path that comes twice in one layer has one place: what counts is that the bytes are there.
    """
    lines = {attribution.layer: attribution.dockerfile for attribution in attributions}
    for index, layer in enumerate(scan.layers):
        for item in layer.hits:
            status, _ = scan.stacked.status_of(index, item.path)
            location = Location(
                place=Place.FILE,
                layer=index,
                path="/" + path_text(item.path),
                line=item.hit.line,
                dockerfile=lines.get(index),
                status=status,
            )
            yield LocatedHit(hit=item.hit, location=location)
    for document, hit in scan.document_hits:
        line = None if document.layer is None else lines.get(document.layer)
        location = Location(place=document.place, layer=document.layer, path=document.path, dockerfile=line)
        yield LocatedHit(hit=hit, location=location)


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
            wrong.append(Skipped(where=where, reason="the source has no bytes of this layer"))
            found = LayerScan(listing=empty_listing(layer.diff_id), facts=LayerFacts(), hits=(), read_bytes=0)
        layers.append(found)
    return tuple(layers), tuple(wrong)
