"""A layer's files through the scanner: the same digests, secrets and notes however many processes take part, and
however its files fall into batches."""

from __future__ import annotations

import hashlib
import io
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from secretmaker import token_of
from tarmaker import archive, directory, hardlink, member, octal, symlink
from tarsplits import Records, take_apart

from imgscan.detect.packages.claims import FileSums, cut_sum
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.layers.blob import open_layer
from imgscan.layers.listing import LayerListing, ReadingSearch, content_digest, list_layer
from imgscan.layersearch import LayerSearch
from imgscan.model import NotRead
from imgscan.progress import silent
from imgscan.source.indexed import FileWindow
from imgscan.source.records import StoreError
from imgscan.source.tarsplit import TarSplitStream
from imgscan.workers import SLOT_BYTES, Batch, Searched, Workers, _Request


@pytest.fixture(scope="module")
def scanner() -> SecretScanner:
    return load_scanner()


Told = tuple[list[tuple[bytes, str, bytes, int, int]], list[NotRead], int, tuple[FileSums, ...]]


def told(search: LayerSearch) -> Told:
    """What was found, in an order that does not depend on who found it."""
    hits = [(item.path, item.hit.rule.id, item.hit.secret, item.hit.line, item.hit.offset) for item in search.hits]
    notes = sorted(search.not_read.items, key=lambda item: (item.where, item.reason))
    return sorted(hits), notes, search.read_bytes, search.gleanings.finish().sums


def searched(tar: bytes, workers: Workers, scanner: SecretScanner) -> tuple[LayerListing, Told]:
    search = LayerSearch(workers, scanner, silent(), where="layer")
    listing = list_layer(open_layer(io.BytesIO(tar)), search)
    return listing, told(search)


