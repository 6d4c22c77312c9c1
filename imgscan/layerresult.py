"""What is kept of a scanned layer, without a secret in it: `LayerScan` -> `KeptLayer` and back.

Of a secret that nobody can guess, and that is recognised wherever it stands, a digest is kept: reports can be swept of
it as if it had just been found. Of any other only its place is kept, and it is looked up there again (`ReadAt`); where
that cannot be, the file is searched again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Final

import msgspec

from imgscan.detect.layerfacts import LayerFacts
from imgscan.detect.secrets.hits import Form, PackedHit, SecretHit, pack_hit, unpack_hit
from imgscan.detect.secrets.rules import SecretRule
from imgscan.frozen import frozen
from imgscan.gleanings import LayerGleanings
from imgscan.layers.beside import ASIDE
from imgscan.layers.blocks import BlockInfo, Blocks, BlockStore
from imgscan.layers.links import HardLink
from imgscan.layers.listing import LayerListing
from imgscan.model import Coverage, Digest, NotRead

RESULT_FORMAT: Final = 8
"""Of `KeptLayer` and of what it means: results of another format are not used."""


ReadAt = Callable[[bytes, int, int, int], bytes | None]
"""Reads bytes of a file where it lies by itself: path, size of the file, offset, length. None if they cannot be had."""


class Place(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A hit whose secret is to be looked up: its file and that one's size, the secret's length."""

    path: bytes
    size: int
    length: int
    hit: PackedHit


@frozen
class PathHit:
    """A secret in a file of a layer, or in what the entry of `path` is called or says besides (`in_name`)."""

    path: bytes
    hit: SecretHit = field(repr=False)
    in_name: bool = False


@frozen
class LayerScan:
    """What one pass over a layer blob gave. `read_bytes` counts file content, `not_read` says what of it was left out,
    by its path in the layer, `not_listed` counts what that has no room for (see `coverage`), `gleanings` is what files
    gave besides secrets."""

    listing: LayerListing
    facts: LayerFacts
    hits: tuple[PathHit, ...]
    read_bytes: int
    not_read: tuple[NotRead, ...] = ()
    not_listed: int = 0
    not_listed_bytes: int = 0
    gleanings: LayerGleanings = field(default_factory=LayerGleanings)

    @property
    def coverage(self) -> Coverage:
        """Bytes and entries that were searched, and what was not."""
        return Coverage(
            bytes=self.read_bytes,
            entries=self.listing.entries,
            not_read=self.not_read,
            not_listed=self.not_listed,
            not_listed_bytes=self.not_listed_bytes,
        )


class KeptLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer's scan, its blocks apart. `places` are hits to be looked up, `again` files to be searched again, with
    their sizes. `left_out` says what was not searched in which file: the same every time."""

    diff_id: Digest | None
    size_bytes: int
    entries: int
    index: tuple[BlockInfo, ...]
    whiteouts: tuple[bytes, ...]
    opaques: tuple[bytes, ...]
    links: tuple[HardLink, ...]
    clashes: bool
    contents: bytes
    directories: bytes
    facts: LayerFacts
    gleanings: LayerGleanings
    hits: tuple[tuple[bytes, PackedHit], ...]
    places: tuple[Place, ...]
    again: tuple[tuple[bytes, int], ...]
    read_bytes: int
    left_out: tuple[tuple[str, str], ...] = ()


def keep_layer(scan: LayerScan, is_recognised: Callable[[bytes], bool], read_at: ReadAt) -> KeptLayer | None:
    """What may be kept of a scan; None if something of the layer could not be read, which another run may do better, or
    if its very names hold a secret."""
    listing = scan.listing
    if listing.skipped or any(item.in_name or item.path == ASIDE for item in scan.hits):
        # With a secret in a name the list of the layer's entries would hold it; and one beside the compressed data is
        # not in other blobs that unpack to this layer.
        return None
    weak = [item for item in scan.hits if not _is_known_by_digest(item.hit, is_recognised)]
    sizes = {path: _size_of(listing, path) for path in {item.path for item in weak}}
    again = {
        item.path
        for item in weak
        if item.hit.inside
        or read_at(item.path, sizes[item.path], item.hit.offset, len(item.hit.secret)) != item.hit.secret
    }
    places = [item for item in weak if item.path not in again]
    known = {id(item) for item in weak}
    return with_hits(
        scan,
        tuple(
            (item.path, pack_hit(item.hit, Form.DIGEST))
            for item in scan.hits
            if id(item) not in known and item.path not in again
        ),
        places=tuple(_place(item, sizes[item.path]) for item in places),
        again=tuple((path, sizes[path]) for path in sorted(again)),
    )


def with_hits(
    scan: LayerScan,
    hits: tuple[tuple[bytes, PackedHit], ...],
    *,
    places: tuple[Place, ...] = (),
    again: tuple[tuple[bytes, int], ...] = (),
) -> KeptLayer:
    """A layer's scan with these hits, which hold no plaintext, in place of its own."""
    listing = scan.listing
    return KeptLayer(
        diff_id=listing.diff_id,
        size_bytes=listing.size_bytes,
        entries=listing.entries,
        index=listing.items.index,
        whiteouts=listing.whiteouts,
        opaques=listing.opaques,
        links=listing.links,
        clashes=listing.clashes,
        contents=listing.contents,
        directories=listing.directories,
        facts=scan.facts,
        gleanings=scan.gleanings,
        hits=hits,
        places=places,
        again=again,
        read_bytes=scan.read_bytes,
        left_out=tuple((item.where, item.reason) for item in scan.not_read),
    )


def _is_known_by_digest(hit: SecretHit, is_recognised: Callable[[bytes], bool]) -> bool:
    """Whether a digest stands for the secret well enough; reports are swept of each line of a key, so it does not."""
    one_line = b"\n" not in hit.secret and b"\\n" not in hit.secret
    return one_line and hit.is_strong and is_recognised(hit.secret)


def _place(item: PathHit, size: int) -> Place:
    packed = pack_hit(item.hit, Form.PLACE)
    return Place(path=item.path, size=size, length=len(item.hit.secret), hit=packed)


def _size_of(listing: LayerListing, path: bytes) -> int:
    found = listing.items.find(path)
    return found[-1].size_bytes if found else 0


def restore_layer(
    kept: KeptLayer,
    store: BlockStore,
    rules: Mapping[str, SecretRule],
    *,
    digest: Digest | None,
    read_at: ReadAt,
    found_again: Iterable[PathHit],
) -> LayerScan:
    """The scan again, with the hits of the files that were searched again; `digest` is the blob's as computed now, None
    if it was not read. Raises KeyError for an unknown rule, LookupError where a secret cannot be looked up."""
    listing = LayerListing(
        diff_id=kept.diff_id,
        digest=digest,
        size_bytes=kept.size_bytes,
        entries=kept.entries,
        items=Blocks(kept.index, store),
        whiteouts=kept.whiteouts,
        opaques=kept.opaques,
        links=kept.links,
        clashes=kept.clashes,
        contents=kept.contents,
        directories=kept.directories,
    )
    hits = [PathHit(path=path, hit=unpack_hit(packed, rules)) for path, packed in kept.hits]
    for place in kept.places:
        hit = unpack_hit(place.hit, rules)
        secret = read_at(place.path, place.size, hit.offset, place.length)
        if secret is None:
            raise LookupError("a secret is not where it was")
        hits.append(PathHit(path=place.path, hit=replace(hit, secret=secret)))
    return LayerScan(
        listing=listing,
        facts=kept.facts,
        hits=sort_hits((*hits, *found_again)),
        read_bytes=kept.read_bytes,
        not_read=tuple(NotRead(where=file, bytes=0, reason=reason) for file, reason in kept.left_out),
        gleanings=kept.gleanings,
    )


def sort_hits(hits: tuple[PathHit, ...]) -> tuple[PathHit, ...]:
    """Hits in the order in which they are told, however they were found."""
    return tuple(sorted(hits, key=lambda item: (item.path, item.hit.inside, item.hit.offset, item.hit.rule.id)))
