"""Patches of one report: each that is shown applies whatever else was applied, and none is lost."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from imgscan.diff import FileChange, unified_diff
from imgscan.model import Evidence, Fix, Location, Place
from imgscan.patchmerge import Texts, merged_patches, overlap, patched_texts, with_merged_patches
from imgscan.rulebook import make_finding

FINDING = make_finding(
    "context-git-directory",
    message="m",
    location=Location(place=Place.CONTEXT, path=".git"),
    evidence=Evidence.DERIVED,
    identity=(".git",),
)
LINES = "".join(f"{number}\n" for number in range(30))
TEXTS: Texts = {"Dockerfile": LINES, ".dockerignore": None}


def of(path: str, before: str | None, after: str) -> FileChange:
    return FileChange(path=path, before=before, after=after)


def new(*lines: str) -> str:
    return unified_diff((of(".dockerignore", None, "".join(f"{line}\n" for line in lines)),))


def edit(number: int, text: str) -> str:
    return unified_diff((of("Dockerfile", LINES, LINES.replace(f"\n{number}\n", f"\n{text}\n", 1)),))


BOTH = unified_diff(
    (of("Dockerfile", LINES, LINES.replace("\n20\n", "\n20\nx\n")), of(".dockerignore", None, "**/.git\n.env\n"))
)
TABLE = [
    pytest.param([new("**/.git"), new(".env")], 1, {".dockerignore": "**/.git\n.env\n"}, id="a-new-file-each"),
    pytest.param([new("a", "b"), new("b", "c")], 1, {".dockerignore": "a\nb\nc\n"}, id="each-line-once"),
    pytest.param([edit(5, "x"), edit(25, "y")], 2, {}, id="far-from-each-other"),
    pytest.param([edit(5, "x"), edit(7, "y")], 1, {}, id="near-each-other"),
    pytest.param([edit(5, "x"), new("a")], 2, {}, id="other-files"),
    pytest.param([edit(19, "y"), new("a"), BOTH], 1, {}, id="one-patch-joins-two"),
    pytest.param([edit(5, "x"), edit(5, "x")], 1, {}, id="the-same"),
]


@pytest.mark.parametrize(("patches", "count", "texts"), TABLE)
def test_all_that_are_shown_apply(patches: list[str], count: int, texts: dict[str, str], tmp_path: Path) -> None:
    shown = dict.fromkeys(merged_patches(patches, TEXTS).values())
    assert len(shown) == count
    for number, order in enumerate(permutations(shown)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "Dockerfile").write_text(LINES)
        for patch in order:
            done = subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=folder, capture_output=True)
            assert done.returncode == 0, done.stderr
        for path, text in texts.items():
            assert (folder / path).read_text() == text


def test_what_cannot_be_merged_stays() -> None:
    patches = [edit(5, "x"), edit(5, "y")]
    assert merged_patches(patches, TEXTS) == {patch: patch for patch in patches}


def put(*lines: str) -> str:
    """Lines put in behind line 5."""
    return unified_diff((of("Dockerfile", LINES, LINES.replace("\n5\n", "\n".join(("\n5", *lines, "")), 1)),))


def test_what_two_put_in_at_one_place_is_there_twice_or_not_merged() -> None:
    (both,) = set(merged_patches([put("a: 1"), put("b: 2")], TEXTS).values())
    assert patched_texts(both, TEXTS) == {"Dockerfile": LINES.replace("\n5\n", "\n5\na: 1\nb: 2\n", 1)}
    apart = [put("a:", "  x: 1"), put("b:", "  x: 1")]
    assert merged_patches(apart, TEXTS) == {patch: patch for patch in apart}


def test_findings_of_one_report_share_what_cannot_be_apart() -> None:
    fixes = [
        Fix(text="a", patch=new("a")),
        Fix(text="b", patch=new("b")),
        Fix(text="c"),
        Fix(text="d", patch=edit(5, "x")),
    ]
    findings = [replace(FINDING, fingerprint=str(at), fix=fix) for at, fix in enumerate(fixes)]
    merged = with_merged_patches(findings, TEXTS.get)
    assert [one.fix.text for one in merged] == ["a", "b", "c", "d"]
    assert [one.fix.patch for one in merged] == [new("a", "b"), new("a", "b"), None, edit(5, "x")]


def test_what_changes_other_files_stays() -> None:
    patches = [
        unified_diff((of("compose.yaml", None, "a\n"),)),
        "diff --git a/x.sh b/x.sh\nold mode 100644\nnew mode 100755\n",
    ]
    assert merged_patches(patches, TEXTS) == {patch: patch for patch in patches}


def test_a_secret_keeps_patches_apart() -> None:
    patches = [new("a"), new("b")]
    assert merged_patches(patches, TEXTS, lambda text: "+a" in text and "+b" in text) == {p: p for p in patches}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a\nb", "a\nb\nc\n", id="no-line-end-before"),
        pytest.param("a\nb\n", "a\nb\nc", id="no-line-end-after"),
        pytest.param("a\r\nb\r\n", "a\r\nc\r\n", id="crlf"),
        pytest.param("", "x\n", id="empty"),
    ],
)
def test_a_patch_is_read_as_it_was_written(before: str, after: str) -> None:
    assert patched_texts(unified_diff((of("f", before, after),)), {"f": before}) == {"f": after}


def test_overlap() -> None:
    assert overlap(new("a"), new("b"), TEXTS)
    assert not overlap(edit(5, "x"), edit(25, "x"), TEXTS)
    assert not overlap(edit(5, "x"), "no patch", TEXTS)
