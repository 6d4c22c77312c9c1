"""The comment that accepts findings: its spelling, the lines it is about, and what is told of those close to it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.ignores import Comment, Ignores, is_for_secrets, is_meant, join, read_ignores


def read(text: str, spans: tuple[tuple[int, int], ...] = ((2, 2),)) -> Ignores:
    """A file whose first line is a comment, and a second line."""
    return read_ignores("f", f"#{text}\nx", [Comment(text=text, line=1)], spans)


@pytest.mark.parametrize(
    ("text", "rules", "reason"),
    [
        pytest.param(" imgscan: ignore[a] why", ("a",), "why", id="plain"),
        pytest.param("imgscan:ignore[a] why", ("a",), "why", id="no-blanks"),
        pytest.param(" imgscan: ignore[a,b , a] why", ("a", "b"), "why", id="several-once-each"),
        pytest.param(" imgscan: ignore[a] -- why: so", ("a",), "why: so", id="dashes-before-the-reason"),
        pytest.param(" imgscan: ignore[a]: étrange", ("a",), "étrange", id="other-letters"),
        pytest.param("# IMGSCAN: IGNORE[a] why", ("a",), "why", id="capitals"),
        pytest.param(" hadolint ignore=DL3008 # imgscan: ignore[a] why", ("a",), "why", id="behind-another-one"),
        pytest.param(" imgscan: ignore[a] see [1]", ("a",), "see [1]", id="brackets-in-the-reason"),
    ],
)
def test_a_comment_that_counts(text: str, rules: tuple[str, ...], reason: str) -> None:
    (found,) = read(text).entries
    assert (found.rules, found.reason, found.where, read(text).faults) == (rules, reason, "f:1", ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(" imgscan: ignore[a]", "needs a reason", id="no-reason"),
        pytest.param(" imgscan: ignore[a] --", "needs a reason", id="no-word-in-the-reason"),
        pytest.param(" imgscan: ignore[a] " + "x" * 501, "longer than 500", id="long-reason"),
        pytest.param(" imgscan: ignore[] why", "names no rule", id="no-rule"),
        pytest.param(" imgscan: ignore[ , ] why", "names no rule", id="only-commas"),
        pytest.param(" imgscan: ignore[net-*] why", "each rule by its id", id="pattern"),
        pytest.param(" imgscan: ignore[" + ",".join(map(str, range(51))) + "] why", "more than 50", id="many"),
        pytest.param(" imgscan: ignore a", "not spelled", id="no-brackets"),
        pytest.param(" imgscan:ignore [a] why", "not spelled", id="blank-before-the-bracket"),
        pytest.param(" imgscan: ignore [a] why", "not spelled", id="both-blanks"),
        pytest.param(" imgscan: ignore(a) why", "not spelled", id="round"),
        pytest.param(" imgscan: ignore[a why", "not spelled", id="open"),
        pytest.param(" imgscan ignore[a] why", "not spelled", id="no-colon"),
        pytest.param(" imgscan: ignored[a] why", "not spelled", id="another-word"),
        pytest.param(" imgscan-ignore: a", "not spelled", id="dash"),
        pytest.param(" imgscan = ignore[a] why", "not spelled", id="equals"),
    ],
)
def test_one_that_was_meant_to_is_told(text: str, told: str) -> None:
    found = read(text)
    assert not found.entries
    (fault,) = found.faults
    assert fault.startswith("f:1: ")
    assert told in fault


@pytest.mark.parametrize(
    "text",
    [
        " imgscan ignores this folder",
        " see imgscan: ignore[a] why",
        " imgscan:ignore a test key",
        " imgscan:ignore=secret-jwt,secret-a*",
        " ximgscan: ignore[a] why",
        " imgscan",
        " imgscan: what it says",
        "",
    ],
)
def test_other_comments_are_left_alone(text: str) -> None:
    assert not is_meant(text)
    assert read(text) == Ignores()


@pytest.mark.parametrize(
    ("lines", "at", "about", "head", "whole"),
    [
        pytest.param(["C", "x", "y"], 1, (2, 3), True, False, id="before-the-first"),
        pytest.param(["C", "", "x", "y"], 1, (0, 0), True, True, id="set-off-at-the-head"),
        pytest.param(["C", "# z", "x", "y"], 1, (3, 4), True, False, id="more-comments-between"),
        pytest.param(["x", "y", "C", "z"], 3, (4, 4), False, False, id="in-the-middle"),
    ],
)
def test_what_a_comment_is_about(lines: list[str], at: int, about: tuple[int, int], head: bool, whole: bool) -> None:
    words = " imgscan: ignore[a] why"
    text = "\n".join(lines).replace("C", f"#{words}")
    first = next(number for number, line in enumerate(lines, start=1) if line == "x")
    spans = [(first, first + 1), *([(4, 4)] if "z" in lines else [])]
    (found,) = read_ignores("f", text, [Comment(text=words, line=at)], spans).entries
    assert ((found.first, found.last), found.head, found.whole) == (about, head, whole)
    assert found.covers(None) is head
    assert found.covers(about[0] or 99)
    assert found.covers(99) is whole


@pytest.mark.parametrize("text", ["x\nC", "x\nC\n\ny"])
def test_one_above_nothing_is_told(text: str) -> None:
    words = " imgscan: ignore[a] why"
    found = read_ignores("f", text.replace("C", f"#{words}"), [Comment(text=words, line=2)], [(1, 1)])
    assert not found.entries
    assert "stands above nothing" in found.faults[0]


def test_the_nearest_one_is_given() -> None:
    words = " imgscan: ignore[a] why"
    text = f"#{words}\n\nx\n#{words}\ny\n"
    found = read_ignores("f", text, [Comment(text=words, line=line) for line in (1, 4)], [(3, 3), (5, 5)])
    assert [found.find("a", "f", line).line for line in (3, 5)] == [1, 4]  # type: ignore[union-attr]
    assert found.find("b", "f", 5) is None
    assert found.find("a", "g", 5) is None
    assert join((found, found)).find("a", "f", None) is not None


def test_those_about_secrets_alone() -> None:
    assert is_for_secrets(" imgscan: ignore[secret-jwt, secret-aws-access-key] why")
    assert not is_for_secrets(" imgscan: ignore[secret-jwt, net-links] why")
    assert not is_for_secrets(" imgscan: ignore secret-jwt")


@given(st.text(st.sampled_from("#imgscan:ore[],- \tİ\x00a*"), max_size=300))
def test_any_text_is_read(text: str) -> None:
    found = read(text)
    assert len(found.entries) + len(found.faults) == is_meant(text)


@pytest.mark.parametrize(
    "part", ["#", "# imgscan", "imgscan:", "imgscan: ignore[", "# imgscan: ignore[a", "[", ",", " "]
)
def test_hostile_texts_take_no_time(part: str) -> None:
    text = part * (200_000 // len(part))
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 1


def test_their_number_is_bounded() -> None:
    comments = [Comment(text=" imgscan: ignore[a] why", line=number, first=number) for number in range(1, 5_000)]
    found = read_ignores("f", "\n" * 5_000, comments, [])
    assert len(found.entries) == 1_000
    assert "more than 1000" in found.faults[-1]
