"""A run over a fleet for a terminal, read top to bottom in the morning: what is new, what to mend once for many
images, which base images to rebuild, what could not be looked at, what stands.

Every text that comes from an image or a registry goes through `escape.plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.escape import log_lines, plain, shorten
from imgscan.fleets import FleetImage, FleetReport, SharedLeak
from imgscan.model import Severity
from imgscan.report import Style
from imgscan.report.fleet import Load
from imgscan.report.fleet.overview import (
    Group,
    Told,
    base_age,
    base_name,
    by_told,
    failures,
    figure_lines,
    grave,
    groups,
    headline,
    mend_text,
    short_layer,
    team_totals,
    unfinished,
    worth_rebuilding,
)
from imgscan.report.summary import collapse, left_out_count, severity_counts, unread_text
from imgscan.report.terminal import Pen
from imgscan.units import human_bytes

_EACH: Final = 3
_TEAM: Final = 20
_RULE: Final = 40
_LEAKS: Final = 6
_SECRETS: Final = 3
_GRAVE: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)


def render(report: FleetReport, load: Load, style: Style) -> str:
    """The whole run as text."""
    return log_lines("\n".join(_lines(report, load, Pen(style))) + "\n")


def _lines(report: FleetReport, load: Load, pen: Pen) -> Iterator[str]:
    found = by_told(report)
    yield from _headline(report, pen)
    yield from _findings("New findings", groups(found[Told.NEW]), pen)
    yield from _first(groups(found[Told.FIRST]), pen)
    yield from _shared(report, pen)
    yield from _bases(report, pen)
    yield from _failed(report, load, pen)
    yield from _teams(report, pen)
    if pen.style.verbose:
        yield from _findings("Standing findings", groups(found[Told.STANDING]), pen)
    yield from _findings("Fixed since the run before", groups(found[Told.FIXED]), pen)
    yield from _remarks(report, pen)


def _headline(report: FleetReport, pen: Pen) -> Iterator[str]:
    word, counts = headline(report)
    severities = {finding.severity.rank for finding in report.findings if finding.is_news}
    grave = max(severities, default=0) >= Severity.HIGH.rank
    badge = pen.paint(f" {word} ", "1;37;41" if grave else "1;30;43" if severities else "1;30;42")
    first, *rest = pen.wrap(f"{word}    {counts}", "") or [""]
    yield f"{badge} {first.removeprefix(word)}"
    yield from rest
    yield ""
    yield f"imgscan {plain(report.version)}, run {report.run} of {plain(report.started_at)}"
    for line in figure_lines(report):
        yield from pen.wrap(line, "  ")
    if not report.complete:
        yield "  " + pen.paint("incomplete: not every image could be looked at as a whole (listed below)", "33")


def _first(found: Sequence[Group], pen: Pen) -> Iterator[str]:
    """What is new to nobody but the store: only the grave ones, unless all are wanted."""
    shown = found if pen.style.verbose else grave(found)
    yield from _findings("In images seen for the first time", shown, pen)
    left = len(found) - len(shown)
    if left:
        yield from ([] if shown else [pen.heading("In images seen for the first time")])
        yield f"  {left:,} of low severity or less (-v shows them)"


def _findings(title: str, found: Sequence[Group], pen: Pen) -> Iterator[str]:
    if not found:
        return
    yield pen.heading(f"{title} ({len(found):,})")
    shown = [(group, 0) for group in found] if pen.style.verbose else _short(found)
    shown = shown[: pen.rows(shown)]
    teams = [_team(group) for group, _ in shown]
    rules = [shorten(plain(group.rule_id), _RULE) for group, _ in shown]
    room = max(24, pen.width - 18 - max(map(len, teams)) - max(map(len, rules)))
    rows = [
        (pen.severity(group.severity), team, rule, _what(group, more, room, pen))
        for (group, more), team, rule in zip(shown, teams, rules, strict=True)
    ]
    yield pen.table(rows, ("severity", "team", "rule", "what and where"))
    yield from _more(len(found) - sum(1 + more for _, more in shown))


def _short(found: Sequence[Group]) -> list[tuple[Group, int]]:
    """A rule that is broken in a hundred images of a team does not bury the others; the order stays."""
    order = {id(group): at for at, group in enumerate(found)}
    by_team: dict[tuple[str, ...], list[Group]] = {}
    for group in found:
        by_team.setdefault(group.teams, []).append(group)
    shown = [one for groups_of in by_team.values() for one in collapse(groups_of, _EACH)]
    return sorted(shown, key=lambda one: order[id(one[0])])


def _team(group: Group) -> str:
    more = len(group.teams) - 1
    return shorten(plain(group.teams[0] or "-"), _TEAM) + (f" +{more:,}" if more else "")


def _what(group: Group, more: int, room: int, pen: Pen) -> str:
    """What it is, and below it the image that has it, or how many have."""
    count = len(group.images)
    tail = f"  (and {more:,} like it)" if more else ""
    head = "" if count == 1 else f"{'by one layer ' if group.layer else ''}in {count:,} images: "
    where = f"{head}{_names(group.images, max(16, room - len(head) - len(tail)), pen)}{tail}"
    return f"{pen.cell(group.message, room, 3 if pen.style.verbose else 2)}\n{where}"


def _names(names: Sequence[str], room: int, pen: Pen) -> str:
    """As many names as there is room for, at least one; all of them if all are wanted."""
    if pen.style.verbose:
        return plain(", ".join(names))
    first = shorten(plain(names[0]), room - (len(_left(len(names) - 1))))
    shown, text = 1, first
    for name in names[1:]:
        longer = f"{text}, {plain(name)}"
        if len(longer) + len(_left(len(names) - shown - 1)) > room:
            break
        shown, text = shown + 1, longer
    return text + _left(len(names) - shown)


def _left(count: int) -> str:
    return f" and {count:,} more" if count else ""


def _shared(report: FleetReport, pen: Pen) -> Iterator[str]:
    if not report.shared:
        return
    yield pen.heading(f"Mend once: layers that leak into several images ({len(report.shared):,})")
    shown = report.shared if pen.style.verbose else report.shared[:_LEAKS]
    for leak in shown:
        yield from _leak(leak, report, pen)
    yield from _more(len(report.shared) - len(shown))


def _leak(leak: SharedLeak, report: FleetReport, pen: Pen) -> Iterator[str]:
    severities = [severity for _, _, severity, _ in leak.findings]
    worst = max(severities, key=lambda severity: severity.rank)
    title = f"{len(leak.images):,} images, {severity_counts(severities)}: {mend_text(leak, report)}"
    first, *rest = pen.wrap(title, "    ") or [""]
    yield f"  {pen.severity(worst)}: {first.strip()}"
    yield from rest
    made = f": {leak.instruction}" if leak.instruction else ""
    yield from pen.wrap(f"layer {short_layer(leak.layer)}{made}", "    ")
    shown = leak.findings if pen.style.verbose else leak.findings[:_SECRETS]
    for _, rule, _, message in shown:
        yield from pen.wrap(f"- {rule}: {message}", "    ")
    if len(leak.findings) > len(shown):
        yield f"    - and {len(leak.findings) - len(shown):,} more"
    yield from (pen.paint(line, "2") for line in pen.wrap(f"in {_names(leak.images, pen.width - 8, pen)}", "    "))


def _bases(report: FleetReport, pen: Pen) -> Iterator[str]:
    bases = report.bases if pen.style.verbose else worth_rebuilding(report)
    if not bases:
        return
    yield pen.heading(f"Base images to rebuild ({len(bases):,})" if not pen.style.verbose else "Base images")
    room = max(24, pen.width - 62)
    rows = [
        (
            shorten(plain(base_name(base)), room),
            f"{len(base.images):,}",
            severity_counts(severity for severity, count in base.findings for _ in range(count)),
            base_age(base, report) or "-",
            human_bytes(base.size_bytes) if base.size_bytes else "-",
        )
        for base in bases[: pen.rows(bases)]
    ]
    yield pen.table(rows, ("base image", "images on it", "its layers ship", "age", "size"), right=(1, 4))
    yield from _more(len(bases) - len(rows))


def _failed(report: FleetReport, load: Load, pen: Pen) -> Iterator[str]:
    why = [f"{image.name}: {image.error or 'no reason is known'}" for image in failures(report)]
    yield from _listed("Images that could not be looked at", why, pen)
    # Their own reports say what was left out: no more of them are opened than are shown.
    partly = unfinished(report)
    shown = [_left_out(image, load) for image in partly[: pen.rows(partly)]]
    yield from _listed("Images that were not wholly read", shown, pen, len(partly))
    not_listed = [f"{item.source}: {item.reason}" for item in report.not_listed]
    yield from _listed("Sources that could not be listed", not_listed, pen)


def _listed(title: str, texts: Sequence[str], pen: Pen, count: int | None = None) -> Iterator[str]:
    """A section of texts; `count` is how many there are if these are not all."""
    if not texts:
        return
    total = len(texts) if count is None else count
    yield pen.heading(f"{title} ({total:,})")
    for text in texts[: pen.rows(texts)]:
        yield from pen.wrap(text, "  ")
    yield from _more(total - min(len(texts), pen.rows(texts)))


def _left_out(image: FleetImage, load: Load) -> str:
    """The image, and the first thing that could not be looked at in it."""
    own = load(image)
    if own is None:
        return image.name
    texts = [f"{item.where}: {item.reason}" for item in own.skipped]
    texts += [unread_text(item) for item in own.coverage.not_read] if own.coverage is not None else []
    left = left_out_count(own) - 1
    return f"{image.name}: {texts[0] if texts else 'incomplete'}" + (f" (and {left:,} more)" if left > 0 else "")


def _teams(report: FleetReport, pen: Pen) -> Iterator[str]:
    totals = team_totals(report)
    if not any(total.counts for total in totals):
        return
    yield pen.heading("Open findings by team")
    rows = [
        (
            shorten(plain(total.team or "-"), 2 * _TEAM),
            f"{total.images:,}" + (f" ({total.failed:,} failed)" if total.failed else ""),
            f"{total.new:,}",
            *(f"{total.counts.get(severity, 0):,}" for severity in _GRAVE),
        )
        for total in totals[: pen.rows(totals)]
    ]
    headers = ("team", "images", "new", *(severity.value for severity in _GRAVE))
    yield pen.table(rows, headers, right=tuple(range(1, len(headers))))
    yield from _more(len(totals) - len(rows))


def _remarks(report: FleetReport, pen: Pen) -> Iterator[str]:
    if report.notes or report.rule_packs:
        yield ""
    for note in report.notes:
        yield from pen.wrap(f"note: {note}", "  ")
    if report.rule_packs:
        yield from pen.wrap(f"rules: {', '.join(report.rule_packs)}", "  ")


def _more(left: int) -> Iterator[str]:
    if left > 0:
        yield f"  … and {left:,} more (-v shows all)"
