"""Diffs that `git apply` and `patch -p1` both take, and that show no secret."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.diff import FileChange, diff_without, unified_diff

LINES = "".join(f"line {number}\n" for number in range(20))
CASES = {
    "one line": ("Dockerfile", LINES, LINES.replace("line 7\n", "line seven\n")),
    "at both ends": ("Dockerfile", LINES, f"first\n{LINES}last\n"),
    "no line end before": ("a/Dockerfile", LINES.rstrip("\n"), f"{LINES}more\n"),
    "no line end after": ("a/Dockerfile", LINES, LINES.rstrip("\n") + "\nmore"),
    "no line end in both": ("Dockerfile", "a\nb", "b\na"),
    "carriage returns": ("Dockerfile", LINES.replace("\n", "\r\n"), LINES.replace("\n", "\r\n").replace("7", "x")),
    "form feeds and other ends": ("Dockerfile", "a\x0cb\x1c\nc\u2028d\n", "a\x0cb\x1c\nc\u2028e\n"),
    "blanks in the name": ("my files/Docker file", LINES, LINES.replace("3", "x")),
    "odd name": ('na"me\\with\ttab/é', LINES, LINES.replace("3", "x")),
    "new": (".dockerignore", None, "**/node_modules\n.dockerignore\n"),
    "new without line end": ("new file", None, "x"),
    "not UTF-8": ("Dockerfile", "a\n\udcff\nb\n", "a\n\udcff\nc\n"),
}


def apply_with(tool: str, folder: Path, diff: str) -> None:
    command = {"git": ["git", "apply", "-"], "patch": ["patch", "-p1", "--batch", "--fuzz=0"]}[tool]
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_DIR": str(folder / "none")}
    data = diff.encode("utf-8", "surrogateescape")
    done = subprocess.run(command, input=data, cwd=folder, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")


def put(folder: Path, path: str, text: str | None) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("context", [1, 3])
@pytest.mark.parametrize("tool", ["git", "patch"])
@pytest.mark.parametrize("case", CASES)
def test_both_programs_make_of_it_what_was_meant(case: str, tool: str, context: int, tmp_path: Path) -> None:
    path, before, after = CASES[case]
    put(tmp_path, path, before)
    apply_with(tool, tmp_path, unified_diff((FileChange(path=path, before=before, after=after),), context))
    assert (tmp_path / path).read_bytes() == after.encode("utf-8", "surrogateescape")


def test_two_files_at_once(tmp_path: Path) -> None:
    changes = (FileChange(path="a", before="1\n", after="2\n"), FileChange(path="b", before=None, after="3\n"))
    put(tmp_path, "a", "1\n")
    apply_with("patch", tmp_path, unified_diff(changes))
    assert [(tmp_path / name).read_text() for name in "ab"] == ["2\n", "3\n"]


def test_what_did_not_change_is_not_there() -> None:
    assert unified_diff((FileChange(path="a", before="x", after="x"),)) == ""


def test_a_secret_beside_the_change_is_not_shown() -> None:
    change = FileChange(path="a", before="1\n2\nsecret\n3\n4\n5\n", after="1\n2\nsecret\n3\n4\nfive\n")
    diff = diff_without((change,), lambda text: "secret" in text)
    assert diff is not None
    assert "secret" not in diff
    assert "+five" in diff


def test_a_changed_line_with_a_secret_cannot_be_shown() -> None:
    change = FileChange(path="a", before="secret\n1\n", after="1\nsecret\n")
    assert diff_without((change,), lambda text: "secret" in text) is None


@given(st.lists(st.sampled_from(["a", "b", "", "\r", "x y"])), st.lists(st.sampled_from(["a", "b", "", "\r"])))
def test_every_line_of_the_new_text_is_told_or_kept(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(before), "\n".join(after)
    diff = unified_diff((FileChange(path="f", before=old, after=new),), 10_000)
    told = [line for line in diff.split("\n")[4:] if line[:1] in ("+", " ")]
    if diff:
        assert "\n".join(line[1:] for line in told).rstrip("\n") == new.rstrip("\n")
