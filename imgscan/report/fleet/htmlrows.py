"""What a reader of the fleet's page sees: findings told once, leaks, base images, teams with their images.

In: a `FleetReport` and where the images' own reports come from. Out: records, bounded, with what is left out counted.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from imgscan.fleets import BaseImage, Change, FleetFinding, FleetImage, FleetReport, Origin, SharedLeak
from imgscan.frozen import frozen
from imgscan.model import Rule, Severity
from imgscan.report.fleet import Load
from imgscan.report.fleet.overview import (
    Group,
    TeamTotal,
    Told,
    base_age,
    base_name,
    by_told,
    groups,
    mend_text,
    team_totals,
    unfinished,
    utc_time,
)
from imgscan.report.html.page import Fact
from imgscan.report.summary import where
from imgscan.units import human_bytes, human_seconds, percent

MOST_NEWS: Final = 400
MOST_PLACES: Final = 60
"""For so many of the new findings an image's own report is asked where it is and how to mend it."""
MOST_LEAKS: Final = 200
MOST_BASES: Final = 200
MOST_NAMES: Final = 100
MOST_IMAGES: Final = 3_000
MOST_FINDINGS: Final = 15_000
MOST_OF_IMAGE: Final = 200
_WORST_FIRST: Final = tuple(sorted(Severity, key=lambda severity: -severity.rank))

Counts = tuple[tuple[Severity, int], ...]


@frozen
class Names:
    """Images by name with their number on the page (None: it is not there), and how many more there are."""

    shown: tuple[tuple[str, int | None], ...]
    more: int = 0


@frozen
class News:
    """A new finding with all images that it is new in. `first`: none of them was looked at before."""

    group: Group
    images: Names
    first: bool
    place: str
    fix: str


@frozen
class Leak:
    """A shared layer with secrets, and its images; `mend` says what to mend, `more` how many findings are left out."""

    leak: SharedLeak
    mend: str
    severity: Severity
    images: Names
    findings: tuple[tuple[str, str, Severity, str], ...]
    more: int


@frozen
class Base:
    """What images are built on: what it is called, how old it is, and the day that the newest image on it was made."""

    base: BaseImage
    name: str
    age: str
    newest: str
    images: Names
    counts: Counts


@frozen
class ImageRow:
    """An image with its findings; `number` is its anchor on the page, `day` when it was
    made, `first`: it was never looked at before. `command` scans it
    alone; a shell may take it as it is."""

    image: FleetImage
    number: int
    counts: Counts
    new: int
    fixed: int
    first: bool
    base: str
    day: str
    command: str
    findings: tuple[FleetFinding, ...]
    more: int


@frozen
class Team:
    """A team's images, those with the gravest findings first, and how many are left out here."""

    total: TeamTotal
    counts: Counts
    images: tuple[ImageRow, ...]
    more: int


def facts(report: FleetReport) -> Iterator[Fact]:
    """What the run had to do."""
    made = report.figures
    kept = [f"{made.images_kept:,} as last time"] if made.images_kept else []
    failed = [f"{made.images_failed:,} failed"] if made.images_failed else []
    halves = len(unfinished(report))
    partly = [f"{halves:,} not wholly read"] if halves else []
    yield Fact(name="Images", value=f"{made.images:,}", remark=", ".join([*kept, *failed, *partly]) or "all looked at")
    if any(image.verdict for image in report.images):
        verdicts = Counter(image.verdict.value for image in report.images if image.verdict)
        yield Fact(name="NO-GO", value=f"{verdicts['NO-GO']:,}", remark=f"{verdicts['GO']:,} GO")
    once = f"{percent(1 - made.layers_distinct / made.layers)} shared" if made.layers > made.layers_distinct else ""
    of_all = f"distinct, of {made.layers:,}" + (f" ({once})" if once else "")
    yield Fact(name="Layers", value=f"{made.layers_distinct:,}", remark=of_all)
    yield Fact(name="Layers read", value=f"{made.layers_read:,}", remark=f"{made.layers_kept:,} results were kept")
    # Where layers lie in an engine nobody knows how large they are before they are read.
    total = f"of {human_bytes(made.bytes_distinct)} in distinct layers" if made.bytes_distinct else "files' contents"
    yield Fact(name="Bytes read", value=human_bytes(made.bytes_read), remark=total)
    yield Fact(name="Time", value=human_seconds(made.seconds), remark="")


def numbers(report: FleetReport) -> dict[str, int]:
    """The anchors of the images that the page shows, by name: the first `MOST_IMAGES`, those with findings first."""
    anchors: dict[str, int] = {}
    for at, image in enumerate(_shown(report)):
        anchors.setdefault(image.name, at)
    return anchors


def news(report: FleetReport, anchors: Mapping[str, int], load: Load) -> tuple[list[News], int]:
    """New findings that nobody has accepted, each told once, and how many more there are: those of images that were
    looked at before come first, then the gravest, then those of most images."""
    found = by_told(report)
    ranked = [(kind, group) for kind in (Told.NEW, Told.FIRST) for group in sorted(groups(found[kind]), key=_reach)]
    shown = ranked[:MOST_NEWS]
    places = _places(report, [group for _, group in shown[:MOST_PLACES]], load)
    rules = _rules()
    rows = []
    for kind, group in shown:
        place, fix = places.get((group.images[0], group.fingerprint), ("", ""))
        rule = rules.get(group.rule_id)
        rows.append(
            News(
                group=group,
                images=_names(group.images, anchors),
                first=kind is Told.FIRST,
                place=place,
                fix=fix or (rule.fix if rule else ""),
            )
        )
    return rows, len(ranked) - len(shown)


