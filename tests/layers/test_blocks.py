"""Sorted, compressed entries: against sorted lists, with runs longer than one, and on disk."""

from __future__ import annotations

from bisect import bisect_left

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from listings import in_small_blocks, listed

from imgscan.layers.blocks import (
    BLOCK_ENTRIES,
    RUN_ENTRIES,
    Blocks,
    BlockWriter,
    Cursor,
    HeldBlocks,
    ListedEntry,
    is_below,
    key_of,
    path_of,
)
from imgscan.model import EntryKind

# Bytes below and above the slash, so that the order of paths is not that of their bytes.
NAMES = st.lists(st.sampled_from([b"a", b"a-", b"a!", b"a b", b"aa", b"b", b"\x01", b"\xff", b"."]), min_size=1)
PATHS = NAMES.map(b"/".join)


def write(paths: list[bytes]) -> Blocks:
    writer = BlockWriter()
    for order, path in enumerate(paths):
        writer.add(msgspec.structs.replace(listed(path, size=order), order=order))
    return writer.finish()[0]


def keys(paths: list[bytes]) -> list[bytes]:
    return sorted(map(key_of, paths))


@given(st.lists(PATHS))
def test_entries_come_out_by_path_and_order(paths: list[bytes]) -> None:
    blocks = write(paths)
    expected = sorted(((key_of(path), order) for order, path in enumerate(paths)))
    assert [(key_of(entry.path), entry.order) for entry in blocks] == expected
    assert len(blocks) == len(paths)


@given(PATHS)
def test_a_key_gives_its_path_back(path: bytes) -> None:
    assert path_of(key_of(path)) == path


@given(PATHS, PATHS)
def test_what_lies_below_follows_at_once(directory: bytes, other: bytes) -> None:
    below = other.startswith(directory + b"/")
    assert is_below(key_of(other), key_of(directory)) is below
    assert is_below(key_of(other), b"")
    if not below and other != directory:
        child = key_of(directory + b"/x")
        assert not key_of(directory) < key_of(other) < child or is_below(key_of(other), key_of(directory))


STEPS = st.lists(st.one_of(PATHS.map(lambda path: ("seek", path)), st.just(("advance", b"")), st.just(("end", b""))))


@given(st.lists(PATHS, max_size=12), st.integers(1, 4), STEPS)
@example([], 1, [("seek", b"a"), ("end", b"")])
@example([b"a", b"a", b"a"], 1, [("advance", b""), ("seek", b"a"), ("advance", b"")])
@example([b"a", b"a/b", b"a-"], 1, [("seek", b"a-")])
def test_a_cursor_is_a_place_in_a_sorted_list(paths: list[bytes], size: int, steps: list[tuple[str, bytes]]) -> None:
    """Also where one path fills several blocks."""
    expected, at = keys(paths), 0
    cursor = Cursor(in_small_blocks(write(paths), size))
    for step, path in steps:
        if step == "seek":
            cursor.seek(key_of(path))
            at = max(at, bisect_left(expected, key_of(path)))
        elif step == "end":
            cursor.end()
            at = len(expected)
        elif at < len(expected):
            cursor.advance()
            at += 1
        assert cursor.key == (expected[at] if at < len(expected) else None)
        if cursor.key is not None:
            assert key_of(cursor.entry.path) == cursor.key


@given(st.lists(PATHS, max_size=12), st.integers(1, 4), PATHS)
def test_every_entry_of_a_path_is_found(paths: list[bytes], size: int, other: bytes) -> None:
    blocks = in_small_blocks(write(paths), size)
    for path in {*paths, other}:
        assert [entry.order for entry in blocks.find(path)] == [n for n, each in enumerate(paths) if each == path]


