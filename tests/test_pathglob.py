"""Patterns for paths mean what they mean in a .gitignore."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from imgscan.pathglob import GlobError, compile_glob

CASES = [
    ("*.pem", "a/b.pem", True),
    ("*.pem", "a/b.pem/c", True),
    ("*.pem", "a/b.pemx", False),
    ("/a/*.pem", "a/b/c.pem", False),
    ("a/*.pem", "x/a/c.pem", False),
    ("a/**/c.pem", "a/b/d/c.pem", True),
    ("a/**/c.pem", "a/c.pem", True),
    ("tests/", "x/tests/a", True),
    ("tests", "x/tests/a", True),
    ("a/**", "a/b/c", True),
    ("**/x", "q/w/x", True),
    ("**/a/x", "q/a/x", True),
    ("f[0-9].txt", "f3.txt", True),
    ("f[!0-9].txt", "f3.txt", False),
    ("f[!0-9].txt", "fa.txt", True),
    ("f[^0-9].txt", "fa.txt", True),
    ("f[!0-9]x", "f/x", False),
    (r"\*x", "*x", True),
    (r"\*x", "ax", False),
    ("a.b", "axb", False),
    ("a**b", "axxb", True),
    ("a**b", "a/b", False),
    ("fo**/x", "foo/x", True),
    ("é*.k", "éü.k", True),
    ("(a|b)+", "a", False),
    ("(a|b)+", "(a|b)+", True),
    ("a b", "c/a b", True),
]


@pytest.mark.parametrize(("pattern", "path", "fits"), CASES)
def test_a_pattern(pattern: str, path: str, fits: bool) -> None:
    assert compile_glob(pattern)(path) is fits
    assert compile_glob(pattern)("/" + path) is fits


def test_git_sees_it_the_same_way(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for pattern, path, fits in CASES:
        (tmp_path / ".gitignore").write_text(pattern + "\n", encoding="utf-8")
        command = ["git", "-C", str(tmp_path), "check-ignore", "-q", "--no-index", path]
        assert (subprocess.run(command, check=False).returncode == 0) is fits, (pattern, path)


def test_two_stars_that_are_no_folder_of_their_own_are_one() -> None:
    # As gitignore(5) has it; git 2.39 itself lets these cross a slash.
    assert not compile_glob("fo**/x")("foo/y/x")


def test_a_folder_s_slash_is_not_for_a_file_of_that_name() -> None:
    assert not compile_glob("tests/")("x/tests")


@pytest.mark.parametrize("pattern", ["", "/", "//", "!a", "[z-a]", "x" * 2000])
def test_a_pattern_that_means_nothing(pattern: str) -> None:
    with pytest.raises(GlobError):
        compile_glob(pattern)


def test_no_pattern_takes_long() -> None:
    fits = compile_glob("*a" * 30 + "b")
    start = time.process_time()
    assert not fits("a" * 4000)
    assert time.process_time() - start < 5
