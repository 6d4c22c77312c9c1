"""Which tags are wanted: by glob, version, number and age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.errors import InputError
from imgscan.fleet.tags import Dated, TagRules, natural, only, parse_age, parse_created, prepare

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DIGEST = "ab" * 32
TAGS = f"latest 1 1.2 v1.2.0 1.2.3 1.10.0 2.0.0-rc.1 2.0.0 dev main-4 1.2.3-alpine sha256-{DIGEST}.sig".split()


def named(tags: list[str], **rules: Any) -> list[str]:
    return prepare(TagRules(**rules)).named(tags)


def dated(ages: dict[str, tuple[str, int | None]], **rules: Any) -> list[str]:
    """Tags with what they stand for and its age in days."""
    dates = {
        tag: Dated(identity=identity, created=None if days is None else NOW - timedelta(days=days))
        for tag, (identity, days) in ages.items()
    }
    return prepare(TagRules(**rules)).dated(dates, NOW)


CHOICES = [
    pytest.param({}, "1 1.2 1.2.3 1.2.3-alpine 1.10.0 2.0.0 2.0.0-rc.1 dev latest main-4 v1.2.0", id="all"),
    pytest.param({"include": ("1.*",)}, "1.2 1.2.3 1.2.3-alpine 1.10.0", id="glob"),
    pytest.param({"include": ("dev", "main-*")}, "dev main-4", id="globs"),
    pytest.param({"exclude": ("*alpine", "latest", "[12]*")}, "dev main-4 v1.2.0", id="exclude"),
    pytest.param({"include": ("1.*",), "exclude": ("*-*",)}, "1.2 1.2.3 1.10.0", id="both"),
    pytest.param({"semver": "*"}, "1 1.2 1.2.3 1.10.0 2.0.0 v1.2.0", id="releases"),
    pytest.param(
        {"semver": "*", "prereleases": True, "include": ("*-*",)}, "1.2.3-alpine 2.0.0-rc.1", id="prereleases"
    ),
    pytest.param({"semver": ">=1.2.1 <2"}, "1.2.3 1.10.0", id="range"),
    pytest.param({"semver": "*", "newest": 2}, "1.10.0 2.0.0", id="newest versions"),
    pytest.param({"semver": "<=1.2.0", "newest": 1}, "1.2 v1.2.0", id="spellings of one version"),
    pytest.param({"semver": "*", "newest": 100}, "1 1.2 1.2.3 1.10.0 2.0.0 v1.2.0", id="more than there are"),
]


@pytest.mark.parametrize(("rules", "expected"), CHOICES)
def test_by_name(rules: dict[str, Any], expected: str) -> None:
    assert named([*TAGS, *TAGS], **rules) == expected.split()


@pytest.mark.parametrize(
    "tag",
    [
        f"sha256-{DIGEST}.sig",
        f"sha256-{DIGEST}.att",
        f"sha256-{DIGEST}.sbom",
        f"sha256-{DIGEST}",
        f"sha512-{DIGEST}",
        f"sha512-{DIGEST}{DIGEST}.sig",
    ],
)
def test_what_is_attached_is_no_image(tag: str) -> None:
    assert named([tag]) == named([tag], include=("sha*",)) == []


@pytest.mark.parametrize("tag", ["sha256-abc", f"sha256-{DIGEST}0", "sha-1234567", f"x-sha256-{DIGEST}"])
def test_what_only_looks_like_it(tag: str) -> None:
    assert named([tag]) == [tag]


AGES = {
    "old": ("a", 400),
    "1.0": ("b", 40),
    "1.1": ("c", 20),
    "latest": ("c", 20),
    "repro": ("d", None),
    "1.2": ("e", 1),
}
BY_AGE = [
    pytest.param({"since_s": 30 * 86_400.0}, "1.1 1.2 latest repro", id="age"),
    pytest.param({"since_s": 20 * 86_400.0}, "1.1 1.2 latest repro", id="just as old"),
    pytest.param({"newest": 1}, "1.2", id="newest"),
    pytest.param({"newest": 2}, "1.1 1.2 latest", id="names of one image count once"),
    pytest.param({"newest": 4}, "1.0 1.1 1.2 latest old", id="without a date is oldest"),
    pytest.param({"newest": 5}, "1.0 1.1 1.2 latest old repro", id="all"),
    pytest.param({"newest": 1, "since_s": 86_400.0 / 2}, "repro", id="both"),
    pytest.param({"newest": 1, "since_s": 30 * 86_400.0, "semver": "*"}, "1.2", id="by version of the young"),
    pytest.param({"since_s": 1e15}, "1.0 1.1 1.2 latest old repro", id="since for ever"),
]


@pytest.mark.parametrize(("rules", "expected"), BY_AGE)
def test_by_age(rules: dict[str, Any], expected: str) -> None:
    assert dated(AGES, **rules) == expected.split()


def test_dates_are_asked_for_only_where_they_count() -> None:
    assert not TagRules().need_dates
    assert not TagRules(semver="*", newest=3).need_dates
    assert TagRules(newest=3).need_dates
    assert TagRules(semver="*", newest=3, since_s=1.0).need_dates


def test_a_date_decides_nothing_between_equals() -> None:
    ages: dict[str, tuple[str, int | None]] = {tag: (tag, 5) for tag in ("1.9", "1.10", "b", "a")}
    assert dated(ages, newest=1) == ["1.10"]
    assert dated(dict(reversed(ages.items())), newest=1) == ["1.10"]


@pytest.mark.parametrize(
    "rules",
    [
        {"include": ("!x",)},
        {"exclude": ("",)},
        {"semver": "one"},
        {"newest": 0},
        {"since_s": 0.0},
        {"include": ("[z-a]",)},
    ],
)
def test_rules_that_mean_nothing(rules: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        prepare(TagRules(**rules))


def test_a_source_with_a_glob_of_its_own() -> None:
    rules = only(TagRules(include=("x",), exclude=("1.2*",), semver="*"), "1.*")
    assert prepare(rules).named(TAGS) == ["1.10.0"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 2_592_000),
        ("12h", 43_200),
        ("90 min", 5_400),
        ("2w", 1_209_600),
        ("1month", 2_592_000),
        ("3months", 7_776_000),
        ("1Y", 31_536_000),
        ("5s", 5),
    ],
)
def test_ages(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "0d", "1.5h", "3 weeks ago", "9999999d"])
def test_no_ages(text: str) -> None:
    with pytest.raises(InputError, match="no age"):
        parse_age(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T07:08:09Z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T07:08:09.123456789Z", datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)),
        ("2024-05-06t07:08:09z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T09:08:09.5+02:00", datetime(2024, 5, 6, 7, 8, 9, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("1980-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2024-13-06T07:08:09Z", None),
        ("2024-05-06", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_created(text: str, expected: datetime | None) -> None:
    assert parse_created(text) == expected


@given(st.lists(st.text(max_size=12), max_size=12))
def test_natural_order_is_an_order(tags: list[str]) -> None:
    assert sorted(sorted(tags), key=natural) == sorted(tags, key=natural)


@given(st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,15}", fullmatch=True), max_size=15), st.integers(1, 5))
def test_newest_gives_no_more_than_it_says(tags: list[str], count: int) -> None:
    ages: dict[str, tuple[str, int | None]] = {tag: (tag, len(tag) if len(tag) % 3 else None) for tag in tags}
    found = dated(ages, newest=count)
    assert len(found) == min(count, len(ages))
    assert set(found) <= set(tags)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    parse_created(text)
    named([text], semver="*", prereleases=True)