class Counting:
    """Blocks that count how often each is read."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.reads: list[int] = []

    def read(self, number: int) -> bytes:
        self.reads.append(number)
        return self._blocks.raw(number)


def test_seeking_reads_no_block_in_between() -> None:
    blocks = in_small_blocks(write([b"%03d" % number for number in range(100)]), 5)
    store = Counting(blocks)
    cursor = Cursor(Blocks(blocks.index, store))
    cursor.seek(b"081")
    assert cursor.key == b"081"
    assert store.reads == [16]


def test_an_empty_layer() -> None:
    blocks, clashes = BlockWriter().finish()
    assert (list(blocks), len(blocks), blocks.find(b"a"), clashes) == ([], 0, [], False)
    cursor = Cursor(blocks)
    cursor.seek(b"a")
    cursor.end()
    assert cursor.key is None


FILE, DIRECTORY, LINK = EntryKind.FILE, EntryKind.DIRECTORY, EntryKind.SYMLINK


@pytest.mark.parametrize(
    ("entries", "clashes"),
    [
        pytest.param([(b"a", FILE), (b"a", FILE)], True, id="twice"),
        pytest.param([(b"a", DIRECTORY), (b"a", DIRECTORY)], True, id="directory-twice"),
        pytest.param([(b"a", FILE), (b"a/b", FILE)], True, id="below-a-file"),
        pytest.param([(b"a/b/c", FILE), (b"a", LINK)], True, id="far-below-a-link"),
        pytest.param([(b"a", DIRECTORY), (b"a/b", FILE)], False, id="below-a-directory"),
        pytest.param([(b"a", FILE), (b"a-", FILE), (b"a.b", FILE)], False, id="names-that-begin-alike"),
        pytest.param([(b"a", FILE), (b"a-/b", FILE), (b"a/b", FILE)], True, id="with-another-path-in-between"),
    ],
)
def test_clashes_of_a_layer_with_itself(entries: list[tuple[bytes, EntryKind]], clashes: bool) -> None:
    writer = BlockWriter()
    for order, (path, kind) in enumerate(entries):
        writer.add(msgspec.structs.replace(listed(path, kind), order=order))
    assert writer.finish()[1] is clashes


def test_more_entries_than_are_sorted_at_once() -> None:
    """Several runs and the rest, in an order that is sorted nowhere; one path in each of the runs."""
    count = 2 * RUN_ENTRIES + 1000
    writer = BlockWriter()
    for order in range(count):
        number = order * 48271 % count  # a prime that does not divide the count: every number once
        path = b"same" if order % RUN_ENTRIES == 7 else b"%d/%06d" % (number % 10, number)
        writer.add(msgspec.structs.replace(listed(path), order=order))
    blocks, clashes = writer.finish()
    assert clashes, "the path that comes three times"
    assert len(blocks) == count
    assert [info.entries for info in blocks.index[:-1]] == [BLOCK_ENTRIES] * (len(blocks.index) - 1)
    seen = 0
    previous: tuple[bytes, int] = (b"", -1)
    for entry in blocks:
        at = (key_of(entry.path), entry.order)
        assert previous < at
        previous = at
        seen += 1
    assert seen == count
    assert [entry.order for entry in blocks.find(b"same")] == [7, RUN_ENTRIES + 7, 2 * RUN_ENTRIES + 7]


def test_a_whole_number_of_runs() -> None:
    writer = BlockWriter()
    for order in range(RUN_ENTRIES):
        writer.add(ListedEntry(path=b"%06d" % order, kind=FILE, size_bytes=0, mode=0, uid=0, gid=0, order=order))
    blocks, clashes = writer.finish()
    assert (len(blocks), clashes) == (RUN_ENTRIES, False)
    assert next(iter(blocks)).path == b"000000"


def test_blocks_beyond_the_bound_lie_in_a_file() -> None:
    """Whichever is read in whatever order, also between writes; those in memory stay where they are."""
    blocks = [bytes([number]) * (5 << 20) for number in range(12)]
    held = HeldBlocks()
    for number, block in enumerate(blocks):
        held.append(block)
        assert len(held) == number + 1
        assert held.read(number // 2) == blocks[number // 2]
    for number in (11, 0, 7, 6, 5, 11, 3):
        assert held.read(number) == blocks[number]


KINDS = st.sampled_from([FILE, DIRECTORY, LINK])


@given(st.lists(st.tuples(PATHS, KINDS), max_size=8))
def test_every_clash_is_noticed(entries: list[tuple[bytes, EntryKind]]) -> None:
    writer = BlockWriter()
    for order, (path, kind) in enumerate(entries):
        writer.add(msgspec.structs.replace(listed(path, kind), order=order))
    paths = [path for path, _ in entries]
    twice = len(set(paths)) < len(paths)
    below = any(path.startswith(each + b"/") for each, kind in entries if kind is not DIRECTORY for path in paths)
    assert writer.finish()[1] is (twice or below)


@pytest.mark.parametrize("last", [b"z", b"z/below"])
def test_a_clash_across_the_end_of_a_block(last: bytes) -> None:
    writer = BlockWriter()
    paths = [*(b"%06d" % number for number in range(BLOCK_ENTRIES - 1)), b"z", last]
    for order, path in enumerate(paths):
        writer.add(msgspec.structs.replace(listed(path), order=order))
    blocks, clashes = writer.finish()
    assert ([info.entries for info in blocks.index], clashes) == ([BLOCK_ENTRIES, 1], True)
