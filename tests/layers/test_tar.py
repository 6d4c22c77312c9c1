"""The reader against the vectors of Go's archive/tar (reader_test.go), rebuilt byte by byte, and against `tarfile`."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tarmaker import (
    END,
    archive,
    base256,
    checksummed,
    directory,
    gnu_sparse,
    hardlink,
    header,
    long_name,
    map_text,
    member,
    octal,
    padded,
    pax,
    record,
    sparse_0,
    sparse_01,
    sparse_1,
    symlink,
)

from imgscan.layers.tar import Entry, TarEntry, clean_path, read_entries
from imgscan.layers.tarwindow import HOLE_BYTES_PER_ARCHIVE
from imgscan.model import EntryKind, Skipped

FILE = EntryKind.FILE


class Piecemeal:
    """A stream that cannot seek and gives at most seven bytes a time more than a block."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, 519))


def read_all(data: bytes, *, seekable: bool = True) -> tuple[list[tuple[Entry, bytes]], Skipped | None]:
    entries: list[tuple[Entry, bytes]] = []
    for item in read_entries(io.BytesIO(data) if seekable else Piecemeal(data)):
        if isinstance(item, Skipped):
            return entries, item
        entries.append((item.entry, item.read()))
    return entries, None


def names(data: bytes) -> list[bytes]:
    entries, skipped = read_all(data)
    assert skipped is None
    return [entry.path for entry, _ in entries]


SPARSE_TEXT = b"".join(bytes([0, byte]) for byte in b"Go is sparse")
SPARSE_PAIRS = [(1 + 2 * index, 1) for index in range(12)]
SPARSE_DATA = b"Go is sparse"


LONG = b"a/" + b"/".join(b"%d" % number for number in range(80))

