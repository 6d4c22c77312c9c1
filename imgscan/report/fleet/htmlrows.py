"""What a reader of the fleet's page sees: findings told once, leaks, base images, teams with their images.

In: a `FleetReport` and where the images' own reports come from. Out: records, bounded, with what is left out counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from imgscan.fleets import Change, FleetFinding, FleetImage, FleetReport, Origin, SharedLeak
from imgscan.model import Report, Rule, Severity
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
_NO_DATE: Final = 1980
"""Builds that give the same bytes every time set the clock to 1970 or 1980: that is no age."""
_WORST_FIRST: Final = tuple(sorted(Severity, key=lambda severity: -severity.rank))

Counts = tuple[tuple[Severity, int], ...]
Load = Callable[[FleetImage], Report | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Images by name with their number on the page (None: it is not there), and how many more there are."""

    shown: tuple[tuple[str, int | None], ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A new finding with all images that it is new in. `first`: none of them was looked at before."""

    finding: FleetFinding
    images: Names
    total: int
    first: bool
    place: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A shared layer with secrets, and its images. `owner` is the image of the run that the layer came with: the one
    with the fewest layers that others are built on ("": none is known)."""

    leak: SharedLeak
    owner: str
    severity: Severity
    images: Names
    findings: tuple[tuple[str, str, Severity, str], ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What images are built on; `built` is when it was made and `newest` when what is built on it was, in words."""

    label: str
    images: Names
    total: int
    counts: Counts
    size_bytes: int
    built: str
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """An image with its findings; `number` is its anchor on the page, `age` in words."""

    image: FleetImage
    number: int
    counts: Counts
    new: int
    fixed: int
    base: str
    age: str
    findings: tuple[FleetFinding, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team's images, those with the gravest findings first; `counts` are open findings, `more` images not shown."""

    name: str
    images: tuple[ImageRow, ...]
    counts: Counts
    new: int
    total: int
    more: int


def facts(report: FleetReport) -> Iterator[Fact]:
    """What the run had to do."""
    made = report.figures
    kept = [f"{made.images_kept:,} as last time"] if made.images_kept else []
    failed = [f"{made.images_failed:,} failed"] if made.images_failed else []
    yield Fact(name="Images", value=f"{made.images:,}", remark=", ".join([*kept, *failed]) or "all looked at")
    if any(image.verdict for image in report.images):
        verdicts = Counter(image.verdict.value for image in report.images if image.verdict)
        yield Fact(name="NO-GO", value=f"{verdicts['NO-GO']:,}", remark=f"{verdicts['GO']:,} GO")
    once = f"{percent(1 - made.layers_distinct / made.layers)} shared" if made.layers > made.layers_distinct else ""
    of_all = f"distinct, of {made.layers:,}" + (f" ({once})" if once else "")
    yield Fact(name="Layers", value=f"{made.layers_distinct:,}", remark=of_all)
    yield Fact(name="Layers read", value=f"{made.layers_read:,}", remark=f"{made.layers_kept:,} results were kept")
    total = f"of {human_bytes(made.bytes_distinct)} in distinct layers"
    yield Fact(name="Bytes read", value=human_bytes(made.bytes_read), remark=total)
    workers = f"{made.workers} worker{'s' if made.workers != 1 else ''}" if made.workers else ""
    yield Fact(name="Time", value=human_seconds(made.seconds), remark=workers)


def numbers(report: FleetReport) -> dict[str, int]:
    """The anchors of the images that the page shows, by name: the first `MOST_IMAGES`, those with findings first."""
    looked_at = [image for image in report.images if image.origin is not Origin.FAILED]
    return {image.name: at for at, image in enumerate(sorted(looked_at, key=_gravest)[:MOST_IMAGES])}


def news(report: FleetReport, anchors: Mapping[str, int], load: Load) -> tuple[list[News], int]:
    """New findings that nobody has accepted, and how many more there are: those of images that were looked at before
    come first, then the gravest. One of a layer is told once."""
    groups: dict[tuple[str, ...], list[FleetFinding]] = {}
    for one in report.findings:
        if one.change is Change.NEW and not one.accepted:
            identity = one.fingerprint if one.layer else one.message
            groups.setdefault((one.rule_id, one.severity.value, one.layer, identity), []).append(one)
    ranked = sorted(
        groups.values(),
        key=lambda group: (all(one.first_run for one in group), -group[0].severity.rank, -len(group)),
    )
    shown = ranked[:MOST_NEWS]
    places = _places(report, [group[0] for group in shown[:MOST_PLACES]], load)
    rules = _rules()
    rows = []
    for group in shown:
        head = group[0]
        place, fix = places.get((head.image, head.fingerprint), ("", ""))
        rule = rules.get(head.rule_id)
        rows.append(
            News(
                finding=head,
                images=_names(sorted({one.image for one in group}), anchors),
                total=len({one.image for one in group}),
                first=all(one.first_run for one in group),
                place=place,
                fix=fix or (rule.fix if rule else ""),
            )
        )
    return rows, len(ranked) - len(shown)


def leaks(report: FleetReport, anchors: Mapping[str, int]) -> list[Leak]:
    """Shared layers that leak, the worst first."""
    named = {name for base in report.bases for name in base.names}
    owners = sorted((len(image.layers), image.name, image.layers) for image in report.images if image.name in named)
    return [
        Leak(
            leak=leak,
            owner=next((name for _, name, layers in owners if leak.layer in layers), ""),
            severity=max(
                (severity for _, _, severity, _ in leak.findings), key=lambda s: s.rank, default=Severity.INFO
            ),
            images=_names(leak.images, anchors),
            findings=leak.findings[:MOST_NAMES],
            more=len(leak.findings[MOST_NAMES:]),
        )
        for leak in report.shared[:MOST_LEAKS]
    ]


def bases(report: FleetReport, anchors: Mapping[str, int]) -> list[Base]:
    """Base images, those whose rebuild mends most first."""
    made = {image.name: image.created for image in report.images if image.created}
    labels = _labels(report)
    return [
        Base(
            label=labels[base.layer],
            images=_names(base.images, anchors),
            total=len(base.images),
            counts=_ordered(dict(base.findings)),
            size_bytes=base.size_bytes,
            built=_age(max((made[name] for name in base.names if name in made), default=""), report.finished_at),
            newest=_age(base.created[1], report.finished_at),
        )
        for base in report.bases[:MOST_BASES]
    ]


def teams(report: FleetReport, anchors: Mapping[str, int]) -> list[Team]:
    """Teams by the gravest of their findings, each with its images and their findings, bounded over the page."""
    by_image: dict[str, list[FleetFinding]] = {}
    for one in report.findings:
        by_image.setdefault(one.image, []).append(one)
    labels = _labels(report)
    left = MOST_FINDINGS
    members: dict[str, list[ImageRow]] = {}
    looked_at = [image for image in report.images if image.origin is not Origin.FAILED]
    for image in sorted(looked_at, key=_gravest):
        if image.name not in anchors:
            continue
        found = sorted(by_image.get(image.name, ()), key=_standing)
        shown = found[: min(MOST_OF_IMAGE, left)]
        left -= len(shown)
        row = ImageRow(
            image=image,
            number=anchors[image.name],
            counts=_ordered(dict(image.counts)),
            new=_count(found, Change.NEW),
            fixed=_count(found, Change.FIXED),
            base=labels.get(image.base, ""),
            age=_age(image.created, report.finished_at),
            findings=tuple(shown),
            more=len(found) - len(shown),
        )
        members.setdefault(image.team, []).append(row)
    totals = Counter(image.team for image in looked_at)
    made = [_team(name, rows, totals[name]) for name, rows in members.items()]
    return sorted(made, key=lambda team: (_rank(team.counts), team.name))


def _team(name: str, rows: Sequence[ImageRow], total: int) -> Team:
    counts: Counter[Severity] = Counter()
    for row in rows:
        counts.update(dict(row.image.counts))
    new = sum(row.new for row in rows)
    shown = tuple(rows)
    return Team(name=name, images=shown, counts=_ordered(counts), new=new, total=total, more=total - len(shown))


def _places(report: FleetReport, heads: Iterable[FleetFinding], load: Load) -> dict[tuple[str, str], tuple[str, str]]:
    """Where findings are and how to mend them, as the images' own reports say; each of these is loaded once, and one
    at a time is held."""
    wanted: dict[str, set[str]] = {}
    for head in heads:
        wanted.setdefault(head.image, set()).add(head.fingerprint)
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


def _labels(report: FleetReport) -> dict[str, str]:
    """What to call a base image: as the fleet does, else by its last layer."""
    return {base.layer: ", ".join(base.names[:3]) or f"layer {_short(base.layer)}" for base in report.bases}


def _short(layer: str) -> str:
    return layer.removeprefix("sha256:")[:12]


def _names(images: Sequence[str], anchors: Mapping[str, int]) -> Names:
    shown = tuple((name, anchors.get(name)) for name in images[:MOST_NAMES])
    return Names(shown=shown, more=len(images) - len(shown))


def _count(found: Iterable[FleetFinding], change: Change) -> int:
    return sum(1 for one in found if one.change is change and not one.accepted)


def _ordered(counts: Mapping[Severity, int]) -> Counts:
    return tuple((severity, counts[severity]) for severity in _WORST_FIRST if counts.get(severity))


def _rank(counts: Counts) -> tuple[int, ...]:
    known = dict(counts)
    return tuple(-known.get(severity, 0) for severity in _WORST_FIRST)


def _gravest(image: FleetImage) -> tuple[tuple[int, ...], str]:
    return _rank(image.counts), image.name


def _standing(one: FleetFinding) -> tuple[int, int, str]:
    order = {Change.NEW: 0, Change.STANDING: 1, Change.FIXED: 3}[one.change]
    return 2 if one.accepted and order < 3 else order, -one.severity.rank, one.rule_id


def _age(created: str, now: str) -> str:
    """`2025-10-11 (46 days)`; nothing for a time that is none."""
    try:
        then, today = (datetime.fromisoformat(text) for text in (created, now))
    except ValueError:
        return ""
    then, today = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in (then, today))
    if then.year <= _NO_DATE or then > today:
        return ""
    days = (today - then).days
    return f"{then.date().isoformat()} ({days:,} day{'s' if days != 1 else ''})"
