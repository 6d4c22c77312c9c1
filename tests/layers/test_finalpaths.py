"""Which files are in the final root file system, by whatever links."""

from __future__ import annotations

import pytest
from listings import listed, listing_of

from imgscan.layers.filesystem import stack
from imgscan.layers.finalpaths import final_paths
from imgscan.model import EntryKind

LINK, HARD, DIRECTORY = EntryKind.SYMLINK, EntryKind.HARDLINK, EntryKind.DIRECTORY
BASE = listing_of(
    [
        listed(b"bin", LINK, target=b"usr/bin"),
        listed(b"usr/bin/busybox", size=9),
        listed(b"usr/bin/wget", LINK, target=b"/bin/busybox"),
        listed(b"usr/bin/nc", HARD, target=b"usr/bin/busybox"),
        listed(b"usr/bin/curl", size=5),
        listed(b"usr/bin/loop", LINK, target=b"loop"),
        listed(b"usr/bin/gone", LINK, target=b"../../nowhere"),
        listed(b"usr/bin/up", LINK, target=b"../../../../usr/bin/curl"),
        listed(b"usr/bin/sh", DIRECTORY),
        listed(b"a", LINK, target=b"b"),
        listed(b"b", LINK, target=b"a"),
    ],
    [],
    [],
)
NAMES = ("wget", "nc", "curl", "loop", "gone", "up", "sh", "x")


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/usr/bin/curl", True),
        ("/bin/curl", True),
        ("/bin/wget", True),
        ("/usr/bin/nc", True),
        ("/usr/bin/up", True),
        ("/bin//./curl", True),
        ("/usr/bin/../bin/curl", True),
        ("/usr/bin/loop", False),
        ("/usr/bin/gone", False),
        ("/usr/bin/sh", False),
        ("/a/x", False),
        ("/curl", False),
        ("", False),
    ],
)
def test_links_are_followed(path: str, *, there: bool) -> None:
    assert final_paths(stack([BASE]), NAMES)(path) is there


def test_what_a_higher_layer_removes_is_not_there() -> None:
    exists = final_paths(stack([BASE, listing_of([], [b"usr/bin/curl"], [])]), NAMES)
    assert not exists("/bin/curl")
    assert not exists("/usr/bin/up")
    assert exists("/bin/wget")
