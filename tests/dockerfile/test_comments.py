"""The comments of a Dockerfile that accept findings: where one is a comment, and what it is about."""

from __future__ import annotations

import pytest

from imgscan.dockerfile.comments import dockerfile_ignores
from imgscan.dockerfile.parse import parse

C = "# imgscan: ignore[a] why"


@pytest.mark.parametrize(
    ("text", "about"),
    [
        pytest.param(f"{C}\nFROM a\nRUN b\n", (2, 2, True, False), id="above-the-first"),
        pytest.param(f"{C}\n\nFROM a\n", (0, 0, True, True), id="set-off-at-the-head"),
        pytest.param(f"# syntax=docker/dockerfile:1\n{C}\n\nFROM a\n", (0, 0, True, True), id="behind-a-directive"),
        pytest.param(f"\ufeff{C}\nFROM a\n", (2, 2, True, False), id="byte-order-mark"),
        pytest.param(f"FROM a\n{C}\nRUN b && \\\n  c\n", (3, 4, False, False), id="continued"),
        pytest.param(f"FROM a\r\n  {C}\r\nRUN b\r\n", (3, 3, False, False), id="indented-with-carriage-returns"),
        pytest.param(f"FROM a\n{C}\n# more\nRUN b\n", (4, 4, False, False), id="another-comment-between"),
        pytest.param(f"FROM a\nRUN b && \\\n  {C}\n  c\n", (2, 4, False, False), id="between-continued-lines"),
        pytest.param(f"# escape=`\nFROM a\nRUN b `\n{C}\n  c\n", (3, 5, False, False), id="another-escape"),
        pytest.param(f"FROM a\n{C}\nRUN <<EOF\nb\nEOF\n", (3, 5, False, False), id="above-a-heredoc"),
        pytest.param(f"FROM a\n{C}\nONBUILD RUN b\n", (3, 3, False, False), id="onbuild"),
        pytest.param(f"ARG X\n{C}\nFROM a\n", (3, 3, False, False), id="after-a-global-arg"),
    ],
)
def test_what_a_comment_is_about(text: str, about: tuple[int, int, bool, bool]) -> None:
    found = dockerfile_ignores(parse(text))
    assert [(e.first, e.last, e.head, e.whole) for e in found.entries] == [about]
    assert found.faults == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(f"FROM a\nRUN b {C}\n", ["Dockerfile:2: a # behind"], id="behind-an-instruction"),
        pytest.param(f"FROM a\nRUN b && \\\n  c {C}\n", ["Dockerfile:3: a # behind"], id="behind-a-continued-line"),
        pytest.param(f"FROM a\nRUN <<EOF\n{C}\nEOF\n", ["Dockerfile:3: what stands in a heredoc"], id="heredoc"),
        pytest.param(f"FROM a\nCOPY <<EOF /x\n{C}\nEOF\n", [], id="file-that-is-written"),
        pytest.param("FROM a\nRUN b # imgscan: ignore[secret-jwt] why\n", [], id="secrets-have-their-own-comments"),
        pytest.param(f"FROM a\n\n{C}\n", ["Dockerfile:3: this comment stands above nothing"], id="at-the-end"),
        pytest.param("FROM a\n# nothing\nRUN imgscan\n", [], id="none"),
    ],
)
def test_what_is_no_comment_accepts_nothing(text: str, told: list[str]) -> None:
    found = dockerfile_ignores(parse(text))
    assert len(found.faults) == len(told)
    assert all(fault.startswith(start) for fault, start in zip(found.faults, told, strict=True))


def test_what_is_told_is_bounded() -> None:
    found = dockerfile_ignores(parse("FROM a\n" + f"RUN b {C}\n" * 2_000))
    assert len(found.faults) == 100
