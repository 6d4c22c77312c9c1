"""A layer's scan without a secret in it, fit to travel and to be kept: `LayerScan` -> `SealedLayer` and back.

What `layerresult` keeps is looked up again in the layer where it says too little; here nothing can be looked up, so
every hit is kept as what was found, its plaintext replaced by an identity that says whether two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from imgscan.detect.secrets.hits import Form, pack_hit, seal_hit
from imgscan.detect.secrets.rules import SecretRule
from imgscan.fleets import SealedLayer
from imgscan.layerresult import RESULT_FORMAT, KeptLayer, LayerScan, restore_layer, with_hits
from imgscan.layers.blocks import BlockStore
from imgscan.model import Digest, NotRead, Skipped

SEALED_FORMAT: Final = f"{RESULT_FORMAT}.1"
"""Of `SealedLayer.summary` and of what it means."""


class SealedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """`kept` has the layer with sealed hits; besides, what was not read of it, which depends on its content alone."""

    kept: KeptLayer
    skipped: tuple[Skipped, ...]
    not_read: tuple[NotRead, ...]
    not_listed: int
    not_listed_bytes: int


def seal_layer(scan: LayerScan, diff_id: Digest, key: bytes) -> SealedLayer | None:
    """The scan of the layer that is `diff_id`; None if a name in it holds a secret: its list of entries would too."""
    if any(item.in_name for item in scan.hits):
        return None
    listing = scan.listing
    kept = with_hits(scan, tuple((item.path, pack_hit(seal_hit(item.hit, key), Form.DIGEST)) for item in scan.hits))
    summary = SealedSummary(
        kept=kept,
        skipped=listing.skipped,
        not_read=scan.not_read,
        not_listed=scan.not_listed,
        not_listed_bytes=scan.not_listed_bytes,
    )
    blocks = tuple(listing.items.raw(number) for number in range(len(listing.items.index)))
    return SealedLayer(diff_id=diff_id, summary=_encoder.encode(summary), blocks=blocks)


def unseal_layer(summary: bytes, store: BlockStore, rules: Mapping[str, SecretRule]) -> LayerScan:
    """The scan again, its hits sealed. Raises KeyError for an unknown rule, msgspec.DecodeError for what is none."""
    sealed = _decoder.decode(summary)
    scan = restore_layer(sealed.kept, store, rules, digest=None, read_at=_nothing, found_again=())
    listing = msgspec.structs.replace(scan.listing, skipped=sealed.skipped)
    return replace(
        scan,
        listing=listing,
        not_read=sealed.not_read,
        not_listed=sealed.not_listed,
        not_listed_bytes=sealed.not_listed_bytes,
    )


def guessable(scan: LayerScan) -> bool:
    """Whether there is a secret in the layer that nothing can be swept of any more: one that could be guessed."""
    return any(not item.hit.is_strong and not item.hit.secret for item in scan.hits)


def _nothing(path: bytes, size: int, offset: int, length: int) -> None:
    """There is no layer to look it up in; nothing is kept in a way that asks for it."""
    return


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(SealedSummary)
