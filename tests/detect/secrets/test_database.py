"""Compiled databases on disk: used only when this user alone can have written them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from imgscan.cachedir import cache_dir
from imgscan.detect.secrets import database
from imgscan.detect.secrets.database import load_database

PATTERNS = [b"needle[0-9]{3}", b"straw"]


def stored(cache: Path) -> Path:
    (file,) = cache.glob("*")
    return file


@pytest.fixture
def filled(private_dir: Path) -> Path:
    cache = private_dir / "imgscan"
    load_database(PATTERNS, cache)
    return cache


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    calls: list[int] = []
    compile_patterns = database._compile

    def counting(patterns: Sequence[bytes], ids: Sequence[int]) -> object:
        calls.append(len(patterns))
        return compile_patterns(patterns, ids)

    monkeypatch.setattr(database, "_compile", counting)
    loaded, refused = load_database(PATTERNS, cache)
    assert loaded is not None
    assert refused == ()
    return bool(calls)


def test_a_stored_database_is_used(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not compiled_again(filled, monkeypatch)


def test_it_is_private_and_nothing_else_is_left(filled: Path) -> None:
    assert stored(filled).stat().st_mode & 0o077 == 0
    assert filled.stat().st_mode & 0o077 == 0


def test_other_patterns_are_another_file(filled: Path) -> None:
    load_database([b"other"], filled)
    assert len(list(filled.glob("*"))) == 2


def test_counts_left_open_elsewhere_are_another_file(filled: Path) -> None:
    load_database(PATTERNS, filled, open_from=7)
    assert len(list(filled.glob("*"))) == 2


def test_only_the_newest_databases_are_kept(filled: Path) -> None:
    first = stored(filled)
    for number in range(8):
        load_database([b"other%d" % number], filled)
    assert len(list(filled.glob("*"))) == database._KEPT
    assert not first.exists()


def test_what_was_abandoned_is_removed(filled: Path) -> None:
    old, new = filled / ".writing-old", filled / ".writing-new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, 0))
    load_database([b"other"], filled)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file.write_bytes(b""), id="empty"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:-7]), id="cut-off"),
        pytest.param(
            lambda file: file.write_bytes(
                file.read_bytes()[:-9] + bytes([file.read_bytes()[-9] ^ 1]) + file.read_bytes()[-8:]
            ),
            id="one-bit-changed",
        ),
        pytest.param(lambda file: file.write_bytes(os.urandom(500)), id="noise"),
        pytest.param(lambda file: file.chmod(0o666), id="writable-by-others"),
        pytest.param(lambda file: file.parent.chmod(0o777), id="directory-writable-by-others"),
        pytest.param(lambda file: (file.rename(file.parent / "x"), file.symlink_to("x")), id="a-link"),
        pytest.param(lambda file: (file.unlink(), file.mkdir()), id="a-directory"),
        pytest.param(make_pipe, id="a-pipe"),
    ],
)
def test_a_doubtful_file_is_ignored(filled: Path, monkeypatch: pytest.MonkeyPatch, damage: object) -> None:
    assert callable(damage)
    damage(stored(filled))
    assert compiled_again(filled, monkeypatch)


def test_a_file_of_somebody_else_is_ignored(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert compiled_again(filled, monkeypatch)


def test_a_cache_that_cannot_be_written_does_no_harm(private_dir: Path) -> None:
    (private_dir / "file").write_bytes(b"")
    loaded, _ = load_database(PATTERNS, private_dir / "file" / "imgscan")
    assert loaded is not None


def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "imgscan"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "imgscan"
