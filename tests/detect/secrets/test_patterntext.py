"""Patterns taken apart."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.patterntext import has_alternatives, in_parts, tokens, widest, with_open_counts
from imgscan.detect.secrets.rules import load_packs

TRIGGERS = sorted({trigger for pack in load_packs(()) for rule in pack.rules for trigger in rule.triggers})


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        pytest.param(rb"(?:a|b|c)x", [rb"(?:a|b)x", rb"(?:c)x"], id="words"),
        pytest.param(rb"(?i)(?:a|b|c)x", [rb"(?i)(?:a|b)x", rb"(?i)(?:c)x"], id="flags"),
        pytest.param(rb"(?:a(?:1|2)|[|)]|\||d)x", [rb"(?:a(?:1|2)|[|)])x", rb"(?:\||d)x"], id="bars-that-are-none"),
        pytest.param(rb"(?:a|b)x", [rb"(?:a|b)x"], id="few"),
        pytest.param(rb"(?:a|b|c)?x", [rb"(?:a|b|c)?x"], id="may-be-missing"),
        pytest.param(rb"(?:a|b|c){2}x", [rb"(?:a|b|c){2}x"], id="repeated"),
        pytest.param(rb"(?:a|b|c)x|y", [rb"(?:a|b|c)x|y"], id="another-way-beside-it"),
        pytest.param(rb"\b(?:a|b|c)x", [rb"\b(?:a|b|c)x"], id="something-before"),
        pytest.param(rb"(a|b|c)x", [rb"(a|b|c)x"], id="a-group"),
        pytest.param(rb"(?:a|b|c", [rb"(?:a|b|c"], id="not-closed"),
    ],
)
def test_in_parts(pattern: bytes, parts: list[bytes]) -> None:
    assert in_parts(pattern, 2) == parts


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (rb"a|b", True),
        (rb"(?:a|b)c", False),
        (rb"a)(?:b|c)", False),
        (rb"a)b|c", True),
        (rb"[|]\|[^]|]", False),
        (rb"(?P<x>a|b)", False),
    ],
)
def test_has_alternatives(rest: bytes, expected: bool) -> None:
    assert has_alternatives(rest) is expected


@pytest.mark.parametrize("pattern", TRIGGERS)
def test_nothing_is_lost_of_a_pattern(pattern: bytes) -> None:
    assert b"".join(tokens(pattern)) == pattern


@given(
    words=st.lists(st.sampled_from([b"ab", b"a", b"b?", b"[ab]c", b"(?:c|d)a", b"\\|"]), min_size=1, max_size=9),
    some=st.integers(1, 4),
    text=st.text("abcd|", max_size=12),
)
def test_parts_match_what_the_whole_matches(words: list[bytes], some: int, text: str) -> None:
    pattern = b"(?:" + b"|".join(words) + b")a"
    ends = {m for part in in_parts(pattern, some) for m in all_ends(part, text.encode())}
    assert ends == all_ends(pattern, text.encode())


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


def all_ends(pattern: bytes, data: bytes) -> set[int]:
    """Where matches may end, whichever way they take."""
    return {
        end
        for start in range(len(data) + 1)
        for end in range(start, len(data) + 1)
        if re.fullmatch(pattern, data[start:end])
    }


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        pytest.param(rb"abc", 3, id="bytes"),
        pytest.param(rb"(?im)^a\b[bc]\.$\z", 3, id="places-have-no-width"),
        pytest.param(rb"a{3}b{2,5}c?d??", 10, id="counts"),
        pytest.param(rb"a{0}", 0, id="none"),
        pytest.param(rb"(?:ab|c{4}|)x", 5, id="the-widest-choice"),
        pytest.param(rb"(?P<x>(?:ab){2,3}|[(|)]{9}){2}", 18, id="groups"),
        pytest.param(rb"a{b", 3, id="a-brace"),
        pytest.param(rb"(?i:a|bc)(?-i:d)", 3, id="groups-with-flags"),
        pytest.param(rb"a+", None, id="open"),
        pytest.param(rb"(?:ab*)?c", None, id="open-within"),
        pytest.param(rb"a{4,}", None, id="open-from-a-count"),
        pytest.param(rb"(?:\b)*a", 1, id="nothing-again-and-again"),
        pytest.param(rb"\Qa{9}\E", None, id="quoted"),
        pytest.param(rb"a(?i)b", None, id="flags-on-the-way"),
        pytest.param(rb"a)b", None, id="closed-too-often"),
        pytest.param(rb"(a", None, id="not-closed"),
    ],
)
def test_widest(pattern: bytes, width: int | None) -> None:
    assert widest(pattern) == width


@pytest.mark.parametrize("pattern", TRIGGERS)
def test_widest_is_what_python_says(pattern: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        most = re._parser.parse(pattern.replace(rb"\z", rb"\Z")).getwidth()[1]  # type: ignore[attr-defined]
    found = widest(pattern)
    assert found is None or found >= most
    assert found is not None or most >= re._parser.MAXREPEAT or rb"(?-i)" in pattern  # type: ignore[attr-defined]
