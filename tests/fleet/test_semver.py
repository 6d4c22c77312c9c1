"""Versions and their order are those of semver.org; ranges mean what they say."""

from __future__ import annotations

import itertools

import pytest
from fleetsources import told
from hypothesis import given
from hypothesis import strategies as st

from imgscan.errors import InputError
from imgscan.fleet.semver import Version, parse_range, read_version

# Item 11 of the specification, with its own example of pre-releases.
ORDER = [
    "0.0.1",
    "0.9.0",
    "1.0.0-0",
    "1.0.0-1",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-A",
    "1.0.0-a",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
]


def version(text: str) -> Version:
    found = read_version(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(("lower", "higher"), list(itertools.combinations(ORDER, 2)))
def test_precedence(lower: str, higher: str) -> None:
    assert version(lower) < version(higher)
    assert not version(higher) < version(lower)
    assert version(lower) != version(higher)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.2", "1.2.0"),
        ("V1", "1.0.0"),
        ("1.2.3+build.5", "1.2.3"),
        ("1.2.3_build5", "1.2.3"),
        ("22.04", "22.4.0"),
        ("1.0.0-rc.01", "1.0.0-rc.1"),
        ("1.2-alpine", "1.2.0-alpine"),
    ],
)
def test_other_spellings(one: str, other: str) -> None:
    assert version(one) == version(other)
    assert hash(version(one)) == hash(version(other))


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "latest",
        "v",
        "1.",
        ".1",
        "1.2.3.4",
        "1.2.3-",
        "1.2.3-a..b",
        "1.2.3+",
        "x1",
        "1.2.3 ",
        "１.2",
        "-1",
        "1" * 300,
    ],
)
def test_no_version(tag: str) -> None:
    assert read_version(tag) is None


RANGES = [
    (">=1.2", "1.2.0 1.10.0 2.0.0", "1.1.9 0.9.0"),
    (">=1.2 <2", "1.2.0 1.99.99", "2.0.0 2.0.0-rc.1 1.1.0"),
    (">=1.2,<2", "1.2.0", "2.0.0"),
    (">= 1.2, < 2", "1.2.0", "2.0.0"),
    (">1", "2.0.0 3.1.0", "1.0.0 1.9.9"),
    (">1.2.3", "1.2.4", "1.2.3"),
    ("<=1", "0.1.0 1.9.9", "2.0.0 2.0.0-rc.1"),
    ("<=1.2.3", "1.2.3 1.2.3-rc.1", "1.2.4"),
    ("<1.2.3", "1.2.2", "1.2.3 1.2.3-rc.1"),
    ("<1.2.3-rc.2", "1.2.3-rc.1", "1.2.3-rc.2 1.2.3"),
    ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-a"),
    ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
    ("^0.0.3", "0.0.3", "0.0.4"),
    ("^0.0", "0.0.1", "0.1.0"),
    ("^1", "1.0.0 1.5.0", "2.0.0"),
    ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
    ("~1.2", "1.2.0 1.2.9", "1.3.0"),
    ("~1", "1.0.0 1.9.0", "2.0.0"),
    ("1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"),
    ("1.2.x", "1.2.0", "1.3.0"),
    ("1.*", "1.0.0 1.9.0", "2.0.0 0.9.0"),
    ("=1.2.3", "1.2.3", "1.2.4"),
    ("v1.2.3", "1.2.3", "1.2.4"),
    ("*", "0.0.0 9.9.9 1.0.0-rc.1", ""),
    ("^*", "0.0.1 9.0.0", ""),
    (">=1 !=1.4.1", "1.4.0 1.4.2", "1.4.1 0.9.0"),
    ("!=1.4", "1.3.0 1.5.0", "1.4.0 1.4.7"),
    ("1.x || >=3", "1.5.0 3.0.0", "2.0.0"),
]


@pytest.mark.parametrize(("text", "within", "outside"), RANGES, ids=[text for text, _, _ in RANGES])
def test_ranges(text: str, within: str, outside: str) -> None:
    fits = parse_range(text)
    assert [one for one in within.split() if not fits(version(one))] == []
    assert [one for one in outside.split() if fits(version(one))] == []


@pytest.mark.parametrize(
    "text", ["", " ", "a", ">=", "1.2 - 1.4", ">=1 ||", "=>1", "1.2-rc", "1.2.3.4", ">1" * 200, "1 <2x"]
)
def test_no_range(text: str) -> None:
    with pytest.raises(InputError, match="no range of versions"):
        parse_range(text)


PARTS = st.lists(st.from_regex(r"[0-9A-Za-z-]{1,4}", fullmatch=True), max_size=3)
VERSIONS = st.builds(
    lambda numbers, pre: Version(major=numbers[0], minor=numbers[1], patch=numbers[2], pre=tuple(pre)),
    st.tuples(*[st.integers(0, 30)] * 3),
    PARTS,
)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(one: Version, two: Version, three: Version) -> None:
    assert (one < two) + (two < one) + (one == two) == 1
    if one < two and two < three:
        assert one < three
    assert sorted([one, two, three]) == sorted([three, two, one])


@given(VERSIONS, VERSIONS)
def test_ranges_agree_with_the_order(one: Version, two: Version) -> None:
    text = ".".join(map(str, two.release)) + ("-" + ".".join(two.pre) if two.pre else "")
    assert parse_range(f">={text}")(one) == (one >= two)
    assert parse_range(f"<={text}")(one) == (one <= two)
    assert parse_range(f"={text}")(one) == (one == two)
    assert parse_range(f"!={text}")(one) == (one != two)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    read_version(text)
    with told():
        parse_range(text)(Version(major=1))
