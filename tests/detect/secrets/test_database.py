"""Compiled databases on disk: used only when this user alone can have written them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.cachedir import cache_dir
from imgscan.detect.secrets import database
from imgscan.detect.secrets.database import load_database, with_open_counts

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


@pytest.mark.parametrize(
    ("pattern", "opened"),
    [
        pytest.param(b"key=[a-z]{4,512}", b"key=[a-z]{4,}", id="many"),
        pytest.param(b"key=[a-z]{4,33}", b"key=[a-z]{4,33}", id="few"),
        pytest.param(b"key=[a-z]{4,34}", b"key=[a-z]{4,}", id="just-as-many"),
        pytest.param(b"key=[a-z]{40}", b"key=[a-z]{40}", id="a-fixed-number"),
        pytest.param(b"key=[a-z]{40,}", b"key=[a-z]{40,}", id="open-before"),
        pytest.param(b"a[^x]{0,300}?b{1,90}", b"a[^x]{0,}?b{1,}", id="two-one-of-them-lazy"),
        pytest.param(rb"\{1,90}", rb"\{1,90}", id="a-brace-itself"),
        pytest.param(rb"\\{1,90}", rb"\\{1,}", id="behind-a-backslash-itself"),
        pytest.param(b"[{1,90}]", b"[{1,90}]", id="in-a-class"),
        pytest.param(rb"\Q{1,90}\E", rb"\Q{1,90}\E", id="quoted"),
    ],
)
def test_counts_are_left_open(pattern: bytes, opened: bytes) -> None:
    assert with_open_counts(pattern, 30) == opened


PIECES = st.sampled_from([b"a", b"[ab]", rb"\{", rb"\w", b"[^a{1,9}]", b"(?:ab|b)", b"{", b","])
COUNTS = st.sampled_from([b"", b"", b"*", b"+", b"?", b"{2}", b"{0,3}", b"{1,9}?", b"{2,12}", b"{3,}"])


@given(
    st.lists(st.tuples(PIECES, COUNTS), min_size=1, max_size=5).map(
        lambda parts: b"".join(piece + (b"" if piece == b"{" else count) for piece, count in parts)
    ),
    st.text("ab{,1", max_size=24).map(str.encode),
)
def test_what_matched_still_matches(pattern: bytes, text: bytes) -> None:
    if re.fullmatch(pattern, text):
        assert re.fullmatch(with_open_counts(pattern, 3), text)


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
