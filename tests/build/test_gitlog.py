"""The paths that commits changed, from real repositories with hostile names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.build.gitlog import count_changes, parse_commits, read_commits, why_so_few
from imgscan.errors import InputError

HOSTILE = (
    b"a\nb",
    b"\nstarts with a line end",
    b"-n",
    b"\xff\xfe",
    b" 1 2 3",
    b"tab\there",
    b'"quoted"',
    b"deadbeef 1 2",
)
ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    **{"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z"},
    **{"GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.org", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"},
    **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
}


def git(root: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=root, env=ENV, check=True, capture_output=True)


def commit(root: Path, *names: bytes) -> None:
    for name in names:
        path = os.path.join(os.fsencode(root), name)  # noqa: PTH118 - names of bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - the same
        with open(path, "ab") as file:  # noqa: PTH123 - the same
            file.write(b"x\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "message with\n\nlines")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, b"first")
    commit(tmp_path, *HOSTILE)
    commit(tmp_path)
    commit(tmp_path, b"app/main.py", b"other/x")
    return tmp_path


def test_commits_newest_first_without_the_one_that_has_no_parent(repository: Path) -> None:
    found = read_commits(repository, 10)
    assert [sorted(map(os.fsencode, one.paths)) for one in found] == [[b"app/main.py", b"other/x"], [], sorted(HOSTILE)]
    assert {one.time_s for one in found} == {1767323045}
    assert all(len(one.id) == 40 for one in found)


def test_paths_are_those_below_the_context(repository: Path) -> None:
    assert [one.paths for one in read_commits(repository / "app", 10)] == [("main.py",), (), ()]
    assert count_changes(repository / "app") == {"main.py": 1}


def test_the_count_and_merges(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "side", "HEAD~1")
    commit(repository, b"side")
    git(repository, "merge", "-q", "--no-edit", "main")
    assert sorted(one.paths for one in read_commits(repository, 2)) == [("app/main.py", "other/x"), ("side",)]


def test_the_end_of_a_shallow_clone_is_no_commit_that_changed_everything(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{repository}", str(clone))
    assert [sorted(one.paths) for one in read_commits(clone, 10)] == [["app/main.py", "other/x"]]


def test_why_there_are_so_few(repository: Path, tmp_path: Path) -> None:
    clone, one = tmp_path / "clone", tmp_path / "one"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", str(clone))
    one.mkdir()
    git(one, "init", "-q")
    commit(one, b"first")
    assert read_commits(clone, 10) == read_commits(one, 10) == ()
    assert "the clone is shallow" in why_so_few(clone, 0, 10)
    assert "only merges and the first commit" in why_so_few(one, 0, 10)
    assert why_so_few(repository, 3, 10) == ""
    assert why_so_few(clone, 10, 10) == ""


@pytest.mark.parametrize("prepare", [None, ("init", "-q")], ids=["no-repository", "no-commits"])
def test_no_history_is_an_input_error(tmp_path: Path, prepare: tuple[str, ...] | None) -> None:
    root = tmp_path / "x"
    root.mkdir()
    if prepare:
        git(root, *prepare)
    else:
        # Otherwise a repository above the test's folder would count.
        (root / ".git").write_text("gitdir: /nonexistent\n")
    with pytest.raises(InputError, match="git reads no history"):
        read_commits(root, 5)
    assert count_changes(root) == {}


@given(st.binary(max_size=200))
def test_any_output_is_read(output: bytes) -> None:
    for one in parse_commits(output):
        assert isinstance(one.time_s, int)
        assert all(one.paths) or one.paths == ("",)
