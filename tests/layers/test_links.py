"""Names that share one file's content, within a layer and across layers."""

from __future__ import annotations

import io
import time
from itertools import pairwise

import pytest
from tarmaker import archive, directory, hardlink, header, member, symlink

from imgscan.layers.blob import open_layer
from imgscan.layers.filesystem import stack
from imgscan.layers.links import HardLink, LinkGroups
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer

DATA = b"x" * 100


def layer(*parts: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(archive(*parts))), ReadingSearch())


def resolved(links: tuple[HardLink, ...]) -> list[tuple[bytes, int | None, int]]:
    return [(link.path, link.via, link.size_bytes) for link in links]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([member(b"a", DATA), hardlink(b"b", b"a")], [(b"b", 1, 100)], id="to-a-file"),
        pytest.param(
            [member(b"a", DATA), hardlink(b"b", b"a"), hardlink(b"c", b"b")],
            [(b"b", 1, 100), (b"c", 2, 100)],
            id="through-a-link",
        ),
        pytest.param([hardlink(b"b", b"a"), member(b"a", DATA)], [(b"b", None, 0)], id="to-what-comes-later"),
        pytest.param([hardlink(b"b", b"b")], [(b"b", None, 0)], id="to-itself"),
        pytest.param([hardlink(b"b", b"c"), hardlink(b"c", b"b")], [(b"b", None, 0), (b"c", None, 0)], id="in-a-ring"),
        pytest.param([directory(b"a/"), hardlink(b"b", b"a")], [(b"b", None, 0)], id="to-a-directory"),
        pytest.param([symlink(b"a", b"x"), hardlink(b"b", b"a")], [(b"b", None, 0)], id="to-a-symbolic-link"),
        pytest.param(
            [member(b"a", DATA), member(b"a", b"later"), hardlink(b"b", b"a")], [(b"b", 2, 5)], id="to-the-one-on-disk"
        ),
        pytest.param(
            [member(b"a", DATA), hardlink(b"b", b"a"), member(b"a", b"later"), hardlink(b"c", b"a")],
            [(b"b", 1, 100), (b"c", 3, 5)],
            id="each-to-its-time",
        ),
        pytest.param([member(b"a", DATA), directory(b"d/")], [], id="none"),
    ],
)
def test_links_of_a_layer(parts: list[bytes], expected: list[tuple[bytes, int | None, int]]) -> None:
    assert resolved(layer(*parts).links) == expected


@pytest.mark.parametrize(
    ("layers", "reclaimable"),
    [
        pytest.param([[member(b"a", DATA), hardlink(b"b", b"a")], [header(b".wh.a")]], 0, id="another-name-is-left"),
        pytest.param(
            [[member(b"a", DATA), hardlink(b"b", b"a")], [header(b".wh.a")], [header(b".wh.b")]], 100, id="none-is-left"
        ),
        pytest.param([[member(b"a", DATA)], [hardlink(b"b", b"a"), header(b".wh.a")]], 100, id="lower-deleted-before"),
        pytest.param([[member(b"a", DATA)], [hardlink(b"b", b"a")], [header(b".wh.a")]], 0, id="lower-deleted-after"),
        pytest.param(
            [[member(b"a", DATA)], [hardlink(b"b", b"a"), hardlink(b"c", b"b")], [header(b".wh.a"), header(b".wh.b")]],
            0,
            id="lower-through-a-link",
        ),
        pytest.param([[member(b"a", DATA)], [], [hardlink(b"b", b"a")], [header(b".wh.a")]], 0, id="two-layers-below"),
        pytest.param([[member(b"b")], [hardlink(b"b", b"gone")]], 0, id="to-what-is-nowhere"),
        pytest.param([[hardlink(b"b", b"a")], [member(b"a", DATA)], [header(b".wh.a")]], 100, id="to-a-higher-layer"),
    ],
)
def test_content_goes_with_its_last_name(layers: list[list[bytes]], reclaimable: int) -> None:
    result = stack([layer(*parts) for parts in layers])
    assert result.reclaimable_bytes == reclaimable
    assert result.visible_bytes + result.reclaimable_bytes == result.size_bytes


def test_only_files_with_several_names_are_known() -> None:
    groups = LinkGroups([layer(member(b"a", DATA), hardlink(b"b", b"a"), member(b"c", DATA))])
    assert [(0, order) in groups for order in (1, 2, 3)] == [True, True, False]
    assert groups.digest((0, 2)) == groups.digest((0, 1)) is not None
    assert groups.digest((0, 3)) is None


@pytest.mark.parametrize("width", [1, 400], ids=["one-layer", "many-layers"])
def test_long_chains_take_linear_time(width: int) -> None:
    """Each name links to the one before; then the file goes."""
    names = [b"n%d" % number for number in range(20_000)]
    links = [hardlink(name, before) for before, name in pairwise(names)]
    parts = [links[start::width] if width == 1 else links[start : start + 50] for start in range(0, 50 * width, 50)]
    began = time.monotonic()
    stacked = stack([layer(member(names[0], DATA), *parts[0]), *(layer(*part) for part in parts[1:])])
    assert stacked.visible_bytes == 100
    assert time.monotonic() - began < 30


def test_a_chain_counts_as_far_as_its_links_were_there() -> None:
    first = layer(member(b"a", DATA), hardlink(b"b", b"a"), hardlink(b"c", b"b"))
    assert stack([first, layer(header(b".wh.a"), header(b".wh.b"))]).visible_bytes == 100
    gone = layer(header(b".wh.a"), header(b".wh.b"), header(b".wh.c"))
    assert stack([first, gone]).visible_bytes == 0
    assert stack([first, layer(header(b".wh.c"), hardlink(b"d", b"b")), gone]).visible_bytes == 100


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param([[member(b"a", DATA), hardlink(b"b", b"a")], [header(b".wh.a")]], b"b", id="deleted"),
        pytest.param([[member(b"a", DATA), hardlink(b"b", b"a")], [member(b"a", b"n")]], b"b", id="replaced"),
        pytest.param(
            [[member(b"a", DATA), hardlink(b"b", b"a"), hardlink(b"c", b"b")], [header(b".wh.a"), header(b".wh.b")]],
            b"c",
            id="through-a-name-that-is-gone",
        ),
        pytest.param([[member(b"a", DATA), hardlink(b"b", b"a")]], None, id="there"),
        pytest.param([[member(b"a", DATA), hardlink(b"b", b"a")], [header(b".wh.b")]], None, id="its-link-is-gone"),
        pytest.param(
            [[member(b"a", DATA), hardlink(b"b", b"a")], [header(b".wh.a"), header(b".wh.b")]], None, id="all-are-gone"
        ),
        pytest.param([[member(b"a", DATA), member(b"b", DATA)], [header(b".wh.a")]], None, id="a-copy-is-another-file"),
    ],
)
def test_the_name_that_is_left(layers: list[list[bytes]], expected: bytes | None) -> None:
    stacked = stack([layer(*parts) for parts in layers])
    assert stacked.other_name(0, b"a") == expected
