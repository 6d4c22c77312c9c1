"""Stacking by the image specification and by what engines really write; every figure to the byte."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from listings import LAYERS, listed, listing_of
from tarmaker import archive, directory, hardlink, header, member, symlink
from treemodel import Tree, in_order

from imgscan.layers.blob import open_layer
from imgscan.layers.filesystem import Stacked, WasteItem, stack
from imgscan.layers.listing import MAX_LAYER_BYTES, LayerListing, ListingBuilder, ReadingSearch, list_layer
from imgscan.layers.tar import Entry
from imgscan.model import EntryKind, Status, WasteCause

A, B, C = b"a" * 1000, b"b" * 300, b"c" * 50


def layer(*parts: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(archive(*parts))), ReadingSearch())


def stacked(*layers: list[bytes]) -> Stacked:
    return stack([layer(*parts) for parts in layers])


def waste(result: Stacked) -> list[tuple[str, int, int, str, int, int | None]]:
    return [
        (item.path.decode(), item.bytes, item.files, item.cause.value, item.shipped_by, item.shadowed_by)
        for item in result.waste
    ]


def visible(result: Stacked) -> list[str]:
    return [entry.path.decode() for _, entry in result.visible()]


WH = header
DIR = [directory(b"d/"), member(b"d/x", A), directory(b"d/e/"), member(b"d/e/y", B)]

CASES = [
    pytest.param([[member(b"f", A)], [WH(b".wh.f")]], [("f", 1000, 1, "deleted", 0, 1)], [], id="deleted"),
    pytest.param(
        [[member(b"f", A)], [member(b"f", B)]], [("f", 1000, 1, "overwritten", 0, 1)], ["f"], id="overwritten"
    ),
    pytest.param(
        [[member(b"f", A)], [member(b"f", A, mode=0o755)]],
        [("f", 1000, 1, "metadata-only", 0, 1)],
        ["f"],
        id="metadata-only-mode",
    ),
    pytest.param(
        [[member(b"f", A)], [member(b"f", A, uid=7)]],
        [("f", 1000, 1, "metadata-only", 0, 1)],
        ["f"],
        id="metadata-only-owner",
    ),
    pytest.param([DIR, [WH(b".wh.d")]], [("d", 1300, 2, "deleted", 0, 1)], [], id="directory-deleted-is-one-item"),
    pytest.param(
        [DIR, [member(b"d/z", C)], [WH(b".wh.d")]],
        [("d", 1300, 2, "deleted", 0, 2), ("d", 50, 1, "deleted", 1, 2)],
        [],
        id="directory-of-two-layers-has-two-items",
    ),
    pytest.param(
        [DIR, [directory(b"d/"), WH(b"d/.wh..wh..opq"), member(b"d/new", C)]],
        [("d", 1300, 2, "opaque", 0, 1)],
        ["d", "d/new"],
        id="opaque",
    ),
    pytest.param(
        [DIR, [member(b"d/new", C), WH(b"d/.wh..wh..opq")]],
        [("d", 1300, 2, "opaque", 0, 1)],
        ["d", "d/new"],
        id="opaque-last-acts-on-lower-layers-only",
    ),
    pytest.param(
        [DIR, [directory(b"d/"), member(b"d/new", C), WH(b".wh.d")]],
        [("d", 1300, 2, "opaque", 0, 1)],
        ["d", "d/new"],
        id="directory-deleted-and-made-again",
    ),
    pytest.param(
        [[member(b"f", A)], [member(b"f", B), WH(b".wh.f")]],
        [("f", 1000, 1, "overwritten", 0, 1)],
        ["f"],
        id="whiteout-behind-the-new-file",
    ),
    pytest.param(
        [[member(b"f", A)], [WH(b".wh.f"), symlink(b"f", b"x")]],
        [("f", 1000, 1, "type-changed", 0, 1)],
        ["f"],
        id="deleted-then-a-symlink",
    ),
    pytest.param([DIR, [member(b"d", C)]], [("d", 1300, 2, "type-changed", 0, 1)], ["d"], id="directory-to-file"),
    pytest.param(
        [DIR, [symlink(b"d", b"e")]], [("d", 1300, 2, "type-changed", 0, 1)], ["d"], id="directory-to-symlink"
    ),
    pytest.param(
        [[member(b"d", A)], [directory(b"d/")]], [("d", 1000, 1, "type-changed", 0, 1)], ["d"], id="file-to-directory"
    ),
    pytest.param(
        [[member(b"d", A)], [member(b"d/x", B)]],
        [("d", 1000, 1, "type-changed", 0, 1)],
        ["d/x"],
        id="file-to-implied-directory",
    ),
    pytest.param(
        [[member(b"f", A)], [symlink(b"f", b"g")]], [("f", 1000, 1, "type-changed", 0, 1)], ["f"], id="file-to-symlink"
    ),
    pytest.param([[symlink(b"f", b"g")], [member(b"f", A)]], [], ["f"], id="symlink-to-file"),
    pytest.param(
        [[member(b"f", A)], [member(b"g", B), hardlink(b"f", b"g")]],
        [("f", 1000, 1, "overwritten", 0, 1)],
        ["f", "g"],
        id="replaced-by-a-hard-link",
    ),
    pytest.param(
        [[member(b"f", A)], [member(b"g", A), hardlink(b"f", b"g")]],
        [("f", 1000, 1, "metadata-only", 0, 1)],
        ["f", "g"],
        id="copied-up-by-a-hard-link",
    ),
    pytest.param(
        [[member(b"f", A), hardlink(b"g", b"f")], [WH(b".wh.f")]], [], ["g"], id="hard-link-keeps-the-content"
    ),
    pytest.param(
        [[member(b"f", A), hardlink(b"g", b"f")], [WH(b".wh.f")], [WH(b".wh.g")]],
        [("g", 1000, 1, "deleted", 0, 2)],
        [],
        id="last-hard-link-gone",
    ),
    pytest.param(
        [[member(b"f", A), hardlink(b"g", b"f"), hardlink(b"h", b"g")], [WH(b".wh.f"), WH(b".wh.g")]],
        [],
        ["h"],
        id="hard-link-to-a-hard-link",
    ),
    pytest.param(
        [[member(b"f", A)], [hardlink(b"g", b"f")], [WH(b".wh.f")]], [], ["g"], id="hard-link-to-a-lower-layer"
    ),
    pytest.param([[member(b"f", A)], [hardlink(b"f", b"f")]], [], ["f"], id="hard-link-to-itself"),
    pytest.param([[hardlink(b"f", b"nowhere"), member(b"g", A)]], [], ["f", "g"], id="dangling-hard-link"),
    pytest.param(
        [[member(b"f", A), member(b"f", B)]], [("f", 1000, 1, "overwritten", 0, 0)], ["f"], id="twice-in-one-layer"
    ),
    pytest.param(
        [[directory(b"d/"), member(b"d/x", A), member(b"d", B)]],
        [("d", 1000, 1, "type-changed", 0, 0)],
        ["d"],
        id="type-flip-in-one-layer",
    ),
    pytest.param([[member(b"f", A)], [WH(b".wh.nothing")]], [], ["f"], id="dangling-whiteout"),
    pytest.param([[WH(b".wh..wh..opq"), member(b"f", A)]], [], ["f"], id="opaque-in-the-bottom-layer"),
    pytest.param(
        [DIR, [WH(b".wh..wh..opq"), member(b"f", C)]], [("", 1300, 2, "opaque", 0, 1)], ["f"], id="opaque-root"
    ),
    pytest.param(
        [
            [member(b"f", A)],
            [
                directory(b".wh..wh.plnk/"),
                member(b".wh..wh.plnk/1.2", C),
                directory(b".wh..wh.orph/"),
                WH(b".wh..wh.aufs"),
            ],
        ],
        [],
        ["f"],
        id="aufs-leftovers",
    ),
    pytest.param(
        [
            [directory(b".wh..wh.plnk/"), member(b".wh..wh.plnk/1.2", A), hardlink(b"f", b".wh..wh.plnk/1.2")],
            [WH(b".wh.f")],
        ],
        [("f", 1000, 1, "deleted", 0, 1)],
        [],
        id="aufs-hard-link-is-a-file",
    ),
    pytest.param([[member(b"d/f", A)], [WH(b"d/.wh.")]], [], ["d/f"], id="bare-whiteout"),
    pytest.param([[member(b"d/f", A)], [WH(b"d/.wh..")]], [], ["d/f"], id="whiteout-of-dot"),
    pytest.param([[member(b"d/f", A)], [WH(b"d/.wh...")]], [], ["d/f"], id="whiteout-of-dot-dot"),
    pytest.param(
        [DIR, [WH(b".wh.d"), WH(b"d/.wh.x"), WH(b"d/e/.wh.y")]],
        [("d", 1300, 2, "deleted", 0, 1)],
        [],
        id="nested-whiteouts",
    ),
    pytest.param(
        [DIR, [WH(b"d/.wh.e")], [WH(b".wh.d")]],
        [("d", 1000, 1, "deleted", 0, 2), ("d/e", 300, 1, "deleted", 0, 1)],
        [],
        id="two-deletions-one-below-the-other",
    ),
    pytest.param(
        [[member(b"f", A)], [WH(b".wh.f")], [member(b"f", B)]],
        [("f", 1000, 1, "deleted", 0, 1)],
        ["f"],
        id="deleted-and-back-later",
    ),
    pytest.param(
        [[member(b"./f", A)], [member(b"/f", B)]],
        [("f", 1000, 1, "overwritten", 0, 1)],
        ["f"],
        id="spellings-of-one-path",
    ),
    pytest.param(
        [DIR, [directory(b"d/", mode=0o700)]], [], ["d", "d/e", "d/e/y", "d/x"], id="directory-entry-continues-it"
    ),
    pytest.param([[member(b"empty", b"")], [WH(b".wh.empty")]], [], [], id="empty-files-are-no-waste"),
    pytest.param(
        [[member(b"big", b"D" * 5000)], [member(b"copy", b"D" * 5000)]],
        [("copy", 5000, 1, "duplicate", 1, None)],
        ["big", "copy"],
        id="duplicate",
    ),
    pytest.param(
        [[member(b"big", b"D" * 5000), hardlink(b"copy", b"big")]], [], ["big", "copy"], id="hard-link-is-no-duplicate"
    ),
    pytest.param(
        [[member(b"small", A), member(b"copy", A)]], [], ["copy", "small"], id="small-files-are-no-duplicates"
    ),
    pytest.param(
        [[member(b"big", b"D" * 5000)], [member(b"copy", b"D" * 5000)], [WH(b".wh.big")]],
        [("big", 5000, 1, "deleted", 0, 2)],
        ["copy"],
        id="deleted-copy-is-no-duplicate",
    ),
    pytest.param([], [], [], id="no-layers"),
    pytest.param([[]], [], [], id="empty-layer"),
]


@pytest.mark.parametrize(("layers", "expected", "left"), CASES)
def test_waste_and_what_is_visible(
    layers: list[list[bytes]], expected: list[tuple[str, int, int, str, int, int | None]], left: list[str]
) -> None:
    result = stacked(*layers)
    assert waste(result) == expected
    assert visible(result) == left
    check_sums(result)


def check_sums(result: Stacked) -> None:
    """Everything adds up, and the visible bytes are those of the files that are there."""
    assert result.size_bytes == sum(result.layer_bytes) == result.visible_bytes + result.reclaimable_bytes
    assert result.reclaimable_bytes == sum(result.layer_reclaimable)
    counted = [item for item in result.waste if item.cause is not WasteCause.DUPLICATE]
    assert result.reclaimable_bytes == sum(item.bytes for item in counted)
    for index, reclaimable in enumerate(result.layer_reclaimable):
        assert reclaimable == sum(item.bytes for item in counted if item.shipped_by == index)


STATUS = [
    pytest.param([[member(b"f", A)]], 0, b"f", (Status.VISIBLE, None), id="visible"),
    pytest.param([[member(b"f", A)], [WH(b".wh.f")]], 0, b"f", (Status.DELETED, 1), id="deleted"),
    pytest.param([[member(b"f", A)], [member(b"f", B)]], 0, b"f", (Status.OVERWRITTEN, 1), id="overwritten"),
    pytest.param([[member(b"f", A)], [member(b"f", B)]], 1, b"f", (Status.VISIBLE, None), id="the-one-that-overwrites"),
    pytest.param([DIR, [WH(b".wh.d")]], 0, b"d/e/y", (Status.DELETED, 1), id="inside-a-deleted-directory"),
    pytest.param([DIR, [member(b"d", C)]], 0, b"d/x", (Status.DELETED, 1), id="inside-a-replaced-directory"),
    pytest.param(
        [DIR, [WH(b"d/.wh..wh..opq"), member(b"d/x", C)]], 0, b"d/x", (Status.OVERWRITTEN, 1), id="opaque-and-back"
    ),
    pytest.param(
        [DIR, [WH(b"d/.wh..wh..opq"), member(b"d/x", C)]], 0, b"d/e/y", (Status.DELETED, 1), id="opaque-and-gone"
    ),
    pytest.param(
        [[member(b"f", A)], [WH(b".wh.f")], [member(b"f", B)]], 0, b"f", (Status.DELETED, 1), id="first-fate-counts"
    ),
    pytest.param(
        [[member(b"f", A)], [member(b"f", B)], [WH(b".wh.f")]], 1, b"f", (Status.DELETED, 2), id="second-layer-s-file"
    ),
    pytest.param([[member(b"f", A), member(b"f", B)]], 0, b"f", (Status.VISIBLE, None), id="twice-in-one-layer"),
    pytest.param(
        [[member(b"f", A), hardlink(b"g", b"f")], [WH(b".wh.f")]],
        0,
        b"f",
        (Status.VISIBLE, None),
        id="visible-by-hard-link",
    ),
    pytest.param(
        [[member(b"f", A), hardlink(b"g", b"f")], [WH(b".wh.f"), WH(b".wh.g")]],
        0,
        b"f",
        (Status.DELETED, 1),
        id="all-links-gone",
    ),
    pytest.param(
        [[directory(b"d/")], [directory(b"d/")], [WH(b".wh.d")]],
        0,
        b"d",
        (Status.DELETED, 2),
        id="directory-of-two-layers",
    ),
    pytest.param(
        [[directory(b"d/"), member(b"d/x", A), member(b"d", B), directory(b"d/"), member(b"d/x", C)]],
        0,
        b"d/x",
        (Status.VISIBLE, None),
        id="flipped-there-and-back-in-one-layer",
    ),
    pytest.param(
        [[member(b"d/f", A)], [member(b"d/.wh.f", B)]],
        1,
        b"d/.wh.f",
        (Status.DELETED, None),
        id="whiteout-with-content",
    ),
]


@pytest.mark.parametrize(("layers", "index", "path", "expected"), STATUS)
def test_status(layers: list[list[bytes]], index: int, path: bytes, expected: tuple[Status, int | None]) -> None:
    assert stacked(*layers).status_of(index, path) == expected


def test_dangling_whiteouts_are_counted_by_layer() -> None:
    result = stacked([member(b"f", A)], [WH(b".wh.x"), WH(b"d/.wh.y")], [WH(b".wh.f"), WH(b"f/.wh.z")])
    assert result.dangling_whiteouts == (0, 2, 0)


def test_invalid_whiteouts_and_nameless_files_are_told() -> None:
    listing = layer(WH(b".wh."), WH(b"d/.wh..."), header(b""), member(b"./", b"x", flag=b"0"))
    assert len(listing.skipped) == 4
    assert (len(listing.items), listing.whiteouts, listing.entries) == (0, (), 4)


def test_paths_no_file_system_allows_are_left_out() -> None:
    listing = layer(
        *(pax_path(b"a/" * 600 + b"f"), member(b"x", A)), *(pax_path(b"n" * 5000), member(b"x", B)), member(b"ok", C)
    )
    assert [item.path for item in listing.items] == [b"ok"]
    assert len(listing.skipped) == 2


def test_sizes_that_no_disk_has_are_left_out() -> None:
    """Sparse files state any size; what sums of them have to be written as holds 64 bits."""
    builder = ListingBuilder()
    for name, size in ((b"a", MAX_LAYER_BYTES - 10), (b"b", 11), (b"c", 10), (b"d", (1 << 63) - 1), (b"e", 0)):
        entry = Entry(path=name, kind=EntryKind.FILE, size_bytes=size, mode=0o644, uid=0, gid=0)
        builder.add(entry, bytes(32))
    listing = builder.finish(diff_id=None, digest=None)
    assert [item.path for item in listing.items] == [b"a", b"c", b"e"]
    assert listing.size_bytes == MAX_LAYER_BYTES
    assert len(listing.skipped) == 2
    assert stack([listing]).directories[0].size_bytes == MAX_LAYER_BYTES


def pax_path(path: bytes) -> bytes:
    from tarmaker import pax

    return pax((b"path", path))


def test_the_same_layer_twice_is_all_metadata_only() -> None:
    listing = layer(*DIR)
    result = stack([listing, listing])
    assert {item.cause for item in result.waste} == {WasteCause.METADATA_ONLY}
    assert result.layer_reclaimable == (1300, 0)


def test_listing_counts_entries_sizes_and_digests() -> None:
    listing = layer(*DIR, hardlink(b"link", b"d/x"), symlink(b"s", b"d"), WH(b".wh.gone"))
    assert (listing.entries, listing.size_bytes, listing.whiteouts) == (7, 1300, (b"gone",))
    by_path = {item.path: item for item in listing.items}
    assert (by_path[b"link"].size_bytes, by_path[b"link"].target) == (0, b"d/x")
    assert by_path[b"d/x"].digest is not None
    assert by_path[b"d"].digest is None


def test_what_a_visitor_leaves_unread_is_hashed_all_the_same() -> None:
    data = archive(member(b"a", A), member(b"b", B))
    seen: list[bytes] = []
    partly = list_layer(
        open_layer(io.BytesIO(data)), ReadingSearch(lambda entry, read: seen.append(read(entry.size_bytes // 2)))
    )
    assert seen == [A[:500], B[:150]]
    assert partly == list_layer(open_layer(io.BytesIO(data)), ReadingSearch())


def test_headers_alone_give_the_same_sizes() -> None:
    data = archive(*DIR)
    fast = list_layer(open_layer(io.BytesIO(data), verify=False))
    full = list_layer(open_layer(io.BytesIO(data)), ReadingSearch())
    assert (fast.size_bytes, fast.entries) == (full.size_bytes, full.entries)
    assert fast.diff_id is None


def test_truncated_content_has_no_digest() -> None:
    listing = list_layer(open_layer(io.BytesIO(member(b"f", A)[:700])), ReadingSearch())
    assert [item.digest for item in listing.items] == [None]
    assert len(listing.skipped) == 1


@given(st.lists(LAYERS, max_size=5))
def test_any_layers_add_up(layers: list[LayerListing]) -> None:
    result = stack(layers)
    check_sums(result)
    for layer_index, entry in result.visible():
        assert result.status_of(layer_index, entry.path)[0] is Status.VISIBLE


def union(layers: list[LayerListing]) -> dict[bytes, tuple[int, int]]:
    """What is visible, the slow way: a dict of paths, every rule a loop over all of it. Files, links not."""
    seen: dict[bytes, tuple[EntryKind, int, int]] = {}

    def cut(path: bytes, *, itself: bool) -> None:
        for known in list(seen):
            if known.startswith(path + b"/") or (itself and known == path):
                del seen[known]

    for index, entry_layer in enumerate(layers):
        for path in entry_layer.whiteouts:
            cut(path, itself=True)
        for path in entry_layer.opaques:
            cut(path, itself=False)
        for item in in_order(entry_layer):
            parts = item.path.split(b"/")
            for depth in range(1, len(parts)):
                parent = b"/".join(parts[:depth])
                if parent in seen and seen[parent][0] is not EntryKind.DIRECTORY:
                    del seen[parent]
            if item.kind is not EntryKind.DIRECTORY:
                cut(item.path, itself=True)
            seen[item.path] = (item.kind, index, item.size_bytes)
    return {path: (index, size) for path, (kind, index, size) in seen.items() if kind is EntryKind.FILE}


@given(st.lists(LAYERS, max_size=4))
def test_what_is_visible_is_what_a_slow_union_says(layers: list[LayerListing]) -> None:
    files = {
        entry.path: (index, entry.size_bytes)
        for index, entry in stack(layers).visible()
        if entry.kind is EntryKind.FILE
    }
    assert files == union(layers)


def test_whiteouts_do_not_cost_the_whole_tree() -> None:
    count = 20_000
    base = listing_of([listed(b"d%d/f%d" % (i % 100, i), size=7) for i in range(count)], [], [])
    top = listing_of([], [b"d%d/f%d" % (i % 100, i) for i in range(count)], [])
    start = time.process_time()
    result = stack([base, top])
    assert result.reclaimable_bytes == 7 * count
    # Quadratic, this is 400 million steps; linear, it takes a fifth of a second.
    assert time.process_time() - start < 5


def shape(odd: bool) -> Callable[[WasteItem], str]:
    return lambda item: repr(item if not odd else msgspec.structs.replace(item, cause=WasteCause.DELETED))


def links_what_it_removes(listing: LayerListing) -> bool:
    """Whether a hard link's target lies where the same layer has a whiteout, or makes a directory opaque."""
    targets = [item.target for item in listing.items if item.kind is EntryKind.HARDLINK and item.target]
    gone = [(path, path + b"/") for path in listing.whiteouts]
    emptied = [path + b"/" if path else b"" for path in listing.opaques]
    return any(target == path or target.startswith(below) for target in targets for path, below in gone) or any(
        target.startswith(below) for target in targets for below in emptied
    )