def leaks(report: FleetReport, anchors: Mapping[str, int]) -> list[Leak]:
    """Shared layers that leak, the worst first."""
    return [
        Leak(
            leak=leak,
            mend=mend_text(leak, report),
            severity=max((severity for _, _, severity, _ in leak.findings), key=_weight, default=Severity.INFO),
            images=_names(leak.images, anchors),
            findings=leak.findings[:MOST_NAMES],
            more=len(leak.findings[MOST_NAMES:]),
        )
        for leak in report.shared[:MOST_LEAKS]
    ]


def bases(report: FleetReport, anchors: Mapping[str, int]) -> list[Base]:
    """Base images, those whose rebuild mends most first."""
    return [
        Base(
            base=base,
            name=base_name(base),
            age=base_age(base, report),
            newest=_day(base.created[1]),
            images=_names(base.images, anchors),
            counts=_ordered(dict(base.findings)),
        )
        for base in report.bases[:MOST_BASES]
    ]


def teams(report: FleetReport) -> list[Team]:
    """Teams by the gravest of their findings, each with its images and their findings, bounded over the page."""
    by_image: dict[str, list[FleetFinding]] = {}
    for one in report.findings:
        by_image.setdefault(one.image, []).append(one)
    names = {base.layer: base_name(base) for base in report.bases}
    left = MOST_FINDINGS
    members: dict[str, list[ImageRow]] = {}
    for number, image in enumerate(_shown(report)):
        row = _image(image, by_image.get(image.name, ()), left, number, names)
        left -= len(row.findings)
        members.setdefault(image.team, []).append(row)
    return [
        Team(
            total=total,
            counts=_ordered(total.counts),
            images=tuple(members.get(total.team, ())),
            more=total.images - total.failed - len(members.get(total.team, ())),
        )
        for total in team_totals(report)
        if total.images > total.failed
    ]


def _image(
    image: FleetImage, findings: Sequence[FleetFinding], left: int, number: int, names: Mapping[str, str]
) -> ImageRow:
    shown = sorted(findings, key=_standing)[: min(MOST_OF_IMAGE, left)]
    return ImageRow(
        image=image,
        number=number,
        counts=_ordered(dict(image.counts)),
        new=sum(1 for one in findings if one.is_news),
        fixed=sum(1 for one in findings if one.change is Change.FIXED),
        first=any(one.first_run for one in findings),
        base=names.get(image.base, ""),
        day=_day(image.created),
        command=shlex.join(("imgscan", "scan", image.ref)),
        findings=tuple(shown),
        more=len(findings) - len(shown),
    )


def _places(report: FleetReport, heads: Iterable[Group], load: Load) -> dict[tuple[str, str], tuple[str, str]]:
    """Where findings are and how to mend them, as the images' own reports say; each of these is loaded once, and one
    at a time is held."""
    wanted: dict[str, set[str]] = {}
    for head in heads:
        wanted.setdefault(head.images[0], set()).add(head.fingerprint)
    found = {}
    for image in report.images:
        own = load(image) if image.name in wanted and image.key else None
        for one in own.findings if own else ():
            if one.fingerprint in wanted[image.name]:
                found[image.name, one.fingerprint] = (where(one.location), one.fix.text)
    return found


def _rules() -> Mapping[str, Rule]:
    from imgscan.detect.secrets.rules import default_rules
    from imgscan.rulebook import load_rules

    return {**load_rules(), **default_rules()}


def _names(images: Sequence[str], anchors: Mapping[str, int]) -> Names:
    shown = tuple((name, anchors.get(name)) for name in images[:MOST_NAMES])
    return Names(shown=shown, more=len(images) - len(shown))


def _ordered(counts: Mapping[Severity, int]) -> Counts:
    return tuple((severity, counts[severity]) for severity in _WORST_FIRST if counts.get(severity))


def _rank(counts: Counts) -> tuple[int, ...]:
    known = dict(counts)
    return tuple(-known.get(severity, 0) for severity in _WORST_FIRST)


def _gravest(image: FleetImage) -> tuple[tuple[int, ...], str]:
    return _rank(image.counts), image.name


def _standing(one: FleetFinding) -> tuple[int, int, str]:
    """New ones, standing ones, accepted ones, fixed ones, each the gravest first."""
    order = 3 if one.change is Change.FIXED else 2 if one.accepted else 1 if one.change is Change.STANDING else 0
    return order, -one.severity.rank, one.rule_id


def _weight(severity: Severity) -> int:
    return severity.rank


def _reach(group: Group) -> tuple[int, int]:
    return -group.severity.rank, -len(group.images)


def _shown(report: FleetReport) -> list[FleetImage]:
    looked_at = [image for image in report.images if image.origin is not Origin.FAILED]
    return sorted(looked_at, key=_gravest)[:MOST_IMAGES]


def _day(created: str) -> str:
    """The day of a time; nothing for what is none."""
    time = utc_time(created)
    return time.date().isoformat() if time is not None else ""
