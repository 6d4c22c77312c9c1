"""Secrets inside archives: found once, where they lie, whatever the archive is and however it is read."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archivemaker import ARCHIVES, STREAMS, Files, ar, deb, streamed_zip, tarred, zipped
from secretmaker import token_of

from imgscan.detect.packages.claims import Owner
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner, load_scanner
from imgscan.detect.secrets.unpack.bounds import MOST_LEVELS, Budget
from imgscan.detect.secrets.unpack.magic import recognise
from imgscan.detect.secrets.unpack.search import search_opened
from imgscan.detect.secrets.weighing import weigh
from imgscan.detect.secrets.windows import WINDOW_BYTES
from imgscan.model import Severity

TOKEN = token_of("opened").encode()
OTHER = token_of("another").encode()
TEXT = b"".join(b"line %d of some text\n" % number for number in range(300)) + b"token: " + TOKEN + b"\n"


def searched(scanner: SecretScanner, data: bytes, path: str = "app/x") -> tuple[list[SecretHit], list[str]]:
    """The hits and notes of a document, the same from memory and from a stream."""
    notes: list[str] = []
    hits = scanner.scan_bytes(data, path=path, note=notes.append)
    chance = random.Random(len(data))
    stream = io.BytesIO(data)
    again: list[str] = []
    dribbled = scanner.scan(
        lambda n: stream.read(min(n, chance.randint(1, 9000))), path=path, size=len(data), note=again.append
    )
    assert (hits, notes) == (dribbled, again)
    assert stream.read() == b""
    return hits, notes


def where(hits: list[SecretHit]) -> list[tuple[str, str, int]]:
    return [(hit.rule.id, hit.inside, hit.line) for hit in hits]


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_a_member_of_every_archive(scanner: SecretScanner, make: Callable[[Files], bytes]) -> None:
    data = make({"first/a.txt": b"nothing\n" * 50, "etc/b.conf": TEXT, "empty": b"", "last": b"end"})
    hits, notes = searched(scanner, data)
    assert [(hit.rule.id, hit.inside.rpartition("!/")[2], hit.line, hit.secret) for hit in hits] == [
        ("secret-github-token", "etc/b.conf", 301, TOKEN)
    ]
    assert notes == []


@pytest.mark.parametrize("pack", STREAMS.values(), ids=STREAMS)
def test_every_compressed_stream(scanner: SecretScanner, pack: Callable[[bytes], bytes]) -> None:
    hits, notes = searched(scanner, pack(TEXT), "var/log/app.log.gz")
    assert where(hits) == [("secret-github-token", "app.log", 301)]
    assert notes == []


def test_paths_inside(scanner: SecretScanner) -> None:
    jar = zipped({"config.properties": TEXT})
    war = zipped({"WEB-INF/lib/a.jar": jar, "WEB-INF/web.xml": b"<x/>"})
    package = deb({"srv/x.war": war})
    hits, _ = searched(scanner, tarred({"b/app.deb": package}, "w:gz"), "opt/all.tgz")
    (hit,) = hits
    assert hit.inside == "b/app.deb!/data.tar.xz!/srv/x.war!/WEB-INF/lib/a.jar!/config.properties"
    assert hit.path_in("/opt/all.tgz") == f"/opt/all.tgz!/{hit.inside}"
    assert hit.members == ("b/app.deb", "data.tar.xz", "srv/x.war", "WEB-INF/lib/a.jar", "config.properties")


@pytest.mark.parametrize("depth", range(1, MOST_LEVELS + 1))
def test_every_depth(scanner: SecretScanner, depth: int) -> None:
    data = TEXT
    for level in range(depth):
        data = zipped({f"level{level}": data}) if level % 2 else tarred({f"level{level}": data})
    hits, notes = searched(scanner, data)
    assert where(hits) == [("secret-github-token", "!/".join(f"level{n}" for n in reversed(range(depth))), 301)]
    assert notes == []


def test_too_deep_is_told_once(scanner: SecretScanner) -> None:
    data = TEXT
    for _ in range(MOST_LEVELS + 1):
        data = gzip.compress(data)
    hits, notes = searched(scanner, tarred({"a": data, "b": data}))
    assert hits == []
    assert len(notes) == 1
    assert notes[0].startswith("archives in archives are not opened any deeper (")
    assert notes[0].endswith("and 1 more)")


@pytest.mark.parametrize("offset", [0, 1, WINDOW_BYTES - 41, WINDOW_BYTES - 20, WINDOW_BYTES, 2 * WINDOW_BYTES - 33000])
@pytest.mark.parametrize("make", [ARCHIVES["zip"], ARCHIVES["tar.gz"], ARCHIVES["zip-streamed-stored"]])
def test_a_token_at_any_border_of_a_member(scanner: SecretScanner, make: Callable[[Files], bytes], offset: int) -> None:
    content = b"x" * 63 + b"\n"
    data = make({"big": (content * (offset // 64 + 1))[:offset] + b" " + TOKEN + b"\n" + b"y\n" * 700_000})
    hits = scanner.scan_bytes(data, path="app/x")
    assert [(hit.inside, hit.offset, hit.secret) for hit in hits] == [("big", offset + 1, TOKEN)]


def test_members_are_never_joined(scanner: SecretScanner) -> None:
    half = len(TOKEN) // 2
    hits, _ = searched(scanner, ar({"debian-binary": b"2.0\n", "a": TOKEN[:half], "b": TOKEN[half:]}))
    assert hits == []


def test_configuration_is_told_by_the_inner_name(scanner: SecretScanner) -> None:
    line = b"DB_PASSWORD=" + b"x8Kq-" + b"w2Lp-9vTz\n"
    data = zipped({"conf/.env": line, "a.bin": line}, zipfile.ZIP_STORED)
    hits, _ = searched(scanner, data, "app/x.bin")
    assert where(hits) == [("secret-env-assignment", "conf/.env", 1)]


@pytest.mark.parametrize(
    ("outer", "inner", "severity"),
    [
        ("app/x.jar", "config.json", Severity.CRITICAL),
        ("app/x.jar", "tests/config.json", Severity.MEDIUM),
        ("app/tests/x.jar", "config.json", Severity.MEDIUM),
        ("app/node_modules/x.tgz", "config.json", Severity.LOW),
        ("app/x.deb", "usr/share/x/config.json", Severity.LOW),
    ],
)
def test_both_paths_count(scanner: SecretScanner, outer: str, inner: str, severity: Severity) -> None:
    from imgscan.detect.secrets.examples import assemble

    key = assemble([{"pem": "RSA PRIVATE KEY"}], "inside")
    (hit,) = scanner.scan_bytes(zipped({inner: key}), path=outer)
    assert hit.inside == inner
    verdict = weigh(hit, hit.path_in(outer), Owner.UNKNOWN)
    assert verdict is not None
    assert verdict[0] == severity


def test_stored_members_are_told_once_and_the_rest_of_the_file_too(scanner: SecretScanner) -> None:
    data = zipped({"a": TEXT}, zipfile.ZIP_STORED) + b"\n" + OTHER + b"\n"
    hits, _ = searched(scanner, data)
    assert [(hit.inside, hit.secret) for hit in hits] == [("a", TOKEN), ("", OTHER)]


def test_a_name_in_the_directory_of_an_archive(scanner: SecretScanner) -> None:
    hits, _ = searched(scanner, zipped({OTHER.decode(): b"x" * 100}))
    assert {(hit.inside, hit.secret) for hit in hits} == {("", OTHER)}


def test_one_archive_behind_another(scanner: SecretScanner) -> None:
    hits, notes = searched(scanner, zipped({"a": b"x" * 500}) + zipped({"b": TEXT}))
    assert (where(hits), notes) == ([("secret-github-token", "b", 301)], [])


def test_a_member_that_the_directory_leaves_out(scanner: SecretScanner) -> None:
    data = zipped({"a": TEXT, "b": b"x"})
    directory = data.index(b"PK\1\2")
    hits, _ = searched(scanner, data[:directory] + data[data.index(b"PK\1\2", directory + 1) :])
    assert where(hits) == [("secret-github-token", "a", 301)]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("padding", [0, 3 * WINDOW_BYTES])
def test_an_archive_behind_a_program(scanner: SecretScanner, bits: int, padding: int) -> None:
    size = 10_000 + padding
    elf = bytearray(b"\x7fELF" + bytes([bits // 32, 1]) + bytes(size - 6))
    if bits == 64:
        struct.pack_into("<Q", elf, 40, size - 64 * 3)
        struct.pack_into("<2H", elf, 58, 64, 3)
    else:
        struct.pack_into("<I", elf, 32, size - 40 * 3)
        struct.pack_into("<2H", elf, 46, 40, 3)
    hits, notes = searched(scanner, bytes(elf) + zipped({"a": TEXT}))
    assert (where(hits), notes) == ([("secret-github-token", "a", 301)], [])
    assert recognise(bytes(elf), len(elf)) is None


def test_an_archive_behind_a_windows_program(scanner: SecretScanner) -> None:
    program = bytearray(b"MZ" + bytes(5000))
    struct.pack_into("<I", program, 0x3C, 128)
    program[128:132] = b"PE\0\0"
    struct.pack_into("<H", program, 134, 1)
    struct.pack_into("<2I", program, 128 + 24 + 16, 4002, 1000)
    hits, _ = searched(scanner, bytes(program) + zipped({"a": TEXT}))
    assert where(hits) == [("secret-github-token", "a", 301)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "there is no reader for 7-Zip archives, they are not opened"),
        (b"Rar!\x1a\x07\1\0" + bytes(100), "there is no reader for RAR archives, they are not opened"),
        (b"hsqs" + bytes(100), "there is no reader for SquashFS archives, they are not opened"),
        (b"\x1f\x9d\x90" + bytes(100), "there is no reader for compress (.Z) archives, they are not opened"),
        (b"\x89LZO\0\r\n\x1a\n" + bytes(100), "there is no reader for lzop archives, they are not opened"),
        (b"\xff\x06\0\0sNaPpY" + bytes(100), "there is no reader for Snappy archives, they are not opened"),
        (b"\x7fELF\2\1\1" + bytes(225) + b"\1\2\3\4UPX!" + bytes(900),
         "there is no reader for UPX archives, they are not opened"),
        (gzip.compress(TEXT)[:200], "the compressed data ends too early"),
        (zipped({"a": TEXT})[:400], "the compressed data ends too early"),
        (zipped({"a": TEXT}, 0)[:400], "the zip archive ends inside a member"),
        (tarred({"a": TEXT})[:1500], "entry 1: the archive ends inside a file; what follows in the archive was not read"),
        (deb({"a": TEXT})[:300], "the archive ends inside a member"),
        (ARCHIVES["cpio"]({"a": TEXT}).replace(b"TRAILER!!!", b"trailer!!!")[:-600] + b"?" * 600, "the cpio archive is damaged"),
        (ARCHIVES["rpm"]({"a": TEXT})[:100] + bytes(400), "the RPM package is damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(scanner: SecretScanner, data: bytes, reason: str) -> None:
    _, notes = searched(scanner, data)
    assert reason in notes


def test_encrypted_members_are_told_once(scanner: SecretScanner) -> None:
    data = bytearray(zipped({"a": TEXT, "b": TEXT, "c": OTHER}))
    first, second = data.index(b"PK\3\4"), data.index(b"PK\3\4", 4)
    for at in (first, second):
        data[at + 6] |= 1
    hits, notes = searched(scanner, bytes(data))
    assert notes == ["members of a zip archive are encrypted"]
    assert [(hit.inside, hit.secret) for hit in hits] == [("c", OTHER)]


def test_damage_ends_a_member_and_not_the_archive(scanner: SecretScanner) -> None:
    data = bytearray(zipped({"a": TEXT * 20, "b": b"token " + OTHER}))
    data[60:90] = bytes(30)
    hits, notes = searched(scanner, bytes(data))
    assert [(hit.inside, hit.secret) for hit in hits if hit.inside == "b"] == [("b", OTHER)]
    assert len(notes) == 1


def test_names_lead_nowhere(scanner: SecretScanner) -> None:
    hits, _ = searched(scanner, tarred({"/../../etc/./x": TEXT}))
    assert where(hits) == [("secret-github-token", "etc/x", 301)]
    (hit,) = searched(scanner, streamed_zip({"x" * 60_000: TEXT}))[0]
    assert len(hit.inside) <= 1024


def test_a_bound_of_bytes(scanner: SecretScanner) -> None:
    data = zipped({"a": b"token " + OTHER, "b": b"0123456789abcdef" * 100_000, "c": TEXT})
    notes: list[str] = []
    found = recognise(data)
    assert found is not None
    hits = search_opened(
        scanner,
        found,
        io.BytesIO(data).read,
        path="app/x",
        size=len(data),
        note=notes.append,
        budget=Budget(most_bytes=1 << 20),
    )
    assert [hit.secret for hit in hits] == [OTHER]
    assert notes == ["what the archive unpacks to was searched up to 1.0 MB only"] or len(notes) == 1


def test_a_bound_of_members(scanner: SecretScanner) -> None:
    data = tarred({**{f"f{number}": b"x" for number in range(50)}, "last": TEXT}, "w:gz")
    notes: list[str] = []
    found = recognise(data)
    assert found is not None
    search_opened(
        scanner, found, io.BytesIO(data).read, path="a", size=None, note=notes.append, budget=Budget(most_entries=20)
    )
    assert notes == ["the archive has more than 20 members; the others were not searched"]


@pytest.mark.parametrize("unpack", [True, False])
def test_archives_may_be_left_closed(unpack: bool) -> None:
    scanner = load_scanner(unpack=unpack, trufflehog3=False, backend="re2", keep_compiled=False)
    assert len(scanner.scan_bytes(zipped({"a": TEXT}), path="x")) == unpack
    assert scanner.version != load_scanner(unpack=not unpack, trufflehog3=False, keep_compiled=False).version


def test_ordinary_files_are_no_containers() -> None:
    for head in (
        b"",
        b"PK",
        b"#!/bin/sh\n" + b"echo\n" * 100,
        b"BZhello",
        b"0707 text",
        b"x" * 4096,
        b"\x7fELF",
        b"MZ",
    ):
        assert recognise(head, len(head)) is None, head[:8]
    for data in (b"PK\3\4 is how a zip archive begins", b"\x1f\x8b no", b"RPM", bytes(4096), b"\xfd7zX", b"!<arch> x"):
        assert recognise(data, len(data)) is None, data[:8]


def test_static_libraries_are_not_searched_twice(scanner: SecretScanner) -> None:
    hits, notes = searched(scanner, ar({"a.o/": b"\x7fELF" + bytes(100) + TOKEN + b"\n"}), "usr/lib/liba.a")
    assert [(hit.inside, hit.secret) for hit in hits] == [("", TOKEN)]
    assert notes == []


TOOLS: dict[str, tuple[str, ...]] = {
    "zip": ("zip", "-q", "-r", "out", "tree"),
    "tar": ("tar", "cf", "out", "tree"),
    "tar-gz": ("tar", "czf", "out", "tree"),
    "tar-xz": ("tar", "cJf", "out", "tree"),
    "tar-zstd": ("tar", "--zstd", "-cf", "out", "tree"),
    "tar-bz2": ("tar", "cjf", "out", "tree"),
    "gzip": ("sh", "-c", "gzip -c tree/etc/b.conf > out"),
    "bzip2": ("sh", "-c", "bzip2 -c tree/etc/b.conf > out"),
    "xz": ("sh", "-c", "xz -T2 --block-size=4096 -c tree/etc/b.conf > out"),
    "lzma": ("sh", "-c", "xz --format=lzma -c tree/etc/b.conf > out"),
    "zstd": ("sh", "-c", "zstd -q --long -19 -c tree/etc/b.conf > out"),
    "squashfs": ("mksquashfs", "tree/etc", "out", "-comp", "gzip", "-quiet", "-no-progress"),
    "squashfs-zstd": ("mksquashfs", "tree/etc", "out", "-comp", "zstd", "-quiet", "-no-progress"),
    "cpio": ("sh", "-c", "find tree | cpio -o -H newc > out 2>/dev/null"),
    "dpkg-deb": ("sh", "-c", "dpkg-deb -Zxz -b tree out.deb >/dev/null && mv out.deb out"),
    "ar": ("sh", "-c", "printf '2.0\\n' > debian-binary && cd tree && tar czf ../data.tar.gz . && cd .. && "
           "ar rc out debian-binary data.tar.gz"),
}  # fmt: skip


@pytest.mark.tools
@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_what_real_tools_write(scanner: SecretScanner, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    (tmp_path / "tree/DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.org>\nDescription: x\n"
    )
    (tmp_path / "tree/etc").mkdir()
    (tmp_path / "tree/etc/b.conf").write_bytes(TEXT)
    (tmp_path / "tree/z").write_bytes(b"z" * 5000)
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    out = next(path for path in (tmp_path / "out", tmp_path / "out.zip") if path.exists())
    hits, notes = searched(scanner, out.read_bytes(), "app/b.conf")
    assert [(hit.rule.id, hit.inside.endswith(("b.conf", "stream at 96")), hit.line) for hit in hits] == [
        ("secret-github-token", True, 301)
    ]
    assert notes == []


def test_text_in_binary_formats(scanner: SecretScanner, tmp_path: Path) -> None:
    """Compiled Python, SQLite, an ELF program, compressed too (see also `test_texts`)."""
    import marshal
    import sqlite3
    from contextlib import closing

    code = marshal.dumps(compile(f"def f():\n    return g({TOKEN.decode()!r})", "x.py", "exec"))
    with closing(sqlite3.connect(tmp_path / "d.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?)", [(1000 + n, "y" * 500) for n in range(50)] + [(9, TOKEN.decode())]
        )
    elf = b"\x7fELF\2\1\1" + bytes(3000) + b"\0key=" + TOKEN + b"\0" + bytes(3000)
    for data in (b"\xa7\r\r\n" + bytes(12) + code, (tmp_path / "d.sqlite").read_bytes(), elf):
        for whole in (data, gzip.compress(data)):
            hits, notes = searched(scanner, whole)
            assert ([hit.secret for hit in hits], notes) == ([TOKEN], [])
