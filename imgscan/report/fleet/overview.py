"""What a person reads first of a fleet, computed once for every text format: findings told once for all images that
have them, teams, what a base image is called and how old it is. In: a `FleetReport`. Out: plain, unescaped values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum

from imgscan.fleets import BaseImage, Change, FleetFinding, FleetImage, FleetReport, Origin, SharedLeak
from imgscan.frozen import frozen
from imgscan.model import Severity
from imgscan.report.summary import severity_counts
from imgscan.units import human_bytes, human_seconds

_SHORT_DIGEST = 12
_DAY_S = 86_400
_MONTH_DAYS = 30
_YEAR_DAYS = 365


class Told(StrEnum):
    """How a finding is told: `FIRST` is new only because its image was never looked at before."""

    NEW = "new"
    FIRST = "first"
    STANDING = "standing"
    FIXED = "fixed"


@frozen
class Group:
    """One thing to mend: a finding in all the images that have it, by the same layer, or, if no layer ships it, with
    the same words. Images and teams by name."""

    rule_id: str
    severity: Severity
    message: str
    fingerprint: str
    layer: str
    images: tuple[str, ...]
    teams: tuple[str, ...]


@frozen
class TeamTotal:
    """What a team has: images, those that failed, and open findings by severity; `new` are since the run before."""

    team: str
    images: int
    failed: int
    new: int
    counts: Mapping[Severity, int]


def told(finding: FleetFinding) -> Told | None:
    """How it is told; None for what is accepted."""
    if finding.change is Change.FIXED:
        return Told.FIXED
    if finding.accepted:
        return None
    if finding.change is Change.NEW:
        return Told.FIRST if finding.first_run else Told.NEW
    return Told.STANDING


def by_told(report: FleetReport) -> dict[Told, list[FleetFinding]]:
    """The findings that count, by how they are told."""
    found: dict[Told, list[FleetFinding]] = {each: [] for each in Told}
    for finding in report.findings:
        kind = told(finding)
        if kind is not None:
            found[kind].append(finding)
    return found


def groups(findings: Iterable[FleetFinding]) -> list[Group]:
    """Each thing once, the gravest first, then by team."""
    same: dict[tuple[str, ...], list[FleetFinding]] = {}
    for finding in findings:
        what = finding.fingerprint if finding.layer else finding.message
        same.setdefault((finding.rule_id, finding.severity, finding.layer, what), []).append(finding)
    made = [_group(found) for found in same.values()]
    return sorted(made, key=lambda one: (-one.severity.rank, one.teams, one.rule_id, -len(one.images), one.images))


def _group(found: list[FleetFinding]) -> Group:
    first = min(found, key=lambda finding: finding.image)
    return Group(
        rule_id=first.rule_id,
        severity=first.severity,
        message=first.message,
        fingerprint=first.fingerprint,
        layer=first.layer,
        images=tuple(sorted({finding.image for finding in found})),
        teams=tuple(sorted({finding.team for finding in found})),
    )


def headline(report: FleetReport) -> tuple[str, str]:
    """A word for the state of the fleet, and how many findings are new, standing and fixed, of which severity."""
    found = by_told(report)
    noun = "finding" if len(found[Told.FIRST]) == 1 else "findings"
    parts = [
        _counted(found[kind], words)
        for kind, words in (
            (Told.NEW, "new"),
            (
                Told.FIRST,
                f"{noun} in images seen for the first time",
            ),
            (Told.STANDING, "standing"),
            (Told.FIXED, "fixed"),
        )
        if found[kind] or (kind is Told.NEW and not found[Told.FIRST])
    ]
    word = "NEW FINDINGS" if found[Told.NEW] else "NO NEW FINDINGS"
    if not found[Told.NEW] and found[Told.FIRST] and not found[Told.STANDING]:
        word = "FIRST RUN" if not found[Told.FIXED] else word
    return word, "; ".join(parts)


def _counted(findings: list[FleetFinding], words: str) -> str:
    if not findings:
        return f"0 {words}"
    return f"{len(findings):,} {words} ({severity_counts(finding.severity for finding in findings)})"


def figure_lines(report: FleetReport) -> tuple[str, str]:
    """The images of the run, and what had to be read for them."""
    figures = report.figures
    partly = len(unfinished(report))
    parts = [f"{figures.images_kept:,} known from before"] if figures.images_kept else []
    parts += [f"{figures.images_failed:,} failed"] if figures.images_failed else []
    parts += [f"{partly:,} not wholly read"] if partly else []
    images = f"{_number(figures.images, 'image')}" + (f" ({', '.join(parts)})" if parts else "")
    # Where layers lie in an engine nobody knows how large they are before they are read.
    of_all = f" of {human_bytes(figures.bytes_distinct)}" if figures.bytes_distinct >= figures.bytes_read > 0 else ""
    read = (
        f"{_number(figures.layers, 'layer')}, {figures.layers_distinct:,} distinct: {figures.layers_kept:,} kept, "
        f"{figures.layers_read:,} read; {human_bytes(figures.bytes_read)}{of_all} read in "
        f"{human_seconds(figures.seconds)}"
    )
    return images, read


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def team_totals(report: FleetReport) -> list[TeamTotal]:
    """Of each team, those with the gravest findings first; "" are images that are nobody's."""
    counts: dict[str, Counter[Severity]] = defaultdict(Counter)
    new: Counter[str] = Counter()
    for finding in report.findings:
        if finding.is_open:
            counts[finding.team][finding.severity] += 1
            new[finding.team] += finding.is_news
    images = Counter(image.team for image in report.images)
    failed = Counter(image.team for image in report.images if image.origin is Origin.FAILED)
    totals = [
        TeamTotal(team=team, images=images[team], failed=failed[team], new=new[team], counts=counts[team])
        for team in {*images, *counts}
    ]
    return sorted(totals, key=lambda one: (tuple(-one.counts.get(severity, 0) for severity in _GRAVEST), one.team))


