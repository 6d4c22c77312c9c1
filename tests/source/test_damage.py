"""Small archives cut off at every block and changed at every byte: refused, told, or read as they were. What is never
given is another image as if it were whole."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from fuzz.targets import Open, indexed, one_pass, scanned
from imagemaker import Made, containerd, docker25, legacy, oci
from tarmaker import archive, directory, member, symlink

from imgscan.scan import ImageScan

IMAGE = Made(
    layers=(archive(directory(b"etc/"), member(b"etc/passwd", b"root:x:0:0\n"), symlink(b"bin/sh", b"busybox")),),
    settings={"Env": ["A=1"], "User": "app"},
    history=[{"created_by": "ADD rootfs.tar /"}],
)
LAYOUTS = {"legacy": legacy, "docker25": docker25, "containerd": containerd, "oci": oci}
WAYS: dict[str, Open] = {"by-index": indexed, "one-pass": one_pass}


def facts(found: ImageScan) -> object:
    """What an image is. Its name, the blobs' names and digests are what the archive says, and nothing vouches for
    them."""
    image = found.image
    return (
        [(list(layer.listing.items), layer.listing.diff_id) for layer in found.layers],
        [layer.listing.whiteouts + layer.listing.opaques for layer in found.layers],
        [layer.diff_id for layer in image.layers],
        [layer.created_by for layer in image.layers],
        (image.image_id, image.platform, image.config, image.raw_config),
    )


def outcome(data: bytes, way: Open, whole: ImageScan) -> str:
    found = scanned(lambda: way(data))
    if found is None:
        return "refused"
    if found.skipped:
        return "told"
    return "same" if facts(found) == facts(whole) else "different"


def read_whole(data: bytes, way: Open) -> ImageScan:
    found = scanned(lambda: way(data))
    assert found is not None
    assert found.skipped == ()
    return found


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_cut_off_at_every_block(layout: str, way: str, pack: Callable[[bytes], bytes]) -> None:
    if pack is gzip.compress and way == "by-index":
        way = "one-pass"
    whole = LAYOUTS[layout](IMAGE)
    intact = read_whole(whole, WAYS[way])
    data = pack(whole)
    step = 512 if pack is bytes else 16
    outcomes = {end: outcome(data[:end], WAYS[way], intact) for end in range(0, len(data), step)}
    passed = [end for end, found in outcomes.items() if found not in ("refused", "told")]
    # Without zero blocks at its end an archive ends between two members: engines read it, too, if it has all they need.
    assert {outcomes[end] for end in passed} <= {"same"}
    assert pack is bytes or not passed
    assert "refused" in outcomes.values()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", ["legacy", "docker25", "oci"])
def test_changed_at_every_byte(layout: str, way: str) -> None:
    data = LAYOUTS[layout](IMAGE)
    intact = read_whole(data, WAYS[way])
    outcomes: dict[str, list[int]] = {}
    # Most of an archive is padding: outside of one layout only some of it is changed.
    for at in range(len(data)):
        if layout != "oci" and not data[at] and at % 16:
            continue
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        outcomes.setdefault(outcome(bytes(changed), WAYS[way], intact), []).append(at)
    assert outcomes.get("different", []) == []
    assert {"refused", "told", "same"} <= set(outcomes)