def with_token(seed: str, size: int) -> bytes:
    """Content of a size with a token near its end."""
    end = f"\n{token_of(seed)}\n".encode()
    return (b"some words\n" * (size // 11 + 1))[: size - len(end)] + end


def many(notes: int) -> bytes:
    return b"".join(f"{token_of(str(number))}\n".encode() for number in range(notes))


SPARSE_FIELDS = {386: octal(0, 12) + octal(512, 12), 482: b"\0", 483: octal(100_000, 12)}
LAYERS = {
    "empty": archive(),
    "no-files": archive(directory(b"d/"), symlink(b"l", b"d"), hardlink(b"h", b"gone")),
    "empty-files": archive(*(member(b"%d" % number) for number in range(10))),
    "one-small-file": archive(member(b"a", with_token("a", 100))),
    "files-that-fill-slots-to-the-byte": archive(
        *(member(b"%d" % number, with_token(str(number), SLOT_BYTES // 8)) for number in range(40))
    ),
    "files-that-fit-no-slot-evenly": archive(
        *(member(b"%d" % number, with_token(str(number), 300_001 + 7 * number)) for number in range(30))
    ),
    "large-files": archive(
        member(b"a", with_token("a", (1 << 19) - 1)),
        member(b"b", with_token("b", 1 << 19)),
        member(b"c", with_token("c", 3 << 20)),
        member(b"d", with_token("d", 90)),
    ),
    "tiny-files": archive(*(member(b"%05d" % number, b"%d" % number) for number in range(4_200))),
    "twice": archive(member(b"a", with_token("one", 99)), member(b"a", with_token("two", 99))),
    "sparse": archive(
        member(b"s", with_token("sparse", 512), flag=b"S", form="gnu", fields=SPARSE_FIELDS),
        member(b"t", with_token("t", 99)),
    ),
    "cut-off": archive(member(b"a", with_token("a", 5000)), member(b"b", with_token("b", 9000)))[:10_000],
    "cut-off-in-a-large-file": member(b"a", with_token("a", 5000)) + member(b"b", with_token("b", 1 << 20))[:-70_000],
    "more-than-is-told": archive(member(b"a", many(1_200)), member(b"b", with_token("b", 90))),
    "aufs-links": archive(
        directory(b".wh..wh.plnk/"),
        member(b".wh..wh.plnk/1.2", with_token("a", 5000)),
        hardlink(b"one", b".wh..wh.plnk/1.2"),
        member(b"b", with_token("b", 90)),
    ),
    "names-of-any-bytes": archive(member(b"\xff\xfe/.env", b"PASSWORD=" + b"correct-horse-9\n"), member(b"a\nb", b"x")),
}


@pytest.fixture(scope="module", params=[1, 2])
def workers(request: pytest.FixtureRequest, scanner: SecretScanner) -> Iterator[Workers]:
    with closing(Workers(scanner, request.param)) as made:
        yield made


@pytest.mark.parametrize("tar", LAYERS.values(), ids=LAYERS)
def test_any_number_of_processes(tar: bytes, workers: Workers, scanner: SecretScanner) -> None:
    with closing(Workers(scanner, 0)) as alone:
        expected = searched(tar, alone, scanner)
    assert searched(tar, workers, scanner) == expected
    assert expected[0] == list_layer(open_layer(io.BytesIO(tar)), ReadingSearch())


@pytest.mark.parametrize("name", ["files-that-fit-no-slot-evenly", "large-files", "sparse", "aufs-links", "twice"])
def test_what_there_is_is_found(name: str, scanner: SecretScanner) -> None:
    """A comparison of nothing with nothing would be no test."""
    with closing(Workers(scanner, 0)) as alone:
        listing, (hits, notes, read_bytes, _) = searched(LAYERS[name], alone, scanner)
    assert len(hits) == {"files-that-fit-no-slot-evenly": 30, "large-files": 4}.get(name, 2)
    assert notes == []
    assert read_bytes >= listing.size_bytes


def test_what_was_left_out_is_told(scanner: SecretScanner) -> None:
    with closing(Workers(scanner, 0)) as alone:
        _, (_, notes, *_) = searched(LAYERS["more-than-is-told"], alone, scanner)
    assert {note.where for note in notes} == {"/a"}


@pytest.mark.parametrize("count", [0, 2])
def test_more_secrets_than_are_told(count: int, scanner: SecretScanner) -> None:
    tar = archive(*(member(b"%d" % number, with_token(str(number), 99)) for number in range(9)))
    with closing(Workers(scanner, count)) as some:
        search = LayerSearch(some, scanner, silent(), where="layer", most_hits=5)
        list_layer(open_layer(io.BytesIO(tar)), search)
    assert [item.path for item in search.hits] == [b"0", b"1", b"2", b"3", b"4"]
    assert [note.where for note in search.not_read.items] == ["/5", "/6", "/7", "/8"]


@pytest.mark.parametrize("seed", range(3))
def test_random_sizes(seed: int, workers: Workers, scanner: SecretScanner) -> None:
    source = random.Random(seed)
    sizes = [source.choice((60, 1_000, 100_000, 500_000, 600_000)) + source.randrange(99) for _ in range(40)]
    files = {b"%d" % number: with_token(f"{seed} {number}", size) for number, size in enumerate(sizes)}
    listing, (hits, _, read_bytes, sums) = searched(
        archive(*(member(path, data) for path, data in files.items())), workers, scanner
    )
    assert {item.path: item.digest for item in listing.items} == {
        path: content_digest(data) for path, data in files.items()
    }
    assert sorted({path for path, *_ in hits}) == sorted(files)
    assert {item.path: item.sha256 for item in sums} == {
        path: cut_sum(hashlib.sha256(data).digest()) for path, data in files.items()
    }
    assert read_bytes == sum(map(len, files.values()))


STORED = {name: tar for name, tar in LAYERS.items() if not name.startswith(("cut-off", "sparse", "twice"))}


def stored(records: Records, root: Path, workers: Workers, scanner: SecretScanner) -> tuple[LayerListing, Told]:
    path = root.parent / "tar-split.json.gz"
    path.write_bytes(records.packed())
    search = LayerSearch(workers, scanner, silent(), where="layer")
    with closing(TarSplitStream(path, root)) as stream:
        listing = list_layer(open_layer(stream, verify=False), search)
    return listing, told(search)


@pytest.mark.parametrize("tar", STORED.values(), ids=STORED)
def test_files_that_lie_by_themselves(tar: bytes, workers: Workers, scanner: SecretScanner, tmp_path: Path) -> None:
    root = tmp_path / "diff"
    root.mkdir()
    records = take_apart(tar, root)
    with closing(Workers(scanner, 0)) as alone:
        listing, expected = searched(tar, alone, scanner)
        assert stored(records, root, alone, scanner)[1] == expected
    found, hits = stored(records, root, workers, scanner)
    assert hits == expected
    assert (found.items, found.size_bytes, found.entries) == (listing.items, listing.size_bytes, listing.entries)


def test_a_file_that_is_gone_is_noticed_by_whoever_reads_it(
    workers: Workers, scanner: SecretScanner, tmp_path: Path
) -> None:
    root = tmp_path / "diff"
    root.mkdir()
    records = take_apart(archive(*(member(b"%03d" % number, b"x") for number in range(600))), root)
    (root / "300").unlink()
    with pytest.raises(StoreError):
        stored(records, root, workers, scanner)


def in_file(path: Path, offset: int, size: int, workers: Workers, scanner: SecretScanner) -> tuple[LayerListing, Told]:
    """A layer that lies in a larger file, as in an archive; whoever searches opens the file again."""
    search = LayerSearch(workers, scanner, silent(), where="layer")
    with path.open("rb") as file:
        listing = list_layer(open_layer(FileWindow(file, offset, size, path)), search)
    return listing, told(search)


@pytest.mark.parametrize("tar", LAYERS.values(), ids=LAYERS)
def test_files_that_lie_in_an_archive(tar: bytes, workers: Workers, scanner: SecretScanner, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(b"before" * 99 + tar + b"behind" * 99)
    with closing(Workers(scanner, 0)) as alone:
        expected = searched(tar, alone, scanner)
        assert in_file(path, 594, len(tar), alone, scanner) == expected
    assert in_file(path, 594, len(tar), workers, scanner) == expected


def replaced(path: Path, data: bytes) -> None:
    path.with_name("new").write_bytes(data)
    path.with_name("new").replace(path)


def shortened(path: Path, data: bytes) -> None:
    os.truncate(path, 1000)


def removed(path: Path, data: bytes) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [replaced, shortened, removed], ids=lambda change: change.__name__)
def test_an_archive_that_changes_while_it_is_read(
    change: Callable[[Path, bytes], None], workers: Workers, scanner: SecretScanner, tmp_path: Path
) -> None:
    path = tmp_path / "image.tar"
    tar = LAYERS["files-that-fit-no-slot-evenly"]
    path.write_bytes(tar)
    search = LayerSearch(workers, scanner, silent(), where="layer")
    with path.open("rb") as file:
        window = FileWindow(file, 0, len(tar), path)
        change(path, tar)
        file_again = io.BytesIO(tar)  # what was read ahead is still the old content

        class Ahead:
            places_any = True
            read = file_again.read
            place_at = window.place_at

        with pytest.raises(StoreError):
            list_layer(open_layer(Ahead()), search)


def test_a_batch_that_takes_long_holds_up_no_others(scanner: SecretScanner, tmp_path: Path) -> None:
    asked: list[Batch] = []
    asked_when_waited: list[int] = []

    class Long(Batch):
        def done(self) -> bool:
            return False

        def result(self) -> Searched:
            asked_when_waited.append(len(asked))
            return super().result()

    class Busy(Workers):
        def _there(self, request: _Request) -> Batch:
            asked.append(Long(scanner, there=None, here=self._here(request)._here))
            return asked[-1]

    tar = archive(*(member(b"%05d" % number, b"%d" % number) for number in range(9_000)))
    root = tmp_path / "diff"
    root.mkdir()
    with closing(Busy(scanner, 1)) as busy:
        stored(take_apart(tar, root), root, busy, scanner)
    assert len(asked) > 20
    assert asked_when_waited[0] == len(asked)


def test_few_files_start_no_process(scanner: SecretScanner) -> None:
    with closing(Workers(scanner, 2)) as made:
        searched(LAYERS["one-small-file"], made, scanner)
        assert not made.started
        searched(LAYERS["files-that-fit-no-slot-evenly"], made, scanner)
        assert made.started