_GRAVEST = tuple(sorted(Severity, key=lambda severity: -severity.rank))


def grave(found: Iterable[Group]) -> list[Group]:
    """Those of medium severity and above."""
    return [group for group in found if group.severity.rank >= Severity.MEDIUM.rank]


def failures(report: FleetReport) -> list[FleetImage]:
    """The images that could not be looked at."""
    return [image for image in report.images if image.origin is Origin.FAILED]


def unfinished(report: FleetReport) -> list[FleetImage]:
    """The images that were looked at, but not as a whole."""
    return [image for image in report.images if image.origin is not Origin.FAILED and not image.complete]


def short_layer(diff_id: str) -> str:
    """A diffID as people tell layers apart: twelve digits."""
    return diff_id.removeprefix("sha256:")[:_SHORT_DIGEST]


def base_name(base: BaseImage) -> str:
    """What a base image is called: its names in the run, or that it ends in a layer."""
    if not base.names:
        return f"up to layer {short_layer(base.layer)}"
    more = len(base.names) - 1
    return base.names[0] + (f" (and {more} more names)" if more else "")


def base_age(base: BaseImage, report: FleetReport) -> str:
    """How long before the run it was made: of an image of the run by its own date, of any other at least as long as
    the oldest image built on it. "" where no date can be read."""
    own = [image.created for image in report.images if image.name in base.names and image.created]
    made = max(own, default="") or base.created[0]
    days = _days(made, report.started_at)
    if days is None:
        return ""
    return _age(days) if own else f"{_age(days)} or more"


def _days(since: str, until: str) -> int | None:
    """Whole days between two ISO times; None if they are none, or the wrong way round."""
    began, ended = utc_time(since), utc_time(until)
    seconds = (ended - began).total_seconds() if began is not None and ended is not None else -1
    return int(seconds // _DAY_S) if seconds >= 0 else None


def utc_time(text: str) -> datetime | None:
    """An ISO time; in UTC if it says nothing of a zone. None for what is none."""
    try:
        time = datetime.fromisoformat(text)
        # One at the end of what can be counted has no equal in UTC.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _age(days: int) -> str:
    if days < 2 * _MONTH_DAYS:
        return _number(days, "day")
    if days < 2 * _YEAR_DAYS:
        return _number(days // _MONTH_DAYS, "month")
    return _number(days // _YEAR_DAYS, "year")


def worth_rebuilding(report: FleetReport) -> list[BaseImage]:
    """The base images that ship findings of medium severity or more, those whose rebuild mends most first."""
    return [
        base
        for base in report.bases
        if any(severity.rank >= Severity.MEDIUM.rank and count for severity, count in base.findings)
    ]


def mend_text(leak: SharedLeak, report: FleetReport) -> str:
    """What is to be mended so that a layer leaks no more: the base image, by the name of the smallest image of the run
    that others are built on and that has the layer, or the build that the images share."""
    named = {name for base in report.bases for name in base.names}
    having = [image for image in report.images if image.name in named and leak.layer in image.layers]
    if having:
        return f"fix the base image {min(having, key=lambda image: (len(image.layers), image.name)).name}"
    return "fix the base image" if leak.base else "mend the build that made this layer"
