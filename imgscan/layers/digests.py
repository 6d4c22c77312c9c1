"""Digests as images state them: the algorithms there are, and what is stated against what was computed."""

from __future__ import annotations

from typing import Final, Protocol

from imgscan.escape import plain, shorten
from imgscan.model import Digest, Skipped

_SHA256: Final = "sha256"
ALGORITHMS: Final = {_SHA256: 64, "sha384": 96, "sha512": 128}
"""The algorithms that can be computed here (image-spec, descriptor.md; sha384 is one of Go's digests), with the length
of their hexadecimal form."""
Hashes = tuple[str, str]
"""The algorithms that a blob's digest and its diffID are computed by."""
BY_SHA256: Final[Hashes] = (_SHA256, _SHA256)


def algorithm_of(digest: str | None) -> str:
    """The algorithm to compute a digest by so that it can be compared with this one."""
    algorithm = (digest or "").partition(":")[0]
    return algorithm if algorithm in ALGORITHMS else _SHA256


def digest_by_name(blob: str) -> str:
    """The digest that a layout's file `blobs/ALGORITHM/HEX` is named by; of any other name, no digest."""
    return blob.removeprefix("blobs/").replace("/", ":", 1)


class Digested(Protocol):
    """What was computed of a blob: a `BlobSummary`, or a `listing.LayerListing`."""

    @property
    def digest(self) -> Digest | None:
        """Of the bytes as stored."""
        ...

    @property
    def diff_id(self) -> Digest | None:
        """Of the tar archive in it."""
        ...


def check_digests(found: Digested, *, diff_id: Digest, digest: Digest | None, where: str) -> tuple[Skipped, ...]:
    """What the image says of a layer against what was read: one `Skipped` for each digest that differs, or that is of
    another algorithm than the one that was computed."""
    pairs = (("diffID", diff_id, found.diff_id), ("digest", digest, found.digest))
    return tuple(
        Skipped(where=where, reason=_differs(name, stated, computed))
        for name, stated, computed in pairs
        if stated and computed and stated != computed
    )


def _differs(name: str, stated: str, computed: str) -> str:
    if stated.partition(":")[0] != computed.partition(":")[0]:
        return f"whether the layer's content is what its {name} {plain(shorten(stated, 80))} says was not checked"
    return f"the layer's content is not what its {name} {plain(shorten(stated, 160))} says: it is {computed}"
