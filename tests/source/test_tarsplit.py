"""tar-split's records and the files beside them give the archive again, to the byte, or a StoreError."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tarmaker import archive, directory, hardlink, header, long_name, member, pax, symlink
from tarsplits import FILE, Records, take_apart, write_file

from imgscan.layers.blob import Limits, open_layer
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer
from imgscan.layers.tar import TarEntry, read_entries
from imgscan.source.placed import Directory, PlacedFiles
from imgscan.source.records import StoreError
from imgscan.source.tarsplit import TarSplitStream

BIG = random.Random(1).randbytes(300_000)
ARCHIVES = {
    "empty": archive(),
    "files": archive(member(b"a", b"one"), member(b"b", b"x" * 512), member(b"c", b"x" * 513), member(b"d", BIG)),
    "empty-files": archive(member(b"a"), member(b"b", b"-"), member(b"c")),
    "folders-and-links": archive(
        directory(b"d/"), member(b"d/a", b"one"), hardlink(b"d/b", b"d/a"), symlink(b"d/c", b"a"), member(b"e", b"two")
    ),
    "pax-names": archive(pax((b"path", b"p" * 200 + b"/" + b"q" * 100)), member(b"short", b"long after all")),
    "gnu-names": archive(long_name(b"l" * 200 + b"/m"), member(b"short", b"long too", form="gnu")),
    "not-utf-8": archive(directory(b"\xff/"), member(b"\xff/\xe4\xf6", b"latin"), member(b"\xe2\x82", b"cut off")),
    "dots-and-slashes": archive(
        directory(b"./"), member(b"./a", b"1"), member(b"/b", b"2"), member(b"././/c", b"3"), member(b"./d/e", b"4")
    ),
    "devices-with-a-size": archive(header(b"null", flag=b"3", size=77), member(b"a", b"one")),
    "trailing-bytes": archive(member(b"a", b"one")) + b"what follows the end" * 100,
    "no-end": member(b"a", b"one"),
    "folder-by-folder": archive(
        *(member(b"x/%d/%d/f" % (number % 3, number), b"%d" % number) for number in range(30)), member(b"x/f", b"-")
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "diff"
    folder.mkdir()
    return folder


def opened(records: Records | bytes, root: Path) -> TarSplitStream:
    path = root.parent / "tar-split.json.gz"
    path.write_bytes(records if isinstance(records, bytes) else records.packed())
    return TarSplitStream(path, root)


def read_all(stream: TarSplitStream, sizes: Iterator[int]) -> bytes:
    data = b""
    with closing(stream):
        while piece := stream.read(next(sizes)):
            data += piece
    return data


def chunks(seed: int) -> Iterator[int]:
    source = random.Random(seed)
    while True:
        yield source.choice((1, 7, 511, 512, 513, 100_000, 1 << 20))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tar", ARCHIVES.values(), ids=ARCHIVES)
def test_every_byte_comes_again(tar: bytes, seed: int, root: Path) -> None:
    assert read_all(opened(take_apart(tar, root), root), chunks(seed)) == tar


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tar", ARCHIVES.values(), ids=ARCHIVES)
def test_skipping_and_reading_in_turns(tar: bytes, seed: int, root: Path) -> None:
    source = random.Random(seed)
    at = 0
    with closing(opened(take_apart(tar, root), root)) as stream:
        while at < len(tar):
            size = source.choice((1, 100, 512, 1024, 5000, 250_000))
            if source.random() < 0.5:
                assert stream.skip(size) == min(size, len(tar) - at)
                at += min(size, len(tar) - at)
            else:
                data = stream.read(size)
                assert data
                assert data == tar[at : at + len(data)]
                at += len(data)
        assert (stream.read(1), stream.skip(10)) == (b"", 0)


def listings(tar: bytes, root: Path) -> tuple[LayerListing, LayerListing]:
    whole = list_layer(open_layer(io.BytesIO(tar), verify=False), ReadingSearch())
    with closing(opened(take_apart(tar, root), root)) as stream:
        return whole, list_layer(open_layer(stream, verify=False), ReadingSearch())


@pytest.mark.parametrize("tar", ARCHIVES.values(), ids=ARCHIVES)
def test_a_layer_is_listed_as_out_of_its_archive(tar: bytes, root: Path) -> None:
    whole, stored = listings(tar, root)
    assert stored == whole


NAMES = st.lists(st.sampled_from([b"a", b"b", b"\xff", "ü".encode(), b"a" * 30]), min_size=1, max_size=3).map(b"/".join)


@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=6), st.integers(0, 99))
def test_any_files(tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, bytes], seed: int) -> None:
    kept = {name: data for name, data in files.items() if not any(other.startswith(name + b"/") for other in files)}
    tar = archive(*(member(name, data) for name, data in kept.items()))
    root = tmp_path_factory.mktemp("store") / "diff"
    root.mkdir()
    assert read_all(opened(take_apart(tar, root), root), chunks(seed)) == tar


def test_the_place_of_a_file_is_told_before_its_first_byte_only(root: Path) -> None:
    tar = archive(directory(b"d/"), member(b"./d/a", b"one"), member(b"e", b""), member(b"\xff", b"three"))
    with closing(opened(take_apart(tar, root), root)) as stream:
        places = []
        for item in read_entries(stream):
            assert isinstance(item, TarEntry)
            place = item.place()
            places.append(None if place is None else (place.root, place.name, place.size))
            if place is not None:
                assert (stream.read(1), stream.place_at(0, 2)) == (b"o", None)
                break
    assert places == [None, (root, b"d/a", 3)]


def test_content_that_is_read_at_its_place_is_not_opened_here(root: Path) -> None:
    """Where places are taken no file is looked at: one that is gone is noticed by whoever reads it."""
    tar = archive(member(b"a", b"one"), member(b"b", b"two"))
    records = take_apart(tar, root)
    (root / "a").unlink()
    with closing(opened(records, root)) as stream:
        names = [item.place() for item in read_entries(stream) if isinstance(item, TarEntry)]
    assert [place.name for place in names if place is not None] == [b"a", b"b"]


TAR = archive(directory(b"d/"), member(b"d/e/f", b"content"), member(b"z", b"last"))


def missing(root: Path) -> None:
    (root / "d/e/f").unlink()


def shorter(root: Path) -> None:
    (root / "d/e/f").write_bytes(b"conten")


def longer(root: Path) -> None:
    (root / "d/e/f").write_bytes(b"content.")


def linked(root: Path) -> None:
    (root / "d/e/f").rename(root.parent / "elsewhere")
    (root / "d/e/f").symlink_to(root.parent / "elsewhere")


def linked_above(root: Path) -> None:
    (root / "d").rename(root.parent / "elsewhere")
    (root / "d").symlink_to(root.parent / "elsewhere")


def fifo(root: Path) -> None:
    missing(root)
    os.mkfifo(root / "d/e/f")


def folder(root: Path) -> None:
    missing(root)
    (root / "d/e/f").mkdir()


def file_above(root: Path) -> None:
    missing(root)
    (root / "d/e").rmdir()
    (root / "d/e").write_bytes(b"")


def no_root(root: Path) -> None:
    root.rename(root.parent / "elsewhere")


@pytest.mark.parametrize(
    "change",
    [missing, shorter, longer, linked, linked_above, fifo, folder, file_above, no_root],
    ids=lambda change: change.__name__,
)
def test_a_file_that_is_not_what_was_recorded(change: Callable[[Path], None], root: Path) -> None:
    records = take_apart(TAR, root)
    change(root)
    with pytest.raises(StoreError):
        read_all(opened(records, root), chunks(1))
    with closing(Directory(root)) as files, pytest.raises(StoreError):
        files.open(b"d/e/f", 7)


def test_what_is_no_file_is_not_opened(root: Path) -> None:
    """With some devices opening alone does something. Who writes to a pipe notices that somebody opened it."""
    os.mkfifo(root / "f", 0o600)
    writer = threading.Thread(target=lambda: os.close(os.open(root / "f", os.O_WRONLY)))
    writer.start()
    writer.join(0.3)  # it waits by now
    with closing(Directory(root)) as files, pytest.raises(StoreError, match="not what was recorded"):
        files.open(b"f", 0)
    writer.join(0.2)
    nobody_opened_it = writer.is_alive()
    with closing(os.fdopen(os.open(root / "f", os.O_RDONLY | os.O_NONBLOCK))):
        writer.join()
    assert nobody_opened_it


def test_a_file_that_shrinks_while_it_is_read(root: Path) -> None:
    records = take_apart(archive(member(b"a", BIG)), root)
    with closing(opened(records, root)) as stream:
        stream.skip(512)
        assert stream.read(1000) == BIG[:1000]
        os.truncate(root / "a", 500)
        with pytest.raises(StoreError, match="shorter"):
            stream.read(1000)


@pytest.mark.parametrize(
    "name",
    [b"", b"../secret", b"d/../../secret", b"d/./f", b"d//f", b"..", b".", b"d/..", b"/", b"a\0b", b"d/\0/f"],
)
def test_no_name_leaves_the_folder(name: bytes, root: Path) -> None:
    write_file(root, b"d/f", b"content")
    (root.parent / "secret").write_bytes(b"content")
    with closing(Directory(root)) as files:
        with pytest.raises(StoreError):
            files.open(name, 7)
        file = files.open(b"d/f", 7)  # what was refused leaves nothing behind
        assert os.read(file, 10) == b"content"
        os.close(file)
    records = Records()
    records.file(name, 7)
    with pytest.raises(StoreError):
        read_all(opened(records, root), chunks(1))


def lines(*values: object) -> bytes:
    return gzip.compress(b"".join(json.dumps(value).encode() + b"\n" for value in values))


WHOLE = lines({"type": 2, "payload": base64.b64encode(bytes(3000)).decode()})


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(b"", id="an-empty-file"),
        pytest.param(gzip.compress(b""), id="nothing-in-it"),
        pytest.param(b"no gzip", id="no-gzip"),
        pytest.param(WHOLE[:-9], id="gzip-cut-off"),
        pytest.param(WHOLE[:20] + b"\x55\xaa" + WHOLE[22:], id="gzip-damaged"),
        pytest.param(WHOLE[:-8] + bytes(8), id="wrong-checksum"),
        pytest.param(gzip.compress(b"{"), id="json-cut-off"),
        pytest.param(gzip.compress(b"{}\n"), id="json-without-a-type"),
        pytest.param(gzip.compress(b"[1]\n"), id="json-of-another-kind"),
        pytest.param(gzip.compress(b'{"type": "2"}\n'), id="type-no-number"),
        pytest.param(gzip.compress(b'{"type": 2, "payload": "%%%"}\n'), id="no-base64"),
        pytest.param(gzip.compress(b'{"type": 1, "name": "a", "size": -3}\n'), id="negative-size"),
        pytest.param(gzip.compress(b'{"type": 1, "name": "a", "size": 99999999999999999999}\n'), id="size-of-70-bits"),
        pytest.param(gzip.compress(b'{"type": 1, "name": "\\ud800", "size": 3}\n'), id="half-a-character"),
        pytest.param(gzip.compress(b'{"type": 1, "name": "a", "size": 3}\n' + b"\xff\n"), id="not-text"),
        pytest.param(gzip.compress(b'{"type": 2, "payload": "' + b"A" * (10 << 20)), id="an-endless-line"),
    ],
)
@pytest.mark.parametrize("move", ["read", "skip"])
def test_damaged_records(records: bytes, move: str, root: Path) -> None:
    (root / "a").write_bytes(b"one")
    with closing(opened(records, root)) as stream, pytest.raises(StoreError):
        list(iter(lambda: getattr(stream, move)(1000), b"" if move == "read" else 0))


def test_records_that_are_not_there(root: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        TarSplitStream(root / "none.gz", root)


def test_blank_lines_and_entries_of_no_known_type_are_passed_over(root: Path) -> None:
    records = lines(
        {"type": 2, "payload": "YQ=="}, {"type": 2}, {"type": FILE, "name": "x"}, {"type": 2, "payload": "Yg=="}
    )
    assert read_all(opened(records, root), chunks(1)) == b"ab"


def test_bytes_at_a_place(root: Path) -> None:
    write_file(root, b"d/f", b"0123456789")
    with closing(PlacedFiles(root)) as files:
        assert files.read_at(b"d/f", 10, 3, 4) == b"3456"
        assert files.read_at(b"d/f", 10, 8, 4) is None, "beyond the end"
        assert files.read_at(b"d/f", 11, 0, 1) is None, "another size"
        assert files.read_at(b"d/g", 10, 0, 1) is None, "not there"
        assert files.read_at(b"../diff/d/f", 10, 0, 1) is None, "from outside"
    with closing(PlacedFiles(None)) as files:
        assert files.read_at(b"d/f", 10, 0, 1) is None


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_folders_are_closed(root: Path) -> None:
    for number in range(50):
        write_file(root, b"a/b%d/c/d" % number, b"x")
    before = open_files()
    with closing(Directory(root)) as files:
        for number in range(50):
            os.close(files.open(b"a/b%d/c/d" % number, 1))
        assert open_files() - before <= 4
    assert open_files() == before


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tar", ARCHIVES.values(), ids=ARCHIVES)
def test_passing_over_in_turns(tar: bytes, seed: int, root: Path) -> None:
    """One step passes over a whole file and nothing else; where none comes next it does nothing."""
    source = random.Random(seed)
    records = take_apart(tar, root)
    sizes = {entry["size"] for entry in records.entries if "size" in entry}
    at = 0
    with closing(opened(records, root)) as stream:
        while at < len(tar):
            size = next((size for size in sorted(sizes) if stream.place_at(at, size) is not None), 0)
            assert stream.pass_over(size + 1, 9) is None
            if size and source.random() < 0.8:
                data = stream.pass_over(size, source.choice((1, 512, 100_000)))
                at += size
            else:
                assert size or stream.pass_over(3, 9) is None
                data = stream.read(source.choice((1, 100, 512, 5000)))
            assert data is not None
            assert data == tar[at : at + len(data)]
            assert data or at == len(tar)
            at += len(data)
        assert (stream.read(1), stream.pass_over(1, 1)) == (b"", None)


@pytest.mark.parametrize("tar", ARCHIVES.values(), ids=ARCHIVES)
def test_what_is_passed_over_is_counted(tar: bytes, root: Path) -> None:
    with closing(opened(take_apart(tar, root), root)) as stream:
        layer = open_layer(stream, verify=False)
        list_layer(layer)
        assert (layer.tar_bytes, layer.stored_bytes) == (len(tar), len(tar))


def test_a_layer_beyond_the_bound(root: Path) -> None:
    tar = archive(*(member(b"%d" % number, BIG) for number in range(5)), member(b"last", b"-"))
    with closing(opened(take_apart(tar, root), root)) as stream:
        layer = open_layer(stream, limits=Limits(max_bytes=900_000), verify=False)
        listing = list_layer(layer)
    assert [entry.path for entry in listing.items] == [b"0", b"1", b"2", b"3"]
    assert ["unpacks to more than 900,000 bytes" in note.reason for note in listing.skipped] == [True]
