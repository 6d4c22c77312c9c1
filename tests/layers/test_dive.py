"""dive's figures, error by error, as its own code gives them (image-layers reference, 1.3)."""

from __future__ import annotations

import io

import divemodel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listings import LAYERS, listed, listing_of
from tarmaker import archive, directory, header, member

from imgscan.layers.blob import open_layer
from imgscan.layers.dive import dive_metrics
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer
from imgscan.model import EntryKind

PAYLOAD = b"p" * 100_000
OTHER = member(b"other", b"o" * 1000)


def layer(*parts: bytes) -> LayerListing:
    return list_layer(open_layer(io.BytesIO(archive(*parts))), ReadingSearch())


CASES = [
    pytest.param([[OTHER, member(b"f", PAYLOAD)], [header(b".wh.f")]], 100_000, 100_000, 0.0099, id="file-deleted"),
    pytest.param(
        [[OTHER, directory(b"d/"), member(b"d/f", PAYLOAD)], [header(b".wh.d")]],
        100_000,
        0,
        1.0,
        id="directory-deleted",
    ),
    pytest.param(
        [[OTHER, directory(b"d/"), member(b"d/f", PAYLOAD)], [directory(b"d/"), header(b"d/.wh..wh..opq")]],
        100_000,
        0,
        1.0,
        id="opaque",
    ),
    pytest.param(
        [[OTHER, directory(b"d/"), member(b"d/f", PAYLOAD)], [header(b"d")]],
        100_000,
        0,
        1.0,
        id="directory-replaced-by-file",
    ),
    pytest.param(
        [[OTHER, member(b"f", PAYLOAD)], [member(b"f", PAYLOAD, mode=0o755)]], 100_000, 200_000, 0.5025, id="chmod"
    ),
    pytest.param(
        [[OTHER, member(b"z", PAYLOAD)], [header(b".wh.gone"), member(b"z", PAYLOAD)]],
        100_000,
        0,
        1.0,
        id="dangling-whiteout",
    ),
    pytest.param([[OTHER, member(b"f", PAYLOAD)], [member(b"g", b"1")]], 0, 0, 1.0, id="no-waste"),
    pytest.param([[OTHER]], 0, 0, 1.0, id="one-layer"),
    pytest.param([], 0, 0, 1.0, id="no-layer"),
    pytest.param(
        [[member(b"a", b"1" * 10)], [member(b"a", b"2" * 20)], [header(b".wh.a")], [member(b"a", b"3" * 5)]],
        30,
        35,
        0.0,
        id="four-times-one-path",
    ),
]


@pytest.mark.parametrize(("layers", "true_waste", "wasted", "efficiency"), CASES)
def test_dive_s_errors_are_kept_and_ours_are_exact(
    layers: list[list[bytes]], true_waste: int, wasted: int, efficiency: float
) -> None:
    listings = [layer(*parts) for parts in layers]
    metrics = dive_metrics(listings)
    assert metrics.wasted_bytes == wasted
    assert round(metrics.efficiency, 4) == efficiency
    assert stack(listings).reclaimable_bytes == true_waste
    user = sum(listing.size_bytes for listing in listings[1:])
    assert metrics.user_wasted_percent == (wasted / user if user else 0.0)


def test_a_directory_s_whiteout_counts_its_subtree_when_the_path_came_before() -> None:
    first = layer(directory(b"d/"))
    second = layer(directory(b"d/"), member(b"d/f", b"x" * 70))
    third = layer(header(b".wh.d"))
    # The empty directory of the first layer is a leaf there, so the path is seen twice: 0 bytes, then its subtree.
    assert dive_metrics([first, second, third]).wasted_bytes == 70


def with_parents(listing: LayerListing) -> LayerListing:
    """The layer as a builder would write it: every directory listed, whiteouts and opaque markers in listed ones."""
    paths = [*(item.path for item in listing.items), *listing.whiteouts]
    parents = {b"/".join(path.split(b"/")[:depth]) for path in paths for depth in range(1, path.count(b"/") + 1)}
    parents.update(listing.opaques)
    for opaque in listing.opaques:
        parents.update(b"/".join(opaque.split(b"/")[:depth]) for depth in range(1, opaque.count(b"/") + 1))
    files = {item.path: item for item in listing.items if item.path not in parents}
    directories = [listed(path, EntryKind.DIRECTORY) for path in sorted(parents)]
    return listing_of([*directories, *files.values()], list(listing.whiteouts), list(listing.opaques))


@settings(max_examples=300)
@given(st.lists(LAYERS, max_size=5))
def test_merging_gives_what_dive_s_own_trees_give(layers: list[LayerListing]) -> None:
    well_formed = [with_parents(layer) for layer in layers]
    ours, model = dive_metrics(well_formed), divemodel.dive_metrics(well_formed)
    assert (ours.wasted_bytes, ours.user_wasted_percent) == (model.wasted_bytes, model.user_wasted_percent)
    assert ours.efficiency == pytest.approx(model.efficiency)