READS = [
    pytest.param(
        archive(member(b"small.txt", b"Kilts"), member(b"small2.txt", b"Google.com\n", form="gnu")),
        [(b"small.txt", FILE, b"Kilts"), (b"small2.txt", FILE, b"Google.com\n")],
        id="gnu",
    ),
    pytest.param(
        archive(member(b"small.txt", b"Kilts", form="star"), member(b"b", b"12", form="star")),
        [(b"small.txt", FILE, b"Kilts"), (b"b", FILE, b"12")],
        id="star",
    ),
    pytest.param(
        archive(header(b"f", form="star", fields={345: b"p" * 131})),
        [(b"p" * 131 + b"/f", FILE, b"")],
        id="star-prefix",
    ),
    pytest.param(
        archive(member(b"small.txt", b"Kilts", flag=b"\0", form="v7"), header(b"dir/", flag=b"\0", form="v7")),
        [(b"small.txt", FILE, b"Kilts"), (b"dir", EntryKind.DIRECTORY, b"")],
        id="v7",
    ),
    pytest.param(archive(header(b"f", prefix=b"some/where")), [(b"some/where/f", FILE, b"")], id="ustar-prefix"),
    pytest.param(
        archive(pax((b"path", LONG), (b"mtime", b"1350244992.023960108")), member(b"short", b"content")),
        [(LONG, FILE, b"content")],
        id="pax",
    ),
    pytest.param(
        archive(pax((b"size", b"000000000000000000000999")), header(b"foo", size=0) + padded(b"x" * 999)),
        [(b"foo", FILE, b"x" * 999)],
        id="pax-pos-size-file",
    ),
    pytest.param(
        archive(
            pax((b"GOLANG.pkg", b"tar"), (b"comment", "Hello, 世界".encode()), (b"uname", b"long" * 10)),
            header(b"file"),
        ),
        [(b"file", FILE, b"")],
        id="pax-records",
    ),
    pytest.param(
        archive(
            pax((b"path", b"global1"), (b"mtime", b"1500000000.0"), flag=b"g"),
            header(b"file1"),
            pax((b"path", b"file2")),
            header(b"x"),
            pax((b"path", b""), flag=b"g"),
            header(b"file3"),
            pax((b"mtime", b"1400000000")),
            header(b"file4"),
        ),
        [(b"file1", FILE, b""), (b"file2", FILE, b""), (b"file3", FILE, b""), (b"file4", FILE, b"")],
        id="pax-global-records",
    ),
    pytest.param(
        archive(pax((b"path", b"lost")), long_name(b"lost2"), pax((b"comment", b"x"), flag=b"g"), header(b"kept")),
        [(b"kept", FILE, b"")],
        id="global-header-parts-extension-from-file",
    ),
    pytest.param(
        archive(pax((b"size", b"x"), flag=b"g"), header(b"f")), [(b"f", FILE, b"")], id="pax-global-values-do-not-count"
    ),
    pytest.param(archive(header(b"nil-uid", fields={108: bytes(8)})), [(b"nil-uid", FILE, b"")], id="nil-uid"),
    pytest.param(
        archive(pax((b"SCHILY.xattr.security.selinux", b"unconfined\0")), member(b"small.txt", b"Kilts")),
        [(b"small.txt", FILE, b"Kilts")],
        id="xattrs",
    ),
    pytest.param(
        archive(
            long_name(b"GNU1/GNU1/long-path-name"),
            long_name(b"GNU2/GNU2/long-path-name"),
            long_name(b"GNU3/GNU3/long-linkpath-name", b"K"),
            long_name(b"GNU4/GNU4/long-linkpath-name", b"K"),
            header(b"foo", flag=b"2", link=b"bar", form="gnu"),
        ),
        [(b"GNU2/GNU2/long-path-name", EntryKind.SYMLINK, b"GNU4/GNU4/long-linkpath-name")],
        id="gnu-multi-hdrs",
    ),
    pytest.param(
        archive(
            pax((b"path", b"PAX1/PAX1/long-path-name")),
            pax((b"path", b"PAX2/PAX2/long-path-name")),
            pax((b"linkpath", b"PAX3/PAX3/long-linkpath-name")),
            pax((b"linkpath", b"PAX4/PAX4/long-linkpath-name")),
            symlink(b"bar", b"baz"),
        ),
        [(b"bar", EntryKind.SYMLINK, b"PAX4/PAX4/long-linkpath-name")],
        id="pax-multi-hdrs",
    ),
    pytest.param(
        archive(long_name(b"gnu-wins"), pax((b"path", b"pax-loses")), header(b"x")),
        [(b"gnu-wins", FILE, b"")],
        id="gnu-name-over-pax-path",
    ),
    pytest.param(
        archive(
            member(b"test2/", b"Yfoo\0Nbar\0\0\0\0\0", flag=b"D", form="gnu"),
            member(b"test2/foo", b"x" * 64, form="gnu", fields={345: octal(0o12574544345, 12), 357: octal(1, 12)}),
        ),
        [(b"test2", EntryKind.DIRECTORY, b"Yfoo\0Nbar\0\0\0\0\0"), (b"test2/foo", FILE, b"x" * 64)],
        id="gnu-incremental",
    ),
    pytest.param(
        archive(long_name(b"0123456789\0ignored"), header(b"x", form="gnu")),
        [(b"0123456789", FILE, b"")],
        id="gnu-long-nul",
    ),
    pytest.param(
        archive(long_name("☺☻☹".encode() * 10), header(b"x", form="gnu")),
        [("☺☻☹".encode() * 10, FILE, b"")],
        id="gnu-utf8",
    ),
    pytest.param(
        archive(header(b"hi\x80\x81\x82\x83bye", form="gnu")),
        [(b"hi\x80\x81\x82\x83bye", FILE, b"")],
        id="gnu-not-utf8",
    ),
    pytest.param(
        archive(header(b"foo", form="gnu", fields={345: b"a" * 100})),
        [(b"a" * 100 + b"/foo", FILE, b"")],
        id="invalid-go17",
    ),
    pytest.param(
        archive(header(b"file", fields={329: octal(1, 8), 337: octal(1, 8)})),
        [(b"file", FILE, b"")],
        id="ustar-file-devs",
    ),
    pytest.param(
        archive(gnu_sparse(b"sparse.db", 1000, [(0, 1000)], b"0123456789" * 100)),
        [(b"sparse.db", FILE, b"0123456789" * 100)],
        id="gnu-nil-sparse-data",
    ),
    pytest.param(
        archive(gnu_sparse(b"sparse.db", 1000, [(1000, 0)], b"")),
        [(b"sparse.db", FILE, bytes(1000))],
        id="gnu-nil-sparse-hole",
    ),
    pytest.param(
        archive(sparse_1(b"sparse.db", 1000, [(0, 1000)], b"0123456789" * 100)),
        [(b"sparse.db", FILE, b"0123456789" * 100)],
        id="pax-nil-sparse-data",
    ),
    pytest.param(
        archive(sparse_1(b"sparse.db", 1000, [(1000, 0)], b"")),
        [(b"sparse.db", FILE, bytes(1000))],
        id="pax-nil-sparse-hole",
    ),
    pytest.param(
        archive(
            gnu_sparse(b"sparse-gnu", 24, SPARSE_PAIRS, SPARSE_DATA),
            sparse_0(b"sparse-posix-0.0", 24, SPARSE_PAIRS, SPARSE_DATA),
            sparse_01(b"sparse-posix-0.1", 24, SPARSE_PAIRS, SPARSE_DATA),
            sparse_1(b"sparse-posix-1.0", 24, SPARSE_PAIRS, SPARSE_DATA),
            member(b"end", b"end\n"),
        ),
        [
            (b"sparse-gnu", FILE, SPARSE_TEXT),
            (b"sparse-posix-0.0", FILE, SPARSE_TEXT),
            (b"sparse-posix-0.1", FILE, SPARSE_TEXT),
            (b"sparse-posix-1.0", FILE, SPARSE_TEXT),
            (b"end", FILE, b"end\n"),
        ],
        id="sparse-formats",
    ),
    pytest.param(
        archive(gnu_sparse(b"many", 200, [(2 * index, 1) for index in range(100)], b"x" * 100), member(b"after", b"!")),
        [(b"many", FILE, b"x\0" * 100), (b"after", FILE, b"!")],
        id="gnu-sparse-several-extension-blocks",
    ),
    pytest.param(
        archive(pax((b"GNU.sparse.major", b"9"), (b"GNU.sparse.minor", b"9")), member(b"plain", b"data")),
        [(b"plain", FILE, b"data")],
        id="unknown-sparse-version-is-plain",
    ),
    pytest.param(
        archive(pax((b"path", b"123456789/" * 30)), directory(b"x")),
        [(b"/".join([b"123456789"] * 30), EntryKind.DIRECTORY, b"")],
        id="trailing-slash",
    ),
    pytest.param(
        archive(
            *(header(b"n%c" % flag, flag=bytes([flag]), size=12345, link=b"t") for flag in b"123456"),
            member(b"f", b"data"),
        ),
        [
            (b"n1", EntryKind.HARDLINK, b"t"),
            (b"n2", EntryKind.SYMLINK, b"t"),
            (b"n3", EntryKind.DEVICE, b""),
            (b"n4", EntryKind.DEVICE, b""),
            (b"n5", EntryKind.DIRECTORY, b""),
            (b"n6", EntryKind.FIFO, b""),
            (b"f", FILE, b"data"),
        ],
        id="hdr-only",
    ),
    pytest.param(
        archive(header(b"f", fields={124: base256(5, 12)}) + padded(b"12345")),
        [(b"f", FILE, b"12345")],
        id="base-256-size",
    ),
    pytest.param(
        archive(header(b"f", size=-0, fields={108: base256(-1, 8)})), [(b"f", FILE, b"")], id="base-256-negative-uid"
    ),
    pytest.param(
        checksummed(header(b"caf\xe9", form="gnu"), signed=True) + END, [(b"caf\xe9", FILE, b"")], id="signed-checksum"
    ),
    pytest.param(
        archive(member(b"cont", b"data", flag=b"7"), member(b"odd", b"data", flag=b"Q")),
        [(b"cont", FILE, b"data"), (b"odd", FILE, b"data")],
        id="unknown-types-are-read",
    ),
    pytest.param(
        archive(pax((b"path", b"")), header(b"kept")), [(b"kept", FILE, b"")], id="empty-pax-value-keeps-the-header's"
    ),
    pytest.param(
        archive(header(b"f", fields={124: b"     000005 "}) + padded(b"12345")), [(b"f", FILE, b"12345")], id="spaces"
    ),
    pytest.param(member(b"no-end", b"data"), [(b"no-end", FILE, b"data")], id="no-end-of-archive"),
    pytest.param(member(b"f", b"data") + bytes(512), [(b"f", FILE, b"data")], id="one-zero-block"),
    pytest.param(member(b"f", b"data")[:516], [(b"f", FILE, b"data")], id="ends-where-padding-begins"),
    pytest.param(archive(member(b"f", b"data")) + b"trash" * 200, [(b"f", FILE, b"data")], id="trash-behind-the-end"),
    pytest.param(b"", [], id="nothing"),
    pytest.param(END, [], id="empty-archive"),
    pytest.param(pax((b"path", b"x")), [], id="pax-header-without-file"),
]


