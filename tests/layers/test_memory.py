"""A layer of a million entries takes little more memory than one of a thousand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIMIT_KB = 120 * 1024
PROGRAM = """
import resource, sys
from imgscan.layers.filesystem import stack
from imgscan.layers.listing import ListingBuilder
from imgscan.layers.tar import Entry
from imgscan.model import EntryKind

def entry(path, size, kind=EntryKind.FILE):
    return Entry(path=path, kind=kind, size_bytes=size, mode=0o644, uid=0, gid=0)

count = int(sys.argv[1])
builder = ListingBuilder()
for number in range(count):
    if not number % 20:
        folder = b"usr/lib/node_modules/package-%d" % (number * 48271 % count)
        builder.add(entry(folder, 0, EntryKind.DIRECTORY))
    builder.add(entry(b"%b/file-%d.js" % (folder, number), 1000), number.to_bytes(32, "little"))
base = builder.finish(diff_id=None, digest=None)
top = ListingBuilder()
top.add(entry(b"%b/file-%d.js" % (folder, number), 7), bytes(32))
result = stack([base, top.finish(diff_id=None, digest=None)])
assert result.reclaimable_bytes == 1000, result.reclaimable_bytes
assert result.visible_bytes == 1000 * (count - 1) + 7
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_kb(entries: int) -> int:
    """What listing and stacking took at most."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(entries)],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        check=True,
        timeout=600,
    )
    return int(done.stdout)


def test_a_million_entries() -> None:
    assert peak_kb(1_000_000) - peak_kb(1_000) < LIMIT_KB
