"""Listings made of entries, without an archive; and strategies for them."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from imgscan.layers.blocks import BlockInfo, Blocks, BlockWriter, HeldBlocks, ListedEntry, key_of
from imgscan.layers.codec import zstd_pair
from imgscan.layers.contents import ContentsBuilder
from imgscan.layers.directories import DirectoriesBuilder
from imgscan.layers.links import HardLink, resolve_in_layer
from imgscan.layers.listing import LayerListing
from imgscan.model import EntryKind


def listed(path: bytes, kind: EntryKind = EntryKind.FILE, size: int = 0, target: bytes | None = None) -> ListedEntry:
    digest = b"%d" % size if kind is EntryKind.FILE else None
    return ListedEntry(path=path, kind=kind, size_bytes=size, mode=0, uid=0, gid=0, digest=digest, target=target)


def listing_of(items: list[ListedEntry], whiteouts: list[bytes], opaques: list[bytes]) -> LayerListing:
    writer, contents, directories = BlockWriter(), ContentsBuilder(), DirectoriesBuilder()
    ordered = [msgspec.structs.replace(item, order=order) for order, item in enumerate(items)]
    for item in ordered:
        writer.add(item)
        if item.kind is EntryKind.FILE:
            contents.add(item)
    blocks, clashes = writer.finish(directories.add)
    links = [
        HardLink(path=i.path, target=i.target, order=i.order)
        for i in ordered
        if i.kind is EntryKind.HARDLINK and i.target
    ]
    return LayerListing(
        diff_id=None,
        digest=None,
        size_bytes=sum(item.size_bytes for item in items),
        entries=len(items),
        items=blocks,
        whiteouts=tuple(sorted(set(whiteouts), key=key_of)),
        opaques=tuple(sorted(set(opaques), key=key_of)),
        links=resolve_in_layer(links, blocks),
        clashes=clashes,
        contents=contents.finish(),
        directories=directories.finish(),
    )


def in_small_blocks(blocks: Blocks, size: int) -> Blocks:
    """The same with at most so many entries to a block: a few entries make several."""
    whole = list(blocks)
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]
    index = [BlockInfo(first=key_of(part[0].path), last=key_of(part[-1].path), entries=len(part)) for part in parts]
    return Blocks(index, HeldBlocks(zstd_pair()[0](msgspec.msgpack.encode(part)) for part in parts))


PATHS = st.sampled_from([b"a", b"b", b"a/a", b"a/b", b"b/a", b"a/a/a", b"a/a/b", b"b/a/a"])
ITEMS = st.one_of(
    st.builds(listed, PATHS, st.just(EntryKind.FILE), st.integers(0, 9)),
    st.builds(listed, PATHS, st.just(EntryKind.DIRECTORY)),
    st.builds(listed, PATHS, st.just(EntryKind.SYMLINK)),
    st.builds(listed, PATHS, st.just(EntryKind.HARDLINK), st.just(0), PATHS),
)
LAYERS = st.builds(listing_of, st.lists(ITEMS, max_size=6), st.lists(PATHS, max_size=2), st.lists(PATHS, max_size=2))
