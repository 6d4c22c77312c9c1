"""A layer's scan without a secret in it, fit to travel and to be kept: `LayerScan` -> `SealedLayer` and back.

What `layerresult` keeps is looked up again in the layer where it says too little; here nothing can be looked up, so
every hit is kept as what was found, its plaintext replaced by an identity that says whether two are the same, and by a
mark by which who has the key finds it in a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Final

import msgspec

from imgscan.detect.secrets.hits import Form, pack_hit, seal_hit
from imgscan.detect.secrets.rules import SecretRule
from imgscan.fleets import SealedLayer
from imgscan.layerresult import RESULT_FORMAT, KeptLayer, LayerScan, restore_layer, with_hits
from imgscan.layers.beside import ASIDE
from imgscan.layers.blocks import BlockStore
from imgscan.model import Digest, NotRead, Skipped
from imgscan.redaction import swept_parts

SEALED_FORMAT: Final = f"{RESULT_FORMAT}.1"
"""Of `SealedLayer.summary` and of what it means."""


class SweepMark(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How a secret is known again in a text by who has the key: its length in bytes, the veiled sum of its bytes, its
    keyed hash."""

    length: int
    check: int
    mac: bytes


class SealedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """`kept` has the layer with sealed hits, `marks` are of what reports must not show; besides, what was not read of
    the layer, which depends on its content alone."""

    kept: KeptLayer
    marks: tuple[SweepMark, ...]
    skipped: tuple[Skipped, ...]
    not_read: tuple[NotRead, ...]
    not_listed: int
    not_listed_bytes: int


def seal_layer(scan: LayerScan, diff_id: Digest, key: bytes) -> SealedLayer | None:
    """The scan of the layer that is `diff_id`; None if a name in it holds a secret: its list of entries would too; or
    if what lies beside the compressed data does, which is not in every blob of that layer."""
    if any(item.in_name or item.path == ASIDE for item in scan.hits):
        return None
    listing = scan.listing
    kept = with_hits(scan, tuple((item.path, pack_hit(seal_hit(item.hit, key), Form.DIGEST)) for item in scan.hits))
    summary = SealedSummary(
        kept=kept,
        marks=_marks(scan, key),
        skipped=listing.skipped,
        not_read=scan.not_read,
        not_listed=scan.not_listed,
        not_listed_bytes=scan.not_listed_bytes,
    )
    blocks = tuple(listing.items.raw(number) for number in range(len(listing.items.index)))
    return SealedLayer(diff_id=diff_id, summary=_encoder.encode(summary), blocks=blocks)


def unseal_layer(
    summary: bytes, store: BlockStore, rules: Mapping[str, SecretRule]
) -> tuple[LayerScan, tuple[SweepMark, ...]]:
    """The scan again, its hits sealed, and the marks of its secrets. Raises KeyError for an unknown rule,
    msgspec.DecodeError for what is none."""
    sealed = _decoder.decode(summary)
    scan = restore_layer(sealed.kept, store, rules, digest=None, read_at=_nothing, found_again=())
    listing = msgspec.structs.replace(scan.listing, skipped=sealed.skipped)
    return replace(
        scan,
        listing=listing,
        not_read=sealed.not_read,
        not_listed=sealed.not_listed,
        not_listed_bytes=sealed.not_listed_bytes,
    ), sealed.marks


def find_marked(texts: Iterable[str], marks: Iterable[SweepMark], key: bytes) -> set[str]:
    """The secrets that stand in texts, of those that were marked under `key`. What is tried is every stretch of a
    mark's length whose sum fits: one in 256."""
    by_length: dict[int, dict[int, set[bytes]]] = {}
    veil = _veil(key)
    for mark in marks:
        by_length.setdefault(mark.length, {}).setdefault((mark.check - veil) & 0xFF, set()).add(mark.mac)
    # Each once: reports say the same thing of many places.
    data = "\n\n".join(sorted(set(texts))).encode("utf-8", "surrogatepass") if by_length else b""
    sums = bytes(total & 0xFF for total in accumulate(data, initial=0))
    found = set()
    for length, macs in by_length.items():
        for at in _fitting(sums, length, macs.keys()):
            if _mac(data[at : at + length], key) in macs[(sums[at + length] - sums[at]) & 0xFF]:
                found.add(data[at : at + length].decode("utf-8", "replace"))
    return found


def _fitting(sums: bytes, length: int, wanted: Collection[int]) -> Iterator[int]:
    """Where the stretches of a length begin whose bytes add up to one of the wanted sums, modulo 256."""
    differences = _subtract(sums[length:], sums[: max(len(sums) - length, 0)])
    fits = differences.translate(bytes(value in wanted for value in range(256)))
    at = fits.find(1)
    while at >= 0:
        yield at
        at = fits.find(1, at + 1)


def _subtract(one: bytes, other: bytes) -> bytes:
    """Each byte of `one` minus that of `other`, modulo 256: as two large numbers, whose bytes are kept from borrowing
    from each other by their highest bits (as in SIMD within a register)."""
    high = int.from_bytes(b"\x80" * len(one), "little")
    left, right = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    return (((left | high) - (right & ~high)) ^ ((left ^ right ^ high) & high)).to_bytes(len(one), "little")


def _marks(scan: LayerScan, key: bytes) -> tuple[SweepMark, ...]:
    """Marks of all that a report is swept of if it is known: the secrets, and the lines of those that have several."""
    parts = {part for item in scan.hits for part in swept_parts(item.hit.secret.decode("utf-8", "replace"))}
    marks = (mark_of(part.encode("utf-8", "surrogatepass"), key) for part in parts)
    return tuple(sorted(marks, key=lambda mark: (mark.length, mark.mac)))


def mark_of(secret: bytes, key: bytes) -> SweepMark:
    """The mark by which `find_marked` knows a secret again."""
    return SweepMark(length=len(secret), check=(sum(secret) + _veil(key)) & 0xFF, mac=_mac(secret, key))


def _mac(secret: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(secret, key=key, digest_size=16, person=b"imgscan sweep").digest()


def _veil(key: bytes) -> int:
    """What keeps the sum of a secret's bytes from whoever has not got the key."""
    return hashlib.blake2b(b"", key=key, digest_size=1, person=b"imgscan veil").digest()[0]


def _nothing(path: bytes, size: int, offset: int, length: int) -> None:
    """There is no layer to look it up in; nothing is kept in a way that asks for it."""
    return


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(SealedSummary)
