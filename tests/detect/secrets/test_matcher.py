"""Both back ends give the same hits; floods, refused patterns and regions."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.database import with_re2_space
from imgscan.detect.secrets.examples import examples_of, near_misses_of
from imgscan.detect.secrets.matcher import HyperscanMatcher, Re2Matcher, load_matcher, merge_regions, shortest
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner


def facts(hits: list[SecretHit]) -> list[tuple[str, int, int, str, str]]:
    return [(hit.rule.id, hit.offset, hit.line, hit.severity, hit.context) for hit in hits]


def test_both_back_ends_give_the_same_hits_for_each_example(
    scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    for rule in own_pack().rules:
        for text in (*examples_of(rule), *near_misses_of(rule)):
            path = f"app/{rule.file}"
            assert facts(scanner.scan_bytes(text, path=path)) == facts(slow_scanner.scan_bytes(text, path=path))


def test_both_back_ends_give_the_same_hits_for_all_examples_in_one_file(
    scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    text = b"\n\n".join(text for rule in own_pack().rules for text in (*examples_of(rule), *near_misses_of(rule)))
    fast, slow = scanner.scan_bytes(text, path="app/x.txt"), slow_scanner.scan_bytes(text, path="app/x.txt")
    assert len(fast) > 100
    assert facts(fast) == facts(slow)


def test_a_pattern_that_hyperscan_refuses_is_left_to_re2() -> None:
    huge = b"x(?:[a-z]{1,500}[0-9]{1,500}){1,2}y"
    matcher = HyperscanMatcher([b"needle", huge], [16, 2100], None)
    found = {index for index, _, _ in matcher.regions(b"a needle, xab12y")}
    assert found == {0, 1}


def test_a_flood_of_matches_is_left_to_re2() -> None:
    matcher = HyperscanMatcher([b"a", b"zebra"], [1, 5], None)
    regions = matcher.regions(b"a" * 100_000 + b"zebra")
    assert [index for index, _, _ in regions] == [0, 1]
    assert regions[0][1:] == (0, 100_005)


@pytest.mark.parametrize("backend", ["hyperscan", "re2"])
def test_no_patterns_find_nothing(backend: str) -> None:
    assert load_matcher([], [], backend=backend).regions(b"anything") == []


def test_re2_finds_patterns_without_any_literal() -> None:
    assert Re2Matcher([rb"\b[0-9a-f]{32}\b"]).regions(b"f" * 32) == [(0, 0, 32)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param([(0, 50)], [(0, 38, 62)], id="one"),
        pytest.param([(0, 50), (0, 55)], [(0, 38, 67)], id="overlapping-merged"),
        pytest.param([(0, 20), (0, 80)], [(0, 8, 32), (0, 68, 92)], id="apart"),
        pytest.param([(1, 5), (0, 99)], [(0, 87, 100), (1, 0, 27)], id="cut-at-the-borders"),
        pytest.param([(0, 50), (0, 50)], [(0, 38, 62)], id="twice-the-same"),
    ],
)
def test_regions_are_merged(raw: list[tuple[int, int]], expected: list[tuple[int, int, int]]) -> None:
    assert merge_regions(raw, [(12, 12), (22, 22)].__getitem__, 100) == expected


def test_threads_may_share_a_scanner(scanner: SecretScanner, token: bytes) -> None:
    results: list[int] = []

    def scan() -> None:
        results.extend(len(scanner.scan_bytes(b"x " * 1000 + token, path="a")) for _ in range(50))

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 200


@pytest.mark.parametrize(
    ("pattern", "short"),
    [
        (rb"ab[0-9]{3,9}", rb"ab[0-9]{3}"),
        (rb"ab([0-9]{3,})", rb"ab([0-9]{3})"),
        (rb"a(b(?:c[0-9]+))", rb"a(b(?:c[0-9]))"),
        (rb"a[b]{4,8}={0,2}", rb"a[b]{4}"),
        (rb"a[b]{4,8}[=+]?[/]*", rb"a[b]{4}"),
        (rb"a(?P<x>b{2,5}={0,2})", rb"a(?P<x>b{2})"),
        (rb"a{2,5}b", rb"a{2,5}b"),
        (rb"a[0-9]{40}", rb"a[0-9]{40}"),
        (rb"a\{2,5}", rb"a\{2,5}"),
        (rb"a\+", rb"a\+"),
        (rb"a\=?", rb"a\=?"),
        (rb"a[b\]]?", rb"a[b\]]?"),
        (rb"a(?:b|c{1,3})", rb"a(?:b|c{1})"),
    ],
    ids=lambda text: text.decode(),
)
def test_a_trigger_without_its_open_end(pattern: bytes, short: bytes) -> None:
    assert shortest(pattern) == short


@given(text=st.text("abc=1", max_size=40).map(str.encode), data=st.data())
def test_wherever_a_pattern_matches_its_trigger_does_too(text: bytes, data: st.DataObject) -> None:
    atoms = ["a", "[bc]", "=", "(?:ab|c)"]
    counts = ["", "+", "?", "*", "{2,4}", "{0,3}", "{1,}"]
    parts = data.draw(st.lists(st.tuples(st.sampled_from(atoms), st.sampled_from(counts)), min_size=1, max_size=4))
    pattern = "".join(atom + count for atom, count in parts).encode()
    for whole in (pattern, b"(" + pattern + b")", b"(?:1|" + pattern + b")"):
        short = re.compile(shortest(whole))
        for match in re.finditer(whole, text):
            assert short.match(text, match.start(), match.end()) is not None


SPACES = [
    pytest.param(rb"a[^\s\"]{4}", rb"a[^\t\n\f\r \"]{4}", id="negated-class"),
    pytest.param(rb"a\S+b", rb"a[^\t\n\f\r ]+b", id="no-blank"),
    pytest.param(rb"a\s*[\s,]b", rb"a\s*[\s,]b", id="blanks"),
    pytest.param(rb"\[^\s]", rb"\[^\s]", id="no-class"),
    pytest.param(rb"[^]\s]x", rb"[^]\t\n\f\r ]x", id="a-bracket-first"),
    pytest.param(rb"[[:alpha:]\s][^[:digit:]\s]", rb"[[:alpha:]\s][^[:digit:]\t\n\f\r ]", id="named-classes"),
    pytest.param(rb"\\[^\\\s]", rb"\\[^\\\t\n\f\r ]", id="backslashes"),
]


@pytest.mark.parametrize(("pattern", "same"), SPACES)
def test_blanks_are_those_of_re2(pattern: bytes, same: bytes) -> None:
    assert with_re2_space(pattern) == same
