"""What is gathered of a layer's entries: bounded, and without what higher layers hide."""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listings import listed
from tarmaker import archive, directory, hardlink, header, member

from imgscan.detect.layerfacts import FactsBuilder, LayerFacts, absolute, large_files, visible_modes, watched_paths
from imgscan.detect.leftbehind import Groups
from imgscan.detect.pathtable import PathTable, layer_tables, thresholds
from imgscan.layers.blob import open_layer
from imgscan.layers.blocks import ListedEntry
from imgscan.layers.filesystem import Stacked, stack
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer
from imgscan.model import EntryKind, Status

LARGE = thresholds()["oversized_file_bytes"]
CACHE = b"root/.cache/pip/http/"
ROW = "layer-left-behind-cache/"


def read(*layers: list[bytes]) -> tuple[list[LayerListing], list[LayerFacts]]:
    builder = FactsBuilder()
    listings, facts = [], []
    for parts in layers:
        stream = open_layer(io.BytesIO(archive(*parts)))
        listings.append(list_layer(stream, ReadingSearch(), observe=builder.observe))
        facts.append(builder.finish())
    return listings, facts


def stacked(listings: list[LayerListing], facts: list[LayerFacts]) -> Stacked:
    builder = FactsBuilder()

    def hide(layer: int, entry: ListedEntry, status: Status | None, by: int) -> None:
        if status is not None:
            builder.hide(facts[layer], entry)

    return stack(listings, watched=[watched_paths(one) for one in facts], hidden=hide)


def sums(facts: LayerFacts) -> list[tuple[int, int]]:
    rows = {(group.bytes, group.files) for row, group in facts.groups.by_row.items() if row.startswith(ROW)}
    return sorted(rows)


@pytest.mark.parametrize(
    ("above", "left"),
    [
        pytest.param([], (300, 2), id="nothing"),
        pytest.param([header(CACHE + b".wh.one")], (200, 1), id="one-deleted"),
        pytest.param([header(b"root/.wh..cache")], (0, 0), id="all-deleted"),
        pytest.param([directory(CACHE), header(CACHE + b".wh..wh..opq")], (0, 0), id="emptied"),
        pytest.param([member(CACHE + b"one", b"")], (200, 1), id="one-replaced"),
        pytest.param([directory(CACHE)], (300, 2), id="the-folder-listed-again"),
        pytest.param([member(b"root/.cache", b"")], (0, 0), id="a-file-in-the-folders-place"),
    ],
)
def test_hidden_files_leave_the_groups(above: list[bytes], left: tuple[int, int]) -> None:
    listings, facts = read(
        [directory(CACHE), member(CACHE + b"one", b"x" * 100), member(CACHE + b"two", b"y" * 200)], above
    )
    assert sums(facts[0]) == [(300, 2)]
    stacked(listings, facts)
    assert sums(facts[0]) == [left]


def test_a_file_with_another_name_stays() -> None:
    listings, facts = read(
        [member(CACHE + b"one", b"x" * 100), hardlink(b"etc/same", CACHE + b"one")], [header(CACHE + b".wh.one")]
    )
    stacked(listings, facts)
    assert sums(facts[0]) == [(100, 1)]


def file(path: bytes, size: int, *, mode: int = 0o644, order: int = 0) -> ListedEntry:
    return msgspec.structs.replace(listed(path, size=size), mode=mode, order=order)


def test_a_thousand_of_the_largest_files() -> None:
    builder = FactsBuilder()
    for number in range(2_500):
        builder.observe(file(b"%05d" % number, LARGE + number * 7919 % 2_500))
    builder.observe(file(b"small", LARGE - 1))
    large = builder.finish().large
    assert [entry.size_bytes for entry in large] == list(range(LARGE + 2_499, LARGE + 1_499, -1))
    assert builder.finish() == LayerFacts(), "the next layer begins empty"


def test_modes_are_bounded() -> None:
    builder = FactsBuilder()
    for number in range(20_100):
        builder.observe(file(b"%05d" % number, 0, mode=0o4755))
    assert len(builder.finish().modes) == 20_000


@pytest.mark.parametrize(
    ("mode", "kind", "told"),
    [
        pytest.param(0o4755, EntryKind.FILE, True, id="setuid"),
        pytest.param(0o2755, EntryKind.FILE, True, id="setgid"),
        pytest.param(0o666, EntryKind.FILE, True, id="world-writable"),
        pytest.param(0o1777, EntryKind.DIRECTORY, True, id="folder"),
        pytest.param(0o4755, EntryKind.HARDLINK, True, id="hard-link"),
        pytest.param(0o777, EntryKind.SYMLINK, False, id="symbolic-link"),
        pytest.param(0o666, EntryKind.DEVICE, False, id="device"),
        pytest.param(0o755, EntryKind.FILE, False, id="usual"),
    ],
)
def test_modes_that_say_something(mode: int, kind: EntryKind, told: bool) -> None:
    builder = FactsBuilder()
    builder.observe(msgspec.structs.replace(listed(b"a", kind), mode=mode))
    assert bool(builder.finish().modes) is told


def test_modes_and_large_files_with_what_became_of_them() -> None:
    data = bytes(LARGE)
    listings, facts = read(
        [member(b"a", data), member(b"b", data), member(b"su", b"x", mode=0o4755)],
        [member(b"a", b""), member(b"su", b"y", mode=0o4755)],
        [header(b".wh.b")],
    )
    result = stacked(listings, facts)
    assert list(large_files(facts, result)) == [
        (0, "/a", LARGE, Status.OVERWRITTEN),
        (0, "/b", LARGE, Status.DELETED),
    ]
    assert [(layer, entry.path) for layer, entry in visible_modes(facts, result)] == [(1, b"su")]


def test_a_mode_that_its_own_layer_takes_back() -> None:
    listings, facts = read([member(b"su", b"x", mode=0o4755), member(b"su", b"x", mode=0o755)])
    assert list(visible_modes(facts, stacked(listings, facts))) == []


TABLE_NAMES = st.sampled_from(
    b"a core.1 core.\xf1 README.md x.js.map \xff.js.map \xff.log test.d.ts 9 .gem CHANGELOG.md xCHANGELOG.md".split()
    + b"\xc3\xbc.log og core. core.# id_rsa file12".split()
)
TABLE_FOLDERS = st.lists(
    st.sampled_from(
        [b"root", b".cache", b"pip", b"usr", b"lib", b"node_modules", b"typescript", b"\xff", b"app", b"tmp"]
    ),
    max_size=4,
)


@settings(deadline=None)
@given(st.lists(st.tuples(TABLE_FOLDERS, TABLE_NAMES | st.binary(min_size=1, max_size=6)), max_size=20))
def test_no_file_that_a_row_knows_is_passed_by(paths: list[tuple[list[bytes], bytes]]) -> None:
    """What is asked of a folder and of a name as it stands leaves nothing out that the whole path would say."""
    builder, groups, table = FactsBuilder(), Groups(), PathTable(layer_tables())
    for folders, name in paths:
        path = b"/".join((*folders, name.replace(b"/", b"-")))
        builder.observe(listed(path, size=7))
        groups.add(table, absolute(path), 7)
    assert builder.finish().groups == groups
