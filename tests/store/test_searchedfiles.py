"""Files that gave nothing: only what was added is known, whatever happens to the file they are kept in."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.layers.listing import content_digest
from imgscan.store.searchedfiles import KEY_BYTES, KEYS, SearchedFiles

FILE = "searched-files"
DIGEST = content_digest(b"content")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cache"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def kept(folder: Path) -> Iterator[SearchedFiles]:
    with closing(SearchedFiles(folder, "rules")) as made:
        yield made


def test_what_was_added_is_known_to_the_next_process(folder: Path) -> None:
    with closing(SearchedFiles(folder, "rules")) as first:
        key = first.key(DIGEST, b"src/a.py")
        assert not first.knows(key)
        first.add(key)
        assert first.knows(key)
    with closing(SearchedFiles(folder, "rules")) as second:
        assert second.knows(second.key(DIGEST, b"src/a.py"))
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("version", "content", "path"),
    [
        pytest.param("other", b"content", b"src/a.py", id="other rules"),
        pytest.param("rules", b"Content", b"src/a.py", id="other content"),
        pytest.param("rules", b"content", b"src/b.py", id="other path"),
        pytest.param("rules", b"content", b"", id="no path"),
    ],
)
def test_anything_else_is_not(version: str, content: bytes, path: bytes, folder: Path) -> None:
    with closing(SearchedFiles(folder, "rules")) as first, closing(SearchedFiles(folder, version)) as other:
        first.add(first.key(DIGEST, b"src/a.py"))
        assert not other.knows(other.key(content_digest(content), path))


@given(st.lists(st.binary(max_size=40), max_size=60, unique=True), st.lists(st.binary(max_size=40), max_size=60))
def test_nothing_is_known_that_was_not_added(
    tmp_path_factory: pytest.TempPathFactory, added: list[bytes], asked: list[bytes]
) -> None:
    with closing(SearchedFiles(tmp_path_factory.mktemp("cache"), "rules")) as made:
        for path in added:
            made.add(made.key(DIGEST, path))
        known = {path for path in {*added, *asked} if made.knows(made.key(DIGEST, path))}
        assert known <= set(added)
        # Two keys may want one place: of so few, next to none do.
        assert len(known) >= len(added) - 1


def test_the_file_stays_within_its_bound_and_later_keys_take_the_place_of_earlier_ones(kept: SearchedFiles) -> None:
    def at(place: int, rest: bytes) -> bytes:
        return place.to_bytes(8, "little") + rest * 8

    first, last, same = at(0, b"a"), at(KEYS - 1, b"a"), at(KEYS, b"b")
    kept.add(first)
    kept.add(last)
    assert kept.knows(first)
    assert kept.knows(last)
    kept.add(same)
    assert (kept.knows(same), kept.knows(first)) == (True, False)
    assert os.fstat(kept._file or -1).st_size == KEYS * KEY_BYTES


def _truncate(path: Path) -> None:
    os.truncate(path, 7)


def _scramble(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 0x55 for byte in path.read_bytes()))


def _replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_by_a_link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _open_to_others(path: Path) -> None:
    path.chmod(0o622)


def _open_folder_to_others(path: Path) -> None:
    path.parent.chmod(0o777)


@pytest.mark.parametrize(
    "change",
    [
        _truncate,
        _scramble,
        _replace_by_a_folder,
        _replace_by_a_pipe,
        _replace_by_a_link,
        _open_to_others,
        _open_folder_to_others,
    ],
)
def test_what_is_damaged_or_not_to_be_trusted_is_as_good_as_empty(change: Callable[[Path], None], folder: Path) -> None:
    with closing(SearchedFiles(folder, "rules")) as first:
        key = first.key(DIGEST, b"src/a.py")
        first.add(key)
    change(folder / FILE)
    with closing(SearchedFiles(folder, "rules")) as second:
        assert not second.knows(key)
        second.add(key)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with closing(SearchedFiles(tmp_path / "file" / "cache", "rules")) as made:
        key = made.key(DIGEST, b"src/a.py")
        made.add(key)
        assert not made.knows(key)


def test_a_full_disk_is_no_trouble(kept: SearchedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _data: bytes, _at: int) -> int:
        raise OSError(28, "No space left on device")

    key = kept.key(DIGEST, b"src/a.py")
    monkeypatch.setattr(os, "pwrite", full)
    kept.add(key)
    assert not kept.knows(key)


def test_after_close_there_is_nothing(kept: SearchedFiles) -> None:
    key = kept.key(DIGEST, b"src/a.py")
    kept.add(key)
    kept.close()
    kept.close()
    kept.add(key)
    assert not kept.knows(key)


def _add_many(folder: Path, start: int) -> None:
    with closing(SearchedFiles(folder, "rules")) as made:
        for number in range(start, start + 2_000):
            made.add(made.key(DIGEST, b"%d" % number))


def test_several_processes_at_once(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=_add_many, args=(folder, start)) for start in (0, 2_000, 4_000)]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    with closing(SearchedFiles(folder, "rules")) as made:
        known = sum(made.knows(made.key(DIGEST, b"%d" % number)) for number in range(7_000))
    assert 5_900 <= known <= 6_000


def test_a_process_that_was_forked_later_writes_to_the_same_table(kept: SearchedFiles) -> None:
    key = kept.key(DIGEST, b"src/a.py")
    process = multiprocessing.get_context("fork").Process(target=kept.add, args=(key,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert kept.knows(key)
