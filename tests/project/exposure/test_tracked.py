"""Files of variables under version control: git writes the index, we read it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setups import setup_of, write_files

from imgscan.model import Place, Severity
from imgscan.project.exposure.gitindex import tracked_paths
from imgscan.project.exposure.tracked import detect

NAMES = [".env", "a b/ü.env", "a b/x", "deep/er/and/deeper/file", "deep/er/and/other", "z" * 200]


def git(root: Path, *args: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    env = {name: value for name, value in env.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    return subprocess.run(["git", *args], cwd=root, env=env, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("version", [2, 3, 4])
def test_every_version_that_git_writes(tmp_path: Path, version: int) -> None:
    write_files(tmp_path, dict.fromkeys(NAMES, "A=1\n"))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "update-index", "--index-version", str(version))
    git(tmp_path, "add", "--all")
    if version == 3:
        write_files(tmp_path, {"later": "x"})
        git(tmp_path, "add", "--intent-to-add", "later")
    wanted = git(tmp_path, "ls-files", "-z").encode().rstrip(b"\0").split(b"\0")
    assert list(tracked_paths((tmp_path / ".git" / "index").read_bytes())) == wanted


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    write_files(tmp_path, {".env": "API_KEY=" + "k3" * 8 + "\n", "a": "x"})
    git(tmp_path, "init", "--quiet", "--object-format=sha256")
    git(tmp_path, "add", "--all")
    assert [f.location.path for f in detect(setup_of({}, tmp_path))] == [".env"]


@given(st.binary(max_size=400), st.sampled_from([2, 3, 4]), st.integers(0, 2**32 - 1))
def test_a_broken_index_never_crashes(data: bytes, version: int, count: int) -> None:
    head = b"DIRC" + version.to_bytes(4) + count.to_bytes(4)
    assert isinstance(list(tracked_paths(head + data)), list)
    assert isinstance(list(tracked_paths(data)), list)


@pytest.mark.parametrize(
    ("tracked", "text", "severity"),
    [
        pytest.param([".env"], "API_KEY=" + "k3" * 8 + "\n", Severity.HIGH, id="with-a-secret"),
        pytest.param([".env"], "PORT=3001\n", Severity.LOW, id="without-one"),
        pytest.param([".env.example"], "API_KEY=" + "k3" * 8 + "\n", None, id="an-example-may-be"),
        pytest.param([], "API_KEY=" + "k3" * 8 + "\n", None, id="not-tracked"),
    ],
)
def test_files_of_variables(tmp_path: Path, tracked: list[str], text: str, severity: Severity | None) -> None:
    write_files(tmp_path, {".env": text, ".env.example": text})
    git(tmp_path, "init", "--quiet")
    if tracked:
        git(tmp_path, "add", *tracked)
    findings = list(detect(setup_of({}, tmp_path)))
    assert [f.severity for f in findings] == ([severity] if severity else [])
    assert {f.location.place for f in findings} <= {Place.CONTEXT}
    assert "k3k3" not in repr(findings)


def test_an_index_behind_a_link_is_not_read(tmp_path: Path) -> None:
    other, mine = tmp_path / "other", tmp_path / "mine"
    for root in (other, mine):
        write_files(root, {".env": "API_KEY=" + "k3" * 8 + "\n"})
    git(other, "init", "--quiet")
    git(other, "add", ".env")
    (mine / ".git").symlink_to(other / ".git")
    assert list(detect(setup_of({}, mine))) == []
