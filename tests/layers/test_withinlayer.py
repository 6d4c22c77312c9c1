"""Where entries come to lie that are written through links of their own layer: as the kernel has it."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tarmaker import archive, directory, hardlink, member, symlink

from imgscan.layers.blob import open_layer
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import LayerListing, list_layer
from imgscan.layers.tar import Entry
from imgscan.layers.withinlayer import WithinLayer
from imgscan.model import EntryKind

FILE, LINK, FOLDER = EntryKind.FILE, EntryKind.SYMLINK, EntryKind.DIRECTORY


def listed(*parts: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(archive(*parts))))


@pytest.mark.parametrize(
    ("parts", "paths"),
    [
        pytest.param((symlink(b"bin", b"usr/bin"), member(b"bin/x", b"1")), {b"bin", b"usr/bin/x"}, id="relative"),
        pytest.param((symlink(b"bin", b"/usr/bin"), member(b"bin/x", b"1")), {b"bin", b"usr/bin/x"}, id="absolute"),
        pytest.param((symlink(b"a/b", b"../c"), member(b"a/b/x", b"1")), {b"a/b", b"c/x"}, id="up"),
        pytest.param((symlink(b"a", b"../../../etc"), member(b"a/x", b"1")), {b"a", b"etc/x"}, id="above-the-root"),
        pytest.param(
            (symlink(b"a", b"b"), symlink(b"b", b"c"), member(b"a/x", b"1")), {b"a", b"b", b"c/x"}, id="chain"
        ),
        pytest.param((member(b"a/x", b"1"), symlink(b"c", b"a")), {b"a/x", b"c"}, id="a-link-that-comes-later"),
        pytest.param((symlink(b"a", b"b"), member(b"a", b"1")), {b"a"}, id="not-the-last-part"),
        pytest.param((symlink(b"a", b"a"), member(b"a/x", b"1")), {b"a", b"a/x"}, id="loop"),
        pytest.param((symlink(b"a", b"b/.."), member(b"a/x", b"1")), {b"a", b"x"}, id="to-the-root"),
        pytest.param((symlink(b"a", b"b"), directory(b"a/"), member(b"a/x", b"1")), {b"a", b"a/x"}, id="now-a-folder"),
        pytest.param(
            (symlink(b"d/a", b"b"), member(b"d", b""), directory(b"d/"), member(b"d/a/x", b"1")),
            {b"d", b"d/a", b"d/a/x"},
            id="its-folder-went",
        ),
        pytest.param(
            (symlink(b"a", b"b"), symlink(b"a", b"c"), member(b"a/x", b"1")), {b"a", b"c/x"}, id="another-target"
        ),
        pytest.param(
            (symlink(b"q", b"r"), member(b"a/x", b"1"), symlink(b"a/l", b"/c"), member(b"a/l/y", b"1")),
            {b"q", b"a/x", b"a/l", b"c/y"},
            id="a-link-in-the-folder-of-the-entry-before",
        ),
        pytest.param(
            (symlink(b"q", b"r"), member(b"a/b/x", b"1"), symlink(b"a", b"z"), member(b"a/b/y", b"1")),
            {b"q", b"a", b"a/b/x", b"z/b/y"},
            id="a-link-for-a-folder-above-the-entry-before",
        ),
        pytest.param(
            (member(b"b/x", b"1"), symlink(b"a", b"b"), hardlink(b"y", b"a/x")), {b"a", b"b/x", b"y"}, id="hard-link"
        ),
    ],
)
def test_what_is_written_through_a_link(parts: tuple[bytes, ...], paths: set[bytes]) -> None:
    assert {entry.path for entry in listed(*parts).items} == paths


def test_what_is_overwritten_through_a_link_is_waste() -> None:
    """Docker 20.10 shows 5,000 bytes of it."""
    stacked = stack(
        [listed(member(b"usr/bin/x", b"A" * 10_000), symlink(b"bin", b"usr/bin"), member(b"bin/x", b"B" * 5000))]
    )
    assert (stacked.visible_bytes, stacked.reclaimable_bytes) == (5000, 10_000)


def test_whiteouts_and_links_go_through_links_too() -> None:
    link = symlink(b"bin", b"usr/bin")
    removing = listed(link, member(b"bin/.wh.x", b""), member(b"bin/d/.wh..wh..opq", b""))
    assert (removing.whiteouts, removing.opaques) == ((b"usr/bin/x",), (b"usr/bin/d",))
    (hard,) = listed(link, member(b"usr/bin/x", b"1" * 9), hardlink(b"y", b"bin/x")).links
    assert (hard.target, hard.size_bytes) == (b"usr/bin/x", 9)


PARTS = st.sampled_from(("a", "b", "c"))
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
TARGETS = st.lists(st.sampled_from(("a", "b", "c", "..", ".")), min_size=1, max_size=3).map("/".join)
ENTRIES = st.one_of(
    st.tuples(st.just(FILE), PATHS, st.just("")),
    st.tuples(st.just(FOLDER), PATHS, st.just("")),
    st.tuples(st.just(LINK), PATHS, TARGETS),
)


def unpack(root: Path, kind: EntryKind, path: str, target: str) -> str | None:
    """Unpack an entry as moby does, where the kernel lets it; the folder it came to lie in."""
    there = root / path
    try:
        if not os.path.lexists(there.parent):
            there.parent.mkdir(parents=True)
        folder = there.parent.resolve(strict=True)
        if not folder.is_relative_to(root) or not folder.is_dir():
            return None
        if os.path.lexists(there) and not (kind is FOLDER and there.is_dir() and not there.is_symlink()):
            there.unlink() if there.is_symlink() or not there.is_dir() else shutil.rmtree(there)
        if kind is FILE:
            there.write_bytes(b"")
        elif kind is FOLDER:
            there.mkdir(exist_ok=True)
        else:
            there.symlink_to(target)
    except (OSError, RuntimeError):
        return None
    return str((folder / there.name).relative_to(root))


@given(st.lists(ENTRIES, max_size=12))
@settings(max_examples=300, deadline=None)
def test_the_kernel_says_the_same(entries: list[tuple[EntryKind, str, str]]) -> None:
    with TemporaryDirectory() as name:
        root, layer = Path(name).resolve() / "r/r/r/r/r/r/r/r", WithinLayer()
        root.mkdir(parents=True)
        for kind, path, target in entries:
            lies = unpack(root, kind, path, target)
            if lies is None:
                return  # an engine gives up here
            entry = Entry(
                path=path.encode(), kind=kind, size_bytes=0, mode=0, uid=0, gid=0, link_target=target.encode() or None
            )
            assert layer.placed(entry).path.decode() == lies


@pytest.mark.parametrize("width", [1, 2000], ids=["short", "long"])
def test_hostile_links_take_bounded_work(width: int) -> None:
    layer = WithinLayer()
    began = time.monotonic()
    for number in range(4_000):
        chain = b"/".join([b".", b"l%d" % (number - 1)] * width)
        kind = LINK if number % 2 else FILE
        path = b"l%d" % number if number % 2 else b"l%d/x%d" % (number - 1, number)
        layer.placed(Entry(path=path, kind=kind, size_bytes=0, mode=0, uid=0, gid=0, link_target=chain))
    assert time.monotonic() - began < 20
