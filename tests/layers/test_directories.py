"""Bytes by directory: to the byte what a naive count says, whatever is left out, and bounded whatever a layer holds."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listings import LAYERS, listed
from tarmaker import archive, hardlink, header, member
from treemodel import Tree

from imgscan.directories import LEAST_SHARE, MOST_REPORTED
from imgscan.layers.blob import open_layer
from imgscan.layers.blocks import BlockWriter, ListedEntry
from imgscan.layers.directories import (
    DEEPEST,
    MOST_DIRECTORIES,
    DirectoriesBuilder,
    read_directories,
)
from imgscan.layers.filesystem import Stacked, stack
from imgscan.layers.listing import LayerListing, ReadingSearch, empty_listing, list_layer

A, B, C = b"a" * 1000, b"b" * 300, b"c" * 50


def layer(*parts: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(archive(*parts))), ReadingSearch())


def above(path: bytes) -> list[bytes]:
    """The directories a path lies in, the root first."""
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(len(parts))]


def counted(files: Sequence[ListedEntry]) -> dict[bytes, int]:
    """Every directory with the bytes in and below it, the slow way."""
    sizes: dict[bytes, int] = {}
    for file in files:
        for folder in above(file.path):
            sizes[folder] = sizes.get(folder, 0) + file.size_bytes
    return {folder: size for folder, size in sizes.items() if size}


def kept(files: Sequence[ListedEntry], most: int = MOST_DIRECTORIES) -> dict[bytes, int]:
    """What a builder keeps of files in any order."""
    writer, builder = BlockWriter(), DirectoriesBuilder(most)
    for order, file in enumerate(files):
        writer.add(msgspec.structs.replace(file, order=order))
    writer.finish(builder.add)
    return read_directories(with_directories(files, builder.finish()))


def with_directories(files: Sequence[ListedEntry], directories: bytes) -> LayerListing:
    size = sum(file.size_bytes for file in files)
    return msgspec.structs.replace(empty_listing(None), size_bytes=size, directories=directories)


def naive(layers: Sequence[LayerListing]) -> dict[str, tuple[int, int, dict[int, tuple[int, int]]]]:
    """Directories with their shipped and lost bytes, also by layer: from the tree that the layers make one by one."""
    tree = Tree()
    for index, one in enumerate(layers):
        tree.apply(index, one)
    found: dict[str, tuple[int, int, dict[int, tuple[int, int]]]] = {}
    for inode in tree.inodes:
        size = inode.entry.size_bytes
        lost = 0 if inode.links else size
        for folder in above(inode.entry.path) if size else ():
            name = f"/{folder.decode()}"
            shipped, gone, shares = found.get(name, (0, 0, {}))
            before = shares.get(inode.layer, (0, 0))
            shares[inode.layer] = (before[0] + size, before[1] + lost)
            found[name] = (shipped + size, gone + lost, shares)
    return found


def reported(result: Stacked) -> dict[str, tuple[int, int, dict[int, tuple[int, int]]]]:
    return {
        one.path: (
            one.size_bytes,
            one.reclaimable_bytes,
            {share.layer: (share.size_bytes, share.reclaimable_bytes) for share in one.layers},
        )
        for one in result.directories
    }


FILES = st.lists(
    st.builds(
        listed,
        st.lists(st.sampled_from([b"a", b"b", b"a-b", b"aa"]), min_size=1, max_size=5).map(b"/".join),
        size=st.integers(0, 9),
    ),
    max_size=30,
)


@given(FILES)
def test_every_directory_of_a_layer(files: list[ListedEntry]) -> None:
    assert kept(files) == (counted(files) or {b"": 0})


@given(FILES, st.integers(1, 6))
def test_the_largest_of_a_layer(files: list[ListedEntry], most: int) -> None:
    """They are right, none is larger, and the directory around each is there too."""
    everything, found = counted(files), kept(files, most)
    if not everything:
        return
    assert len(found) == min(most, len(everything))
    assert found.items() <= everything.items()
    assert min(found.values()) >= max((size for path, size in everything.items() if path not in found), default=0)
    assert all(folder in found for path in found for folder in above(path))


@given(FILES, st.randoms(use_true_random=False), st.integers(1, 6))
def test_what_is_kept_does_not_depend_on_the_order_of_files(
    files: list[ListedEntry], random: object, most: int
) -> None:
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert kept(shuffled, most) == kept(files, most)


@given(st.lists(LAYERS, max_size=5))
def test_any_image_is_what_its_tree_says(layers: list[LayerListing]) -> None:
    result = stack(layers)
    assert reported(result) == naive(layers)
    check_sums(result)


@given(st.lists(LAYERS, max_size=5), st.integers(1, 3))
def test_what_is_left_out_counts_around_it(layers: list[LayerListing], most: int) -> None:
    """A layer that keeps few directories loses no byte: the root has all, and no directory has more than it holds."""
    small = []
    for one in layers:
        builder = DirectoriesBuilder(most)
        builder.add(one.items)
        small.append(msgspec.structs.replace(one, directories=builder.finish()))
    result, truth = stack(small), naive(layers)
    check_sums(result)
    for path, (shipped, _, shares) in reported(result).items():
        assert shipped <= truth[path][0]
        # What a layer says of a directory is all of it.
        assert all(size == truth[path][2][index][0] for index, (size, _) in shares.items())
        assert all(gone >= truth[path][2][index][1] for index, (_, gone) in shares.items())


def check_sums(result: Stacked) -> None:
    """The root is the image, layer by layer; visible and lost are all there is; what is below a directory fits into
    it."""
    if not result.size_bytes:
        assert result.directories == ()
        return
    root = result.directories[0]
    assert root.path == "/"
    assert (root.size_bytes, root.visible_bytes) == (result.size_bytes, result.visible_bytes)
    assert root.reclaimable_bytes == result.reclaimable_bytes
    shares = {share.layer: (share.size_bytes, share.reclaimable_bytes) for share in root.layers}
    for index, figures in enumerate(zip(result.layer_bytes, result.layer_reclaimable, strict=True)):
        assert shares.get(index, (0, 0)) == figures
    for one in result.directories:
        assert one.size_bytes == sum(share.size_bytes for share in one.layers)
        assert one.reclaimable_bytes == sum(share.reclaimable_bytes for share in one.layers)
        assert one.visible_bytes == one.size_bytes - one.reclaimable_bytes
        inside = [other for other in result.directories if other.path.rpartition("/")[0] == one.path.rstrip("/")]
        inside = [other for other in inside if other is not one]
        assert sum(other.size_bytes for other in inside) <= one.size_bytes
        assert sum(other.reclaimable_bytes for other in inside) <= one.reclaimable_bytes


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param([], {}, id="no-layer"),
        pytest.param([[header(b".wh.f")]], {}, id="no-bytes"),
        pytest.param([[member(b"f", A)]], {"/": (1000, 0)}, id="in-the-root"),
        pytest.param(
            [[member(b"d/f", A), member(b"d-e/f", B), member(b"d/e/f", C)]],
            {"/": (1350, 0), "/d": (1050, 0), "/d/e": (50, 0), "/d-e": (300, 0)},
            id="names-that-begin-alike",
        ),
        pytest.param(
            [[member(b"d/f", A), member(b"e/f", B)], [header(b".wh.d")]],
            {"/": (1300, 1000), "/d": (1000, 1000), "/e": (300, 0)},
            id="removed",
        ),
        pytest.param(
            [[member(b"d/f", A)], [member(b"d/f", B)]], {"/": (1300, 1000), "/d": (1300, 1000)}, id="overwritten"
        ),
        pytest.param(
            [[member(b"d/f", A), hardlink(b"e/f", b"d/f")], [header(b".wh.d")]],
            {"/": (1000, 0), "/d": (1000, 0)},
            id="another-name-is-left",
        ),
        pytest.param(
            [[member(b"d/f", A), hardlink(b"e/f", b"d/f")], [header(b".wh.d")], [header(b".wh.e")]],
            {"/": (1000, 1000), "/d": (1000, 1000)},
            id="lost-where-the-content-lay",
        ),
        pytest.param([[member(b"d", A), member(b"d/f", B)]], {"/": (1300, 1000), "/d": (300, 0)}, id="file-in-the-way"),
        pytest.param([[member(b"\xff/f", A)]], {"/": (1000, 0), "/\\xff": (1000, 0)}, id="no-utf-8"),
    ],
)
def test_images(layers: list[list[bytes]], expected: dict[str, tuple[int, int]]) -> None:
    result = stack([layer(*parts) for parts in layers])
    assert {one.path: (one.size_bytes, one.reclaimable_bytes) for one in result.directories} == expected
    check_sums(result)


def test_deep_and_long_ones_count_around_them() -> None:
    deep = b"/".join(b"%d" % depth for depth in range(100))
    found = kept([listed(deep, size=5), listed(b"n" * 600 + b"/m/f", size=7), listed(b"short/" + b"n" * 600, size=1)])
    assert max(path.count(b"/") for path in found) == DEEPEST - 1
    assert found == {
        b"": 13,
        b"short": 1,
        **{b"/".join(b"%d" % depth for depth in range(count)): 5 for count in range(1, DEEPEST + 1)},
    }


def test_names_are_bounded_altogether() -> None:
    files = [listed(b"%0500d/f" % number, size=number + 1) for number in range(MOST_DIRECTORIES)]
    found = kept(files)
    assert sum(map(len, found)) <= 256 << 10
    assert found[b""] == sum(file.size_bytes for file in files)
    assert min(found.values()) > MOST_DIRECTORIES // 2


def test_a_layer_of_many_directories() -> None:
    count = 3 * MOST_DIRECTORIES
    files = [listed(b"d/%d/f" % number, size=number * 48271 % count + 1) for number in range(count)]
    everything, found = counted(files), kept(files)
    assert len(found) == MOST_DIRECTORIES
    assert sorted(found.values()) == sorted(everything.values())[-MOST_DIRECTORIES:]


def test_small_directories_are_not_reported() -> None:
    parts = [member(b"large/f", b"x" * 9_990), member(b"least/f", b"x" * 10), member(b"less/f", b"x" * 9)]
    result = stack([layer(*parts)])
    assert [one.path for one in result.directories] == ["/", "/large"]
    assert result.size_bytes > 10 * LEAST_SHARE
    check_sums(result)


def test_so_many_are_reported() -> None:
    count = MOST_REPORTED + 50
    parts = [member(b"d%03d/f" % number, b"x" * (1000 + number)) for number in range(count)]
    result = stack([layer(*parts)])
    paths = [one.path for one in result.directories]
    assert paths == ["/", *(f"/d{number:03d}" for number in range(count - MOST_REPORTED + 1, count))]
    check_sums(result)


def test_the_order_is_that_of_the_tree() -> None:
    result = stack([layer(member(b"a-b/f", A), member(b"a/b/f", A), member(b"a/f", A), member(b"b/f", A))])
    assert [one.path for one in result.directories] == ["/", "/a", "/a/b", "/a-b", "/b"]
