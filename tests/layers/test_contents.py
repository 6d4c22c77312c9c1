"""The contents of a layer's larger files: which are kept, and what is found twice."""

from __future__ import annotations

import io

import msgspec
import pytest
from listings import listed
from tarmaker import archive, member, symlink

from imgscan.layers.blob import open_layer
from imgscan.layers.blocks import ListedEntry
from imgscan.layers.contents import DUPLICATE_MIN_BYTES, MOST_CONTENTS, ContentsBuilder, read_contents
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import LayerListing, ReadingSearch, content_digest, list_layer
from imgscan.model import WasteCause

LARGE, SMALL = b"x" * DUPLICATE_MIN_BYTES, b"x" * (DUPLICATE_MIN_BYTES - 1)


def entry(path: bytes, size: int, order: int = 0, digest: bytes | None = b"digest of 8 and more") -> ListedEntry:
    return msgspec.structs.replace(listed(path, size=size), digest=digest, order=order)


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        pytest.param([], [], id="none"),
        pytest.param([entry(b"a", DUPLICATE_MIN_BYTES - 1)], [], id="too-small"),
        pytest.param([entry(b"a", DUPLICATE_MIN_BYTES, digest=None)], [], id="not-all-there"),
        pytest.param([entry(b"b", 5000), entry(b"a", 9000, 1)], [(b"a", 1), (b"b", 0)], id="by-path"),
        pytest.param([entry(b"a", 9000), entry(b"a", 5000, 1)], [(b"a", 1)], id="the-one-on-disk"),
        pytest.param([entry(b"a", 5000, 1), entry(b"a", 9000, 0)], [(b"a", 1)], id="the-one-on-disk-told-first"),
    ],
)
def test_what_is_kept(entries: list[ListedEntry], kept: list[tuple[bytes, int]]) -> None:
    builder = ContentsBuilder()
    for each in entries:
        builder.add(each)
    assert [(content.path, content.order) for content in read_contents(builder.finish())] == kept


def test_nothing_was_kept() -> None:
    assert read_contents(b"") == []


def test_the_largest_of_too_many_files() -> None:
    """Sizes go up and down, so that the bound is met while there are larger ones still to come."""
    count = 2 * MOST_CONTENTS + 10
    builder = ContentsBuilder()
    for number in range(count):
        builder.add(entry(b"%06d" % number, DUPLICATE_MIN_BYTES + number * 48271 % count, number))
    found = read_contents(builder.finish())
    assert len(found) == MOST_CONTENTS
    assert min(content.size_bytes for content in found) == DUPLICATE_MIN_BYTES + count - MOST_CONTENTS
    paths = [content.path for content in found]
    assert paths == sorted(paths)


def layer(*parts: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(archive(*parts))), ReadingSearch())


@pytest.mark.parametrize(
    ("layers", "duplicates"),
    [
        pytest.param([[member(b"a", LARGE), member(b"b", LARGE)]], [(b"b", 0)], id="in-a-layer"),
        pytest.param([[member(b"b", LARGE)], [member(b"a", LARGE)]], [(b"a", 1)], id="the-lower-layer-is-first"),
        pytest.param([[member(b"a", SMALL), member(b"b", SMALL)]], [], id="small"),
        pytest.param([[member(b"a", LARGE)], [member(b"a", LARGE)]], [], id="replaced-by-itself"),
        pytest.param([[member(b"a", LARGE), member(b"b", LARGE)], [member(b".wh.a")]], [], id="one-is-deleted"),
        pytest.param(
            [[member(b"a", LARGE), member(b"a", b"-"), member(b"b", LARGE)]], [], id="one-is-replaced-at-once"
        ),
        pytest.param(
            [[member(b"a", LARGE), symlink(b"a", b"b"), member(b"b", LARGE)]],
            [],
            id="one-is-replaced-by-a-link-at-once",
        ),
        pytest.param(
            [[member(b"a", LARGE)], [member(b"copy", LARGE)], [member(b"a", LARGE)]],
            [(b"copy", 1)],
            id="what-is-only-changed-in-mode-is-not-the-copy",
        ),
        pytest.param(
            [[member(b"a", LARGE)], [member(b"a", LARGE), member(b"copy", LARGE)], [member(b"a", LARGE)]],
            [(b"copy", 1)],
            id="changed-twice",
        ),
    ],
)
def test_duplicates(layers: list[list[bytes]], duplicates: list[tuple[bytes, int]]) -> None:
    result = stack([layer(*parts) for parts in layers])
    found = [item for item in result.waste if item.cause is WasteCause.DUPLICATE]
    assert [(item.path, item.shipped_by) for item in found] == duplicates
    assert all(item.bytes == len(LARGE) for item in found)
    assert result.visible_bytes + result.reclaimable_bytes == result.size_bytes


def test_a_content_is_known_by_eight_bytes_of_its_digest() -> None:
    found = read_contents(layer(member(b"a", LARGE)).contents)
    assert [content.digest for content in found] == [int.from_bytes(content_digest(LARGE)[:8])]