SELF_LINKED = [
    listing_of([listed(b"a/b", EntryKind.FILE, 1)], [], []),
    listing_of([listed(b"a/b", EntryKind.HARDLINK, 0, b"a/b")], [b"a/b"], []),
]


@settings(max_examples=300)
@example(SELF_LINKED)
@given(st.lists(LAYERS, max_size=5))
def test_merging_and_putting_layer_on_layer_agree(layers: list[LayerListing]) -> None:
    result = stack(layers)
    tree = Tree()
    for index, listing in enumerate(layers):
        tree.apply(index, listing)
    merged = [item for item in result.waste if item.cause is not WasteCause.DUPLICATE]
    # A link to what its own layer has removed (again) leads nowhere; the merge still knows what it was meant to be.
    odd = any(listing.links and (listing.clashes or links_what_it_removes(listing)) for listing in layers)
    assert sorted(map(shape(odd), merged)) == sorted(map(shape(odd), tree.waste))
    assert list(result.dangling_whiteouts) == tree.dangling
    for index, listing in enumerate(layers):
        for item in listing.items:
            fate = tree.fates.get((index, item.path))
            expected = (Status.VISIBLE, None) if fate is None or (fate[2] and fate[2].links > 0) else fate[:2]
            status = result.status_of(index, item.path)
            # The tree does not tell a file that its own layer replaces from the one that replaces it, and looks for
            # what takes a path's place only in layers that have whiteouts.
            by = status[1]
            replaced = by is not None and bool(layers[by].items.find(item.path))
            assert status == expected or by == index or (replaced and by == expected[1]), item.path