@pytest.mark.parametrize("seekable", [True, False], ids=["seek", "stream"])
@pytest.mark.parametrize(("data", "expected"), READS)
def test_reads_as_go_does(data: bytes, expected: list[tuple[bytes, EntryKind, bytes]], seekable: bool) -> None:
    entries, skipped = read_all(data, seekable=seekable)
    assert skipped is None
    links = (EntryKind.HARDLINK, EntryKind.SYMLINK)
    assert [
        (entry.path, entry.kind, entry.link_target if entry.kind in links else content) for entry, content in entries
    ] == expected
    assert all(entry.size_bytes == len(content) for entry, content in entries)


REJECTS = [
    pytest.param(pax(body=b"garbage without a length"), 0, id="pax-bad-hdr-file"),
    pytest.param(pax(body=record(b"comment", b"x" * (1 << 20))), 0, id="pax-bad-hdr-large"),
    pytest.param(pax((b"mtime", b"1.x")) + header(b"f"), 0, id="pax-bad-mtime-file"),
    pytest.param(pax((b"mtime", b"")) + pax((b"atime", b"yesterday")) + header(b"f"), 0, id="pax-bad-atime"),
    pytest.param(pax((b"SCHILY.xattr.a\0b", b"x")) + header(b"f"), 0, id="pax-nul-xattrs"),
    pytest.param(pax((b"path", b"PAX1\0hidden")) + header(b"f"), 0, id="pax-nul-path"),
    pytest.param(pax((b"linkpath", b"a\0b")) + symlink(b"f", b"x"), 0, id="pax-nul-linkpath"),
    pytest.param(pax(body=b"3 somelongkey=\n") + header(b"f"), 0, id="pax-record-too-short"),
    pytest.param(pax(body=b"50 tooshort=\n") + header(b"f"), 0, id="pax-record-too-long"),
    pytest.param(pax(body=b"10 a=nameX") + header(b"f"), 0, id="pax-record-without-newline"),
    pytest.param(pax(body=b"6 =xx\n") + header(b"f"), 0, id="pax-record-without-key"),
    pytest.param(pax(body=b"7 novalue\n") + header(b"f"), 0, id="pax-record-without-equals"),
    pytest.param(pax((b"size", b"-1")) + header(b"f"), 0, id="pax-negative-size"),
    pytest.param(pax((b"size", b"9223372036854775808")) + header(b"f"), 0, id="pax-size-overflow"),
    pytest.param(pax((b"size", b"1_0")) + header(b"f"), 0, id="pax-size-underscore"),
    pytest.param(pax((b"uid", b"gtgergergersagersgers")) + header(b"f"), 0, id="pax-bad-uid"),
    pytest.param(pax(body=b"nothing", flag=b"g") + header(b"f"), 0, id="pax-global-bad"),
    pytest.param(header(b"f", fields={124: base256(-1, 12)}), 0, id="neg-size"),
    pytest.param(header(b"f", fields={124: b"\x80" + b"\xff" * 11}), 0, id="base-256-overflow"),
    pytest.param(header(b"f", fields={124: b"0000000008\0\0"}), 0, id="size-not-octal"),
    pytest.param(header(b"f", fields={124: b"00000_00001\0"}), 0, id="size-underscore"),
    pytest.param(header(b"f", fields={124: b"-0000000001\0"}), 0, id="size-sign"),
    pytest.param(header(b"f", fields={136: b"0000000zzzz\0"}), 0, id="mtime-not-octal"),
    pytest.param(header(b"f", fields={329: b"x" * 8}), 0, id="device-not-octal"),
    pytest.param(header(b"f", form="star", fields={476: b"x" * 12}), 0, id="star-atime-not-octal"),
    pytest.param(header(b"ok")[:148] + b"0000001\0" + header(b"ok")[156:], 0, id="checksum"),
    pytest.param(header(b"ok")[:148] + b"9999999\0" + header(b"ok")[156:], 0, id="checksum-not-octal"),
    pytest.param(header(b"ok")[:148] + header(b"ok")[148:154] + b" 9" + header(b"ok")[156:], 0, id="checksum-trash"),
    pytest.param(member(b"f", b"data") + b"trash" * 200, 1, id="trash-for-a-header"),
    pytest.param(member(b"f", b"data") + bytes(512) + header(b"g"), 1, id="zero-block-then-header"),
    pytest.param(member(b"f", b"data") + bytes(512) + b"trash", 1, id="zero-block-then-trash"),
    pytest.param(member(b"f", b"data")[:511], 0, id="truncated-header"),
    pytest.param(member(b"f", b"data")[:512], 1, id="truncated-before-content"),
    pytest.param(member(b"f", b"data" * 300)[:1000], 1, id="truncated-content"),
    pytest.param(member(b"big", b"x" * 2_000_000)[:1_999_999], 1, id="truncated-large-content"),
    pytest.param(header(b"f", size=(1 << 63) - 1), 1, id="content-longer-than-a-position-can-say"),
    pytest.param(header(b"f", size=1 << 62) + bytes(600), 1, id="content-longer-than-any-file"),
    pytest.param(pax((b"path", b"x" * 600))[:700], 0, id="truncated-pax"),
    pytest.param(long_name(b"x" * 600)[:700], 0, id="truncated-long-name"),
    pytest.param(header(b"big", size=1 << 21, flag=b"L", form="gnu"), 0, id="long-name-too-large"),
    pytest.param(header(b"f", flag=b"S", form="ustar"), 0, id="sparse-not-gnu"),
    pytest.param(gnu_sparse(b"f", 1000, [(0, 10), (5, 10)], b"x" * 20), 0, id="sparse-overlap"),
    pytest.param(gnu_sparse(b"f", 10, [(5, 10)], b"x" * 10), 0, id="sparse-beyond-its-size"),
    pytest.param(gnu_sparse(b"f", 1000, [(0, 10)], b"x" * 20), 0, id="sparse-unreferenced-data"),
    pytest.param(gnu_sparse(b"f", 1000, [(0, 30)], b"x" * 20), 0, id="sparse-missing-data"),
    pytest.param(gnu_sparse(b"f", 1000, SPARSE_PAIRS, b"x" * 12)[:700], 0, id="sparse-map-cut-off"),
    pytest.param(
        header(b"f", flag=b"S", form="gnu", fields={386: b"\xff" * 24, 483: octal(10, 12)}), 0, id="sparse-negative"
    ),
    pytest.param(
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")) + member(b"f", padded(b"ab\n")),
        0,
        id="sparse-1.0-no-number",
    ),
    pytest.param(
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")) + member(b"f", padded(b"1\n2\n")),
        0,
        id="sparse-1.0-map-cut-off",
    ),
    pytest.param(
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")) + member(b"f", padded(b"9223372036854775807\n")),
        0,
        id="sparse-1.0-huge-count",
    ),
    pytest.param(
        pax((b"GNU.sparse.numblocks", b"4"), (b"GNU.sparse.map", b"0,1,2,3")) + member(b"f", b"x"),
        0,
        id="sparse-0.1-count",
    ),
    pytest.param(
        pax((b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.map", b"0, 1,2,3")) + member(b"f", b"x"),
        0,
        id="sparse-0.1-space",
    ),
    pytest.param(
        pax(body=record(b"GNU.sparse.numbytes", b"2") + record(b"GNU.sparse.offset", b"1")) + header(b"f"),
        0,
        id="sparse-0.0-order",
    ),
    pytest.param(
        pax(body=record(b"GNU.sparse.offset", b"1,2") + record(b"GNU.sparse.numbytes", b"2")) + header(b"f"),
        0,
        id="sparse-0.0-comma",
    ),
    pytest.param(
        pax((b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"0,0")) + symlink(b"f", b"x"), 0, id="sparse-symlink"
    ),
]


@pytest.mark.parametrize("seekable", [True, False], ids=["seek", "stream"])
@pytest.mark.parametrize(("data", "good"), REJECTS)
def test_rejects_what_go_rejects(data: bytes, good: int, seekable: bool) -> None:
    entries, skipped = read_all(data, seekable=seekable)
    assert len(entries) == good
    assert skipped is not None
    assert skipped.reason.startswith(
        f"entry {max(good, 1)}" if "inside a file" in skipped.reason else f"entry {good + 1}"
    )


@pytest.mark.parametrize(
    ("name", "path", "raw"),
    [
        pytest.param(b"usr/bin/env", b"usr/bin/env", None, id="clean"),
        pytest.param(b"./usr/bin/env", b"usr/bin/env", b"./usr/bin/env", id="dot-slash"),
        pytest.param(b"/etc/passwd", b"etc/passwd", b"/etc/passwd", id="absolute"),
        pytest.param(b"a/../../../etc/passwd", b"etc/passwd", b"a/../../../etc/passwd", id="climbing"),
        pytest.param(b"a//b///c", b"a/b/c", b"a//b///c", id="double-slashes"),
        pytest.param(b"a/./b/.", b"a/b", b"a/./b/.", id="dots"),
        pytest.param(b".env", b".env", None, id="dot-file"),
        pytest.param(b"app/.env", b"app/.env", None, id="dot-file-below"),
        pytest.param(b"..data", b"..data", None, id="name-with-dots"),
        pytest.param(b"file/", b"file", b"file/", id="file-with-slash"),
        pytest.param(b"./", b"", b"./", id="root"),
        pytest.param(b"", b"", None, id="empty"),
        pytest.param(b"a//", b"a", b"a//", id="slashes-at-the-end"),
    ],
)
def test_paths_are_clean_and_the_raw_name_is_kept(name: bytes, path: bytes, raw: bytes | None) -> None:
    entries, _ = read_all(archive(header(name)))
    assert (entries[0][0].path, entries[0][0].raw_name) == (path, raw)


def test_a_directory_s_slash_is_no_difference() -> None:
    assert read_all(archive(directory(b"etc/")))[0][0][0].raw_name is None


def test_hard_link_targets_are_clean_symlink_targets_raw() -> None:
    entries, _ = read_all(archive(hardlink(b"a", b"./x/../y"), symlink(b"b", b"../../y")))
    assert [entry.link_target for entry, _ in entries] == [b"y", b"../../y"]


def test_content_can_be_left_read_in_part_or_too_late() -> None:
    data = archive(member(b"a", b"x" * 3000), member(b"b", b"y" * 3000), member(b"c", b"z" * 10))
    items = read_entries(io.BytesIO(data))
    first = next(items)
    assert isinstance(first, TarEntry)
    assert first.read(10) == b"x" * 10
    second = next(items)
    assert isinstance(second, TarEntry)
    assert first.read(10) == b""
    third = next(items)
    assert isinstance(third, TarEntry)
    assert second.read() == b""
    assert third.read() == b"z" * 10
    assert third.read() == b""


def test_holes_are_bounded_and_what_follows_is_read() -> None:
    size = 60_000_000_000
    data = archive(
        gnu_sparse(b"big", size, [(30_000_000_000, 4), (size - 4, 4)], b"onetwo!!"), member(b"end", b"end\n")
    )
    found: dict[bytes, bytes] = {}
    total = 0
    for item in read_entries(io.BytesIO(data)):
        assert isinstance(item, TarEntry)
        while piece := item.read(1 << 20):
            total += len(piece)
            found[item.entry.path] = found.get(item.entry.path, b"") + piece.strip(b"\0")
    assert found == {b"big": b"onetwo!!", b"end": b"end\n"}
    assert total <= HOLE_BYTES_PER_ARCHIVE + 12


@pytest.mark.parametrize("size", [(1 << 63) - 1, 1 << 62], ids=["position", "file-system"])
def test_no_file_system_can_seek_as_far_as_a_header_may_say(size: int, tmp_path: Path) -> None:
    path = tmp_path / "f.tar"
    path.write_bytes(member(b"first", b"1") + header(b"f", size=size) + bytes(600))
    with path.open("rb") as file:
        *items, last = read_entries(file)
    assert len(items) == 2
    assert isinstance(last, Skipped)
    assert last.reason.startswith("entry 2: the archive ends inside a file")


@pytest.mark.parametrize("step", [1, 60, 70, 1 << 20])
def test_what_is_given_of_holes_grows_with_the_archive_and_keeps_pieces_apart(step: int) -> None:
    pairs = [(10_000 * (number + 1), 1) for number in range(40)]
    data = archive(
        pax(
            (b"GNU.sparse.size", b"90000000"),
            (b"GNU.sparse.numblocks", b"40"),
            (b"GNU.sparse.map", map_text(pairs)),
        ),
        member(b"f", b"x" * 40),
    )
    items = read_entries(io.BytesIO(data))
    item = next(items)
    assert isinstance(item, TarEntry)
    content = b"".join(iter(lambda: item.read(step), b""))
    assert content.count(b"x") == 40
    assert b"xx" not in content
    assert 200 * 1536 <= len(content) <= 200 * 1536 + 40 * 65


def test_content_position_is_where_it_lies() -> None:
    data = archive(
        member(b"a", b"x" * 700_000),
        long_name(b"b" * 200),
        member(b"b", b"find me"),
        gnu_sparse(b"s", 9, [(0, 9)], b"and me!!!"),
    )
    places = {}
    for item in read_entries(io.BytesIO(data)):
        assert isinstance(item, TarEntry)
        places[item.entry.path[:1]] = item.offset()
    assert data[places[b"b"] :].startswith(b"find me")
    assert data[places[b"s"] :].startswith(b"and me!!!")


@given(st.binary(max_size=2048), st.integers(0, 2048))
def test_random_bytes_never_raise(noise: bytes, cut: int) -> None:
    good = archive(pax((b"path", b"p")), member(b"a", b"data"), gnu_sparse(b"s", 24, SPARSE_PAIRS, SPARSE_DATA))
    for data in (noise, good[:cut] + noise, good[:cut]):
        read_all(data)


@given(st.data())
def test_flipped_bytes_never_raise(draw: st.DataObject) -> None:
    good = bytearray(
        archive(pax((b"path", b"p")), sparse_01(b"s", 24, SPARSE_PAIRS, SPARSE_DATA), member(b"a", b"data"))
    )
    block = draw.draw(st.integers(0, len(good) // 512 - 1)) * 512
    for _ in range(draw.draw(st.integers(1, 4))):
        good[block + draw.draw(st.integers(0, 511))] = draw.draw(st.integers(0, 255))
    # With the checksum put right the change reaches the fields behind it.
    good[block : block + 512] = checksummed(bytes(good[block : block + 512]))
    read_all(bytes(good))


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40
)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=6).map("/".join)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
@given(
    members=st.lists(
        st.tuples(PATHS, st.binary(max_size=1500), st.integers(0, 0o7777), st.integers(0, 1 << 40)), max_size=6
    )
)
def test_reads_what_tarfile_writes(form: int, members: list[tuple[str, bytes, int, int]]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for path, content, mode, uid in members:
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.uid, info.mtime = len(content), mode, uid, 1_700_000_000.5
            tar.addfile(info, io.BytesIO(content))
    for seekable in (True, False):
        entries, skipped = read_all(buffer.getvalue(), seekable=seekable)
        assert skipped is None
        assert [(entry.path.decode(), content, entry.mode, entry.uid) for entry, content in entries] == members


@given(st.binary(max_size=60))
def test_clean_paths_stay_clean(name: bytes) -> None:
    path = clean_path(name)
    assert clean_path(path) == path
    assert not path or all(part not in (b"", b".", b"..") for part in path.split(b"/"))
