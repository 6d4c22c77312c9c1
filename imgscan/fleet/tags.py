"""Which tags of a repository are wanted: tags and rules -> tags. By name at once, by age once somebody says when their
images were made. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.semver import Version, parse_range, read_version
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.pathglob import GlobError, compile_glob

_ATTACHED: Final = lazy_re(r"(?:sha256-[0-9a-f]{64}|sha384-[0-9a-f]{96}|sha512-[0-9a-f]{64,128})(?:\.[\w.-]+)?")
"""Tags that stand in for the referrers of an image (distribution spec 1.1), and those of signatures, attestations and
bills of materials (`.sig`, `.att`, `.sbom`)."""
_AGE: Final = lazy_re(r"(\d{1,6})\s*(s|min|h|d|w|months?|y)")
_AGES: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "month": 30 * 86_400, "y": 365 * 86_400}
_REAL_SINCE: Final = datetime(1980, 1, 2, tzinfo=UTC)
"""Reproducible builds write a date that stands for none: the year 1, the epoch, or the first day of 1980."""
_NUMBERS: Final = lazy_re(r"(\d+)")


@frozen
class TagRules:
    """What tags are wanted. `include` and `exclude` are globs: a tag fits one of the former, if there are any, and none
    of the latter. `semver` is a range of versions, which leaves out what is no version, and pre-releases unless
    `prereleases`. `newest` is how many images of a repository, `since_s` how old they may be, in seconds; both by the
    creation date of their configurations, `newest` by version where there is a `semver`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    semver: str | None = None
    prereleases: bool = False
    newest: int | None = None
    since_s: float | None = None

    @property
    def need_dates(self) -> bool:
        """Whether it takes the images' creation dates."""
        return self.since_s is not None or (self.newest is not None and self.semver is None)


@frozen
class Dated:
    """What a tag stands for at the moment: `identity` is the same for tags of one image, `created` None where the image
    does not say."""

    identity: str
    created: datetime | None


@frozen
class TagTest:
    """Rules made ready: `fits` says whether a tag is wanted by its name."""

    rules: TagRules
    fits: Callable[[str], bool]

    def named(self, tags: Iterable[str]) -> list[str]:
        """The tags that are wanted by their names, each once, in their natural order; with `newest` by version only
        the tags of as many of the highest versions, all spellings of one (`v1.2.0`, `1.2`) counting once."""
        found = sorted({tag for tag in tags if self.fits(tag)}, key=natural)
        rules = self.rules
        if rules.newest is None or rules.semver is None or rules.since_s is not None:
            return found
        return _highest(found, rules.newest)

    def dated(self, dates: Mapping[str, Dated], now: datetime) -> list[str]:
        """Those of `named` tags that are young enough, and then the newest; tags of one image count once. An image that
        does not say when it was made is never too old, and is older than every other one."""
        rules = self.rules
        oldest = _minus(now, rules.since_s) if rules.since_s is not None else None
        young = [tag for tag, one in dates.items() if oldest is None or one.created is None or one.created >= oldest]
        young.sort(key=natural)
        if rules.newest is None:
            return young
        if rules.semver is not None:
            return _highest(young, rules.newest)
        return _newest(young, dates, rules.newest)


def prepare(rules: TagRules) -> TagTest:
    """Rules as a test of tags. Raises InputError for a glob, a range or a number that means nothing."""
    include = [_glob(pattern) for pattern in rules.include]
    exclude = [_glob(pattern) for pattern in rules.exclude]
    in_range = parse_range(rules.semver) if rules.semver is not None else None
    if rules.newest is not None and rules.newest < 1:
        raise InputError("the number of the newest images is at least 1")
    if rules.since_s is not None and rules.since_s <= 0:
        raise InputError("an age is longer than nothing")

    def fits(tag: str) -> bool:
        if _ATTACHED.fullmatch(tag) or any(test(tag) for test in exclude):
            return False
        if include and not any(test(tag) for test in include):
            return False
        if in_range is None:
            return True
        version = read_version(tag)
        return version is not None and (rules.prereleases or not version.pre) and in_range(version)

    return TagTest(rules=rules, fits=fits)


def only(rules: TagRules, pattern: str) -> TagRules:
    """The rules for a source that names tags itself: its glob takes the place of the `include` of all."""
    return replace(rules, include=(pattern,))


def parse_age(text: str) -> float:
    """`30d`, `12h`, `6w`, `3months`, `1y` as seconds; a month has 30 days, a year 365. Raises InputError."""
    found = _AGE.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise InputError(
            f"{plain(shorten(text, 60))!r} is no age",
            next_step="a number and s, min, h, d, w, months or y, such as 30d",
        )
    return float(int(found[1]) * _AGES[found[2].removesuffix("s") or "s"])


def parse_created(text: str) -> datetime | None:
    """The `created` of an image's configuration (RFC 3339), in UTC; None where it is none, or stands for none."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?([Zz]|[+-]\d\d:\d\d)", text, re.ASCII)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(found[1].upper() + ("+00:00" if found[3] in "Zz" else found[3]))
        created = whole.replace(microsecond=int((found[2] or "0").ljust(6, "0")[:6])).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return created if created >= _REAL_SINCE else None


def natural(tag: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort tags as people do: numbers in them by their size."""
    parts = _NUMBERS.split(tag)
    key = tuple((0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part) for part in parts if part)
    return (*key, (-1, 0, tag))


def _highest(tags: Sequence[str], count: int) -> list[str]:
    versions = {tag: version for tag in tags if (version := read_version(tag)) is not None}
    highest = set(sorted(set(versions.values()), reverse=True)[:count])
    return [tag for tag in tags if versions.get(tag) in highest]


def _newest(tags: Sequence[str], dates: Mapping[str, Dated], count: int) -> list[str]:
    """Ties are broken by version and by name, so that the choice is the same every time."""
    ranked = sorted(tags, key=lambda tag: _rank(tag, dates[tag].created), reverse=True)
    identities = list(dict.fromkeys(dates[tag].identity for tag in ranked))[:count]
    return [tag for tag in tags if dates[tag].identity in identities]


def _rank(tag: str, created: datetime | None) -> tuple[bool, float, bool, Version, tuple[tuple[int, int, str], ...]]:
    version = read_version(tag)
    when = created.timestamp() if created is not None else 0.0
    return created is not None, when, version is not None, version or Version(major=0), natural(tag)


def _minus(now: datetime, seconds: float) -> datetime | None:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return None


def _glob(pattern: str) -> Callable[[str], bool]:
    try:
        return compile_glob(pattern)
    except GlobError as error:
        raise InputError(f"{plain(shorten(pattern, 100))!r} is no pattern of tags", cause=str(error)) from error
