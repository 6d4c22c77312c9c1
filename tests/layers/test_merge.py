"""Passing over what one layer has alone changes nothing where layers meet."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from listings import LAYERS, in_small_blocks, listed, listing_of

from imgscan.layers.blocks import is_below, key_of, path_of
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import LayerListing
from imgscan.layers.merge import Group, merge_paths
from imgscan.model import EntryKind


def naive_groups(listings: Sequence[LayerListing]) -> list[Group]:
    """Every path of every layer, by looking all of them through for each."""
    having = [
        {key_of(path) for path in (*listing.whiteouts, *listing.opaques, *(item.path for item in listing.items))}
        for listing in listings
    ]
    groups = []
    for key in sorted(set().union(*having)):
        path = path_of(key)
        groups.append(
            Group(
                key,
                [
                    ((layer, item.order), item)
                    for layer, listing in enumerate(listings)
                    for item in listing.items
                    if item.path == path
                ],
                [layer for layer, listing in enumerate(listings) if path in listing.whiteouts],
                [layer for layer, listing in enumerate(listings) if path in listing.opaques],
                any(other != key and is_below(other, key) for keys in having for other in keys),
                frozenset(
                    layer
                    for layer, listing in enumerate(listings)
                    if path in {item.path for item in listing.items}
                    and any(item.path != path and is_below(key_of(item.path), key) for item in listing.items)
                ),
            )
        )
    return groups


def meets(key: bytes, layer: int, listings: Sequence[LayerListing]) -> bool:
    """Whether another layer than this one has something at, above or below a path."""
    others = [
        key_of(path)
        for number, listing in enumerate(listings)
        for path in (
            *listing.whiteouts,
            *listing.opaques,
            *(item.path for item in listing.items if number != layer),
        )
    ]
    return any(key == other or is_below(other, key) for other in others)


def in_blocks(listing: LayerListing, size: int) -> LayerListing:
    return msgspec.structs.replace(listing, items=in_small_blocks(listing.items, size))


STACKS = st.lists(LAYERS, max_size=4)


@given(STACKS, st.integers(1, 3))
def test_without_passing_every_path_is_told(listings: list[LayerListing], size: int) -> None:
    found = list(merge_paths([in_blocks(listing, size) for listing in listings], lambda key, layer: False))
    assert found == naive_groups(listings)


ONE = EntryKind.FILE


@given(STACKS, st.integers(1, 3))
@example([listing_of([listed(b"a", ONE, 1)], [], []), listing_of([listed(b"a/b", ONE, 1)], [], [])], 1)
@example([listing_of([listed(b"a/b", ONE, 1)], [], []), listing_of([listed(b"a-", ONE), listed(b"a/c")], [], [])], 1)
@example([listing_of([listed(b"b"), listed(b"b/a")], [], []), listing_of([], [b"b/a"], [b"b"])], 1)
def test_what_is_passed_over_concerns_no_other_layer(listings: list[LayerListing], size: int) -> None:
    found = list(merge_paths([in_blocks(listing, size) for listing in listings], lambda key, layer: True))
    expected = naive_groups(listings)
    assert [group for group in expected if group in found] == found, "nothing is made up, nothing is out of order"
    for group in expected:
        if group in found:
            continue
        layers = {time[0] for time, _ in group.entries}
        assert len(layers) == 1
        assert not group.whiteouts
        assert not group.opaques
        (layer,) = layers
        assert not meets(group.key, layer, listings)
        assert not listings[layer].clashes


@given(STACKS, st.integers(1, 3))
def test_stacking_does_not_depend_on_the_blocks(listings: list[LayerListing], size: int) -> None:
    whole, parts = stack(listings), stack([in_blocks(listing, size) for listing in listings])
    assert (whole.waste, whole.dangling_whiteouts) == (parts.waste, parts.dangling_whiteouts)
    assert list(whole.visible()) == list(parts.visible())


def test_a_stretch_of_one_layer_is_not_read() -> None:
    big = listing_of([listed(b"%05d" % number, ONE, 1) for number in range(10_000)], [], [])
    small = listing_of([listed(b"05000", ONE, 1)], [], [])
    found = list(merge_paths([big, small], lambda key, layer: True))
    assert [group.key for group in found] == [b"05000"]
    assert [time for time, _ in found[0].entries] == [(0, 5000), (1, 0)]
