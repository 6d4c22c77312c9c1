"""What does not count: findings in, the same findings out, those marked that a baseline, an allowlist or a comment
accepts, and notes on what was written in vain. Pure.

Nothing is hidden: an accepted finding stays in the report. A comment inside an image is written by whoever made the
image, so alone it counts only where the user says so; otherwise it counts where a file of the project bears it, too.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.allowlist import AllowEntry
from imgscan.model import Accepted, AcceptedBy, Finding, Location, Place
from imgscan.store.baseline import Baseline, Entry

PROJECT_PLACES: Final = frozenset({Place.CONTEXT, Place.DOCKERFILE, Place.COMPOSE, Place.SCRIPT})
_MOST_NOTES: Final = 20
_LONGEST_AGO: Final = datetime.date.min


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What the user accepts. `image_marks`: the image's files are the user's, comments in them count. `rule_ids` are
    the rules there are, `today` decides what has expired. `tell_stale`: the baseline is for what is looked at alone, so
    an entry that nothing fits there fits nothing."""

    allow: tuple[AllowEntry, ...] = ()
    baseline: Baseline | None = None
    image_marks: bool = False
    rule_ids: Collection[str] = field(default=frozenset(), repr=False)
    today: datetime.date = _LONGEST_AGO
    tell_stale: bool = True


NOTHING_ACCEPTED: Final = Acceptance()


def accept(
    findings: Iterable[Finding], acceptance: Acceptance, *, whole: bool, places: Collection[Place] = frozenset(Place)
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings, marked, and the notes. `places` are those that were looked at, `whole` says that nothing was left
    out there: only then an entry that no finding fits is told."""
    met: set[str] = set()
    marked = tuple(_marked(finding, acceptance, met) for finding in findings)
    notes = [
        *_limited(_expired_notes(acceptance)),
        *_limited(_unknown_rules(acceptance)),
        *_uncounted(marked),
    ]
    if whole and acceptance.baseline is not None and acceptance.tell_stale:
        notes += _limited(_stale(acceptance.baseline, met, places))
    return marked, tuple(notes)


def open_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Those that count."""
    return [finding for finding in findings if finding.accepted is None]


def accepted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Those that do not."""
    return [finding for finding in findings if finding.accepted is not None]


def for_baseline(findings: Iterable[Finding]) -> list[Finding]:
    """Those that a baseline is to accept: all that nothing else accepts."""
    return [f for f in findings if f.accepted is None or f.accepted.by is AcceptedBy.BASELINE]


def _marked(finding: Finding, acceptance: Acceptance, met: set[str]) -> Finding:
    """A finding with what accepts it: what stands nearest to it first. `met` takes the baseline's entry for it."""
    today, baseline = acceptance.today, acceptance.baseline
    entry = baseline.find(finding) if baseline is not None else None
    if entry is not None:
        met.add(entry.id)
    accepted = _by_mark(finding, image_marks=acceptance.image_marks)
    for allow in acceptance.allow if accepted is None else ():
        if not _is_over(allow.expires, today) and allow.fits(finding):
            accepted = _accepted(AcceptedBy.ALLOWLIST, allow)
            break
    if accepted is None and entry is not None and not _is_over(entry.expires, today):
        accepted = _accepted(AcceptedBy.BASELINE, entry)
    return finding if accepted is None else replace(finding, accepted=accepted)


def _accepted(by: AcceptedBy, entry: AllowEntry | Entry) -> Accepted:
    return Accepted(by=by, reason=entry.reason, expires=entry.expires.isoformat() if entry.expires else None)


def _is_over(expires: datetime.date | None, today: datetime.date) -> bool:
    return expires is not None and expires < today


def _by_mark(finding: Finding, *, image_marks: bool) -> Accepted | None:
    """Accepted if every place of it bears a mark that counts there."""
    places = finding.places or (finding.location,)
    in_project = [place for place in places if place.place in PROJECT_PLACES and place.mark]
    if not all(_counts(place, in_project, image_marks=image_marks) for place in places):
        return None
    first = in_project[0] if in_project else places[0]
    line = f":{first.line}" if first.line else ""
    return Accepted(by=AcceptedBy.INLINE, reason=f"{first.mark} in {first.path}{line}")


def _counts(place: Location, in_project: Sequence[Location], *, image_marks: bool) -> bool:
    """Whether a place is accepted by a mark: its own, which in an image needs the project's word for it, too; settings
    and history of an image have no room for one, so that of the Dockerfile is for them."""
    if place.place in PROJECT_PLACES:
        return place.mark is not None
    if image_marks and place.mark:
        return True
    if place.place in (Place.FILE, Place.ATTESTATION):
        return place.mark is not None and bool(in_project)
    return any(marked.place is Place.DOCKERFILE for marked in in_project)


def _expired_notes(acceptance: Acceptance) -> Iterator[str]:
    for allow in acceptance.allow:
        if _is_over(allow.expires, acceptance.today):
            yield f"{allow.where}: this entry of [[allow]] expired on {allow.expires} and does not count"
    baseline = acceptance.baseline
    for entry in baseline.entries if baseline is not None else ():
        if baseline is not None and _is_over(entry.expires, acceptance.today):
            yield f"{baseline.file}: {_named(entry)} expired on {entry.expires} and does not count"


def _unknown_rules(acceptance: Acceptance) -> Iterator[str]:
    for allow in acceptance.allow if acceptance.rule_ids else ():
        rule = allow.rule
        if rule is not None and not {"*", "?", "["} & set(rule) and rule not in acceptance.rule_ids:
            near = difflib.get_close_matches(rule, acceptance.rule_ids, n=1)
            yield f"{allow.where}: there is no rule {rule!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _stale(baseline: Baseline, met: Collection[str], places: Collection[Place]) -> Iterator[str]:
    for entry in baseline.entries:
        if entry.id not in met and entry.place in places:
            yield f"{baseline.file}: {_named(entry)} matches nothing any more and can go"


def _named(entry: Entry) -> str:
    return f"{entry.rule} in {entry.where}" if entry.where else entry.rule


def _uncounted(findings: Iterable[Finding]) -> Iterator[str]:
    """How many findings ask in vain to be ignored."""
    asking = sum(1 for f in findings if f.accepted is None and any(p.mark for p in f.places))
    if asking:
        which = "1 secret has a comment" if asking == 1 else f"{asking} secrets have comments"
        yield (
            f"{which} asking to ignore it, but counts: every place has to have one, and in an image, whose maker wrote "
            "it, it counts only beside one in the project's files, or with --trust-image-ignores"
        )


def _limited(notes: Iterable[str]) -> list[str]:
    found = list(notes)
    more = len(found) - _MOST_NOTES
    return [*found[:_MOST_NOTES], f"and {more} more like this"] if more > 0 else found
