"""Layers that leak into several images, and what images are built on."""

from __future__ import annotations

import pytest

from imgscan.fleet.outline import base_images, shared_leaks, with_bases
from imgscan.fleets import Change, FleetFinding, FleetImage, Origin
from imgscan.model import Severity


def image(name: str, *layers: str, base: str = "", created: str = "") -> FleetImage:
    return FleetImage(
        name=name, ref=name, team="", origin=Origin.NEW, key=name, layers=layers, base=base, created=created
    )


def finding(at: str, layer: str, print_: str = "f", severity: Severity = Severity.HIGH, **more: object) -> FleetFinding:
    fields = {"rule_id": "secret-x", "change": Change.STANDING, **more}
    return FleetFinding(
        image=at, team="", fingerprint=print_, severity=severity, message="m", first_seen="", last_seen="", layer=layer,
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_base_is_the_largest_image_that_another_begins_with() -> None:
    images = with_bases(
        [image("debian", "d"), image("node", "d", "n"), image("app", "d", "n", "a"), image("own", "x", "y", base="x")]
    )
    assert [one.base for one in images] == ["", "d", "n", "x"]


def test_a_leak_is_told_once_with_all_its_images() -> None:
    images = with_bases([image("base", "b"), image("one", "b", "1"), image("two", "b", "2"), image("else", "e")])
    found = [finding(name, "b") for name in ("base", "one", "two")]
    found += [finding("one", "1", "own")]
    (leak,) = shared_leaks(images[1:], found, {"b": "COPY . ."})
    assert (leak.layer, leak.images, leak.instruction, leak.base) == ("b", ("one", "two"), "COPY . .", True)
    assert [print_ for print_, *_ in leak.findings] == ["f"]
    (leak,) = shared_leaks(images, found, {})
    assert leak.base is True
    (leak,) = shared_leaks([image("one", "b", "1"), image("two", "b", "2")], found, {})
    assert leak.base is False


@pytest.mark.parametrize(
    "more",
    [
        {"change": Change.FIXED},
        {"accepted": True},
        {"severity": Severity.LOW},
        {"rule_id": "layer-junk"},
    ],
    ids=["fixed", "accepted", "low", "no secret"],
)
def test_what_does_not_count_as_a_leak(more: dict[str, object]) -> None:
    images = [image("one", "b"), image("two", "b")]
    assert shared_leaks(images, [finding("one", "b", **more)], {}) == ()  # type: ignore[arg-type]


def test_bases_are_ranked_by_what_a_rebuild_mends() -> None:
    images = with_bases(
        [
            image("old", "o", created="2024-01-01T00:00:00Z"),
            image("new", "n"),
            image("a", "o", "a", created="2026-01-01T00:00:00Z"),
            image("b", "n", "b"),
            image("c", "n", "c"),
            image("d", "p", "d", base="p"),
        ]
    )
    found = [finding("a", "o", "1", Severity.CRITICAL), finding("a", "a", "2", Severity.CRITICAL)]
    bases = base_images(images, found)
    assert [(base.layer, base.names, base.images) for base in bases] == [
        ("o", ("old",), ("a",)),
        ("n", ("new",), ("b", "c")),
        ("p", (), ("d",)),
    ]
    assert bases[0].findings == ((Severity.CRITICAL, 1),)
    assert bases[0].created == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
