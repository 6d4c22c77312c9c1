"""The tree of each layer: equal to an independent stack of dictionaries, changes, totals, filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.explore.tree import Change, Filter, ImageTree, Node, children, walk
from imgscan.layers.blocks import BlockWriter, ListedEntry
from imgscan.layers.listing import LayerListing
from imgscan.model import EntryKind

FILE, DIRECTORY = EntryKind.FILE, EntryKind.DIRECTORY


def entry(path: str, size: int = 0, kind: EntryKind = FILE, mode: int = 0o644) -> ListedEntry:
    return ListedEntry(path=path.encode(), kind=kind, size_bytes=size, mode=mode, uid=0, gid=0)


def layer(*entries: ListedEntry, whiteouts: tuple[str, ...] = (), opaques: tuple[str, ...] = ()) -> LayerListing:
    writer = BlockWriter()
    for order, one in enumerate(entries):
        writer.add(
            ListedEntry(
                path=one.path, kind=one.kind, size_bytes=one.size_bytes, mode=one.mode, uid=0, gid=0, order=order
            )
        )
    return LayerListing(
        diff_id=None, digest=None, size_bytes=0, entries=len(entries), items=writer.finish()[0],
        whiteouts=tuple(path.encode() for path in whiteouts), opaques=tuple(path.encode() for path in opaques),
    )  # fmt: skip


def shown(root: Node) -> dict[str, str]:
    return {path.decode(): node.change.value[0] for path, node in walk(root) if not node.is_directory}


BASE = layer(entry("etc", 0, DIRECTORY, 0o755), entry("etc/a", 10), entry("etc/b", 20), entry("x/y", 5))
CASES = [
    pytest.param(layer(entry("etc/a", 11)), {"/etc/a": "m", "/etc/b": "u", "/x/y": "u"}, 36, id="overwritten"),
    pytest.param(layer(entry("etc/c", 1)), {"/etc/a": "u", "/etc/b": "u", "/etc/c": "a", "/x/y": "u"}, 36, id="added"),
    pytest.param(layer(whiteouts=("etc/a",)), {"/etc/a": "r", "/etc/b": "u", "/x/y": "u"}, 25, id="deleted"),
    pytest.param(layer(whiteouts=("etc",)), {"/etc/a": "r", "/etc/b": "r", "/x/y": "u"}, 5, id="folder-deleted"),
    pytest.param(layer(opaques=("etc",)), {"/etc/a": "r", "/etc/b": "r", "/x/y": "u"}, 5, id="opaque"),
    pytest.param(
        layer(entry("etc/a", 3), opaques=("etc",)), {"/etc/a": "m", "/etc/b": "r", "/x/y": "u"}, 8, id="opaque-and-back"
    ),
    pytest.param(layer(whiteouts=("no/such",)), {"/etc/a": "u", "/etc/b": "u", "/x/y": "u"}, 35, id="of-nothing"),
    pytest.param(layer(entry("x/y", 1), entry("x/y", 2)), {"/etc/a": "u", "/etc/b": "u", "/x/y": "m"}, 32, id="twice"),
]


@pytest.mark.parametrize(("second", "changes", "total"), CASES)
def test_what_a_layer_does(second: LayerListing, changes: dict[str, str], total: int) -> None:
    root = ImageTree([BASE, second]).at(1)
    assert shown(root) == changes
    assert root.total_bytes == total


def test_what_was_removed_is_gone_in_the_next_layer_and_there_again_before() -> None:
    trees = ImageTree([BASE, layer(whiteouts=("etc",)), layer(entry("new", 1))])
    assert "/etc/a" not in shown(trees.at(2))
    assert shown(trees.at(1))["/etc/a"] == "r"
    assert shown(trees.at(0)) == {"/etc/a": "a", "/etc/b": "a", "/x/y": "a"}


def test_a_file_in_place_of_a_folder_takes_what_was_in_it() -> None:
    root = ImageTree([BASE, layer(entry("etc", 7))]).at(1)
    assert root.children[b"etc"].change is Change.MODIFIED
    assert root.total_bytes == 12


def test_a_file_in_place_of_a_folder_that_only_paths_tell_of() -> None:
    trees = ImageTree([BASE, layer(entry("x", 7)), layer()])
    assert trees.at(1).children[b"x"].change is Change.MODIFIED
    assert shown(trees.at(2)) == {"/etc/a": "u", "/etc/b": "u", "/x": "u"}


def test_a_folder_told_of_again_is_not_changed_but_one_of_another_mode_is() -> None:
    same = ImageTree([BASE, layer(entry("etc", 0, DIRECTORY, 0o755))]).at(1)
    other = ImageTree([BASE, layer(entry("etc", 0, DIRECTORY, 0o700))]).at(1)
    assert same.children[b"etc"].change is Change.UNCHANGED
    assert other.children[b"etc"].change is Change.MODIFIED


NAMES = st.sampled_from(["a", "b", "a/x", "a/y", "b/x", "a/x/q", "c/d/e"])
LAYERS = st.lists(
    st.tuples(
        st.dictionaries(NAMES, st.integers(0, 99), max_size=5), st.sets(NAMES, max_size=2), st.sets(NAMES, max_size=1)
    ),
    max_size=5,
)


Raw = list[tuple[dict[str, int], set[str], set[str]]]


def stacked(layers: Raw) -> dict[str, int]:
    """The visible files by the words of the specification, one path at a time."""
    files: dict[str, int] = {}
    for added, removed, emptied in layers:
        for folder in emptied:
            files = {p: s for p, s in files.items() if not p.startswith(folder + "/")}
        for gone in removed:
            files = {p: s for p, s in files.items() if p != gone and not p.startswith(gone + "/")}
        for path in sorted(added):
            parts = path.split("/")
            for depth in range(1, len(parts)):
                files.pop("/".join(parts[:depth]), None)
            files = {p: s for p, s in files.items() if not p.startswith(path + "/")}
            files[path] = added[path]
    return files


def consistent(added: dict[str, int]) -> dict[str, int]:
    """No file below another file of the same layer."""
    return {path: size for path, size in added.items() if not any(path.startswith(other + "/") for other in added)}


@given(LAYERS)
def test_every_tree_is_what_the_specification_says(raw: Raw) -> None:
    layers = [(consistent(added), removed, emptied) for added, removed, emptied in raw]
    trees = ImageTree(
        [
            layer(
                *(entry(path, size) for path, size in added.items()),
                whiteouts=tuple(sorted(removed)),
                opaques=tuple(sorted(emptied)),
            )
            for added, removed, emptied in layers
        ]
    )
    for at in [*range(len(layers)), *reversed(range(len(layers)))]:
        root = trees.at(at)
        visible = {
            path.decode().lstrip("/"): node.size_bytes
            for path, node in walk(root)
            if node.entry is not None and node.change is not Change.REMOVED
        }
        expected = stacked(layers[: at + 1])
        assert {path: size for path, size in visible.items() if path in expected} == expected
        assert root.total_bytes == sum(expected.values())
        before = stacked(layers[:at])
        for path, node in walk(root):
            name = path.decode().lstrip("/")
            if node.change is Change.REMOVED:
                assert name not in expected
                assert name in before or node.is_directory
            elif name in expected and name not in layers[at][0]:
                assert node.change is Change.UNCHANGED


FILTERS = [
    pytest.param(frozenset(Change), "", {"/etc/a", "/etc/b", "/x/y", "/new"}, id="all"),
    pytest.param(frozenset({Change.ADDED}), "", {"/new"}, id="added"),
    pytest.param(frozenset({Change.MODIFIED, Change.REMOVED}), "", {"/etc/a", "/x/y"}, id="changed"),
    pytest.param(frozenset(Change), "ETC/.$", {"/etc/a", "/etc/b"}, id="pattern"),
    pytest.param(frozenset({Change.REMOVED}), "^/x", {"/x/y"}, id="both"),
    pytest.param(frozenset(Change), "[a", set(), id="no-pattern-is-text"),
]


@pytest.mark.parametrize(("changes", "pattern", "paths"), FILTERS)
def test_filters(changes: frozenset[Change], pattern: str, paths: set[str]) -> None:
    root = ImageTree([BASE, layer(entry("new", 1), entry("etc/a", 1), whiteouts=("x/y",))]).at(1)
    chosen = Filter(changes, pattern)
    assert {p.decode() for p, node in walk(root) if not node.is_directory and chosen.shows(node, p)} == paths
    for path, node in walk(root):
        if node.is_directory:
            below = any(found.startswith(path.decode() + "/") for found in paths)
            assert chosen.shows(node, path) is below


def test_order_by_name_and_by_size() -> None:
    root = ImageTree([layer(entry("b", 1), entry("a", 2), entry("z/q", 9))]).at(0)
    assert [child.name for child in children(root, by_size=False)] == [b"z", b"a", b"b"]
    assert [child.name for child in children(root, by_size=True)] == [b"z", b"a", b"b"]
    root = ImageTree([layer(entry("b", 5), entry("a", 2), entry("z/q", 1))]).at(0)
    assert [child.name for child in children(root, by_size=True)] == [b"b", b"a", b"z"]
