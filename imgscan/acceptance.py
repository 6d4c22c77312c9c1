"""What does not count: findings in, the same findings out, those marked that a baseline, an allowlist or a comment
accepts, and notes on what was written in vain. Pure.

Nothing is hidden: an accepted finding stays in the report. A comment inside an image is written by whoever made the
image, so alone it counts only where the user says so; otherwise it counts where a file of the project bears it, too.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.alike import alike
from imgscan.allowlist import AllowEntry
from imgscan.frozen import frozen
from imgscan.ignores import NO_IGNORES, Ignore, Ignores
from imgscan.model import Accepted, AcceptedBy, Finding, Location, Place
from imgscan.store.baseline import Baseline, Entry

PROJECT_PLACES: Final = frozenset({Place.CONTEXT, Place.DOCKERFILE, Place.COMPOSE, Place.SCRIPT})
_MOST_NOTES: Final = 20
_IDLE_ENTRY: Final = "matches nothing any more and can go"
_ENTRY_FOR: Final = "the entry for "
_LONGEST_AGO: Final = datetime.date.min


@frozen
class Acceptance:
    """What the user accepts. `image_marks`: the image's files are the user's, comments in them count. `rule_ids` are
    the rules there are, `today` decides what has expired. `tell_stale`: baseline and comments are for what is looked at
    alone, so one that nothing fits there fits nothing."""

    allow: tuple[AllowEntry, ...] = ()
    baseline: Baseline | None = None
    image_marks: bool = False
    rule_ids: Collection[str] = field(default=frozenset(), repr=False)
    today: datetime.date = _LONGEST_AGO
    tell_stale: bool = True


NOTHING_ACCEPTED: Final = Acceptance()


@frozen
class Sought:
    """What was looked at: which `places`, and not for the rules `not_for`. `whole`: nothing was left out there."""

    places: Collection[Place] = frozenset(Place)
    not_for: Collection[str] = frozenset()
    whole: bool = True


@dataclass(slots=True)
class _Met:
    """What a finding was met for: entries of the baseline by id, comments by place and rule; `elsewhere` are the
    findings with a comment that is not where it had to be."""

    entries: set[str] = field(default_factory=set)
    comments: set[tuple[str, str]] = field(default_factory=set)
    elsewhere: int = 0


def accept(
    findings: Iterable[Finding], acceptance: Acceptance, *, sought: Sought, ignores: Ignores = NO_IGNORES
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings, marked, and the notes. An entry or a comment that no finding fits is told where everything was
    looked at."""
    met = _Met()
    marked = tuple(_marked(finding, acceptance, ignores, met) for finding in findings)
    notes = [
        *_limited(_expired_notes(acceptance)),
        *_limited(_unknown_rules(acceptance)),
        *_uncounted(marked),
        *_limited(ignores.faults),
        *_limited(_unknown_ignored(ignores, acceptance.rule_ids)),
        *_partly(met.elsewhere),
    ]
    if sought.whole and acceptance.tell_stale:
        notes += _limited(_idle(ignores, acceptance.rule_ids, met.comments, sought.not_for))
    if sought.whole and acceptance.baseline is not None and acceptance.tell_stale:
        notes += _limited(_stale(acceptance.baseline, met.entries, sought.places))
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


def is_about_baseline(note: str) -> bool:
    """Whether a note tells of an entry of a baseline."""
    return note.endswith(_IDLE_ENTRY) or f": {_ENTRY_FOR}" in note


def _marked(finding: Finding, acceptance: Acceptance, ignores: Ignores, met: _Met) -> Finding:
    """A finding with what accepts it: what stands nearest to it first. `met` takes what fits it."""
    today, baseline = acceptance.today, acceptance.baseline
    entry = baseline.find(finding) if baseline is not None else None
    if entry is not None:
        met.entries.add(entry.id)
    spots = [_spot(finding, place, ignores) for place in finding.places or (finding.location,)]
    met.comments |= {(spot.ignore.where, finding.rule_id) for spot in spots if spot.ignore is not None}
    accepted = _by_mark(finding, spots, image_marks=acceptance.image_marks)
    for allow in acceptance.allow if accepted is None else ():
        if not _is_over(allow.expires, today) and allow.fits(finding):
            accepted = _accepted(AcceptedBy.ALLOWLIST, allow)
            break
    if accepted is None and entry is not None and not _is_over(entry.expires, today):
        accepted = _accepted(AcceptedBy.BASELINE, entry)
    if accepted is not None:
        return replace(finding, accepted=accepted)
    # Of one with a mark `_uncounted` tells.
    met.elsewhere += any(spot.ignore for spot in spots) and not any(spot.location.mark for spot in spots)
    return finding


def _accepted(by: AcceptedBy, entry: AllowEntry | Entry) -> Accepted:
    return Accepted(by=by, reason=entry.reason, expires=entry.expires.isoformat() if entry.expires else None)


def _is_over(expires: datetime.date | None, today: datetime.date) -> bool:
    return expires is not None and expires < today


@frozen
class _Spot:
    """A place of a finding and the comment of the project that is about it."""

    location: Location
    ignore: Ignore | None

    @property
    def asks(self) -> bool:
        """Whether a comment asks to ignore it."""
        return self.location.mark is not None or self.ignore is not None

    @property
    def in_project(self) -> bool:
        """Whether it is a place in the project's files."""
        return self.location.place in PROJECT_PLACES


def _spot(finding: Finding, location: Location, ignores: Ignores) -> _Spot:
    """A place with the comment at its own line; a place in the image with that at the line of the Dockerfile that made
    it. For a secret that is not enough: of all that a line brings, nobody has said which secret is meant."""
    found = None
    if ignores.entries and location.place in PROJECT_PLACES:
        found = ignores.find(finding.rule_id, location.path, location.line)
    elif ignores.entries and not _is_secret(finding):
        made = location.dockerfile
        file, line = (made.file, made.line) if made is not None else (ignores.dockerfile, None)
        found = ignores.find(finding.rule_id, file, line)
    return _Spot(location=location, ignore=found)


def _is_secret(finding: Finding) -> bool:
    return finding.rule_id.startswith("secret-")


def _by_mark(finding: Finding, spots: Sequence[_Spot], *, image_marks: bool) -> Accepted | None:
    """A secret is accepted if every place of it bears a mark that counts there, anything else if that does where it is
    shown: its other places only tell more of it."""
    if not _is_secret(finding):
        spots = [_spot_of(finding.location, spots)]
    in_project = [spot for spot in spots if spot.in_project and spot.asks]
    if not all(_counts(spot, in_project, image_marks=image_marks) for spot in spots):
        return None
    ignore = next((spot.ignore for spot in spots if spot.ignore is not None), None)
    if ignore is not None:
        return Accepted(by=AcceptedBy.INLINE, reason=f"{ignore.reason} ({ignore.where})")
    first = (in_project[0] if in_project else spots[0]).location
    line = f":{first.line}" if first.line else ""
    return Accepted(by=AcceptedBy.INLINE, reason=f"{first.mark} in {first.path}{line}")


def _spot_of(location: Location, spots: Sequence[_Spot]) -> _Spot:
    return next((spot for spot in spots if spot.location == location), spots[0])


def _counts(spot: _Spot, in_project: Sequence[_Spot], *, image_marks: bool) -> bool:
    """Whether a place is accepted by a mark: its own, which in an image needs the project's word for it, too; settings
    and history of an image have no room for one, so that of the Dockerfile is for them."""
    place = spot.location.place
    if spot.in_project or spot.ignore is not None:
        return spot.asks
    if image_marks and spot.location.mark:
        return True
    if place in (Place.FILE, Place.ATTESTATION):
        return spot.location.mark is not None and bool(in_project)
    return any(marked.location.place is Place.DOCKERFILE for marked in in_project)


def _expired_notes(acceptance: Acceptance) -> Iterator[str]:
    for allow in acceptance.allow:
        if _is_over(allow.expires, acceptance.today):
            yield f"{allow.where}: this entry of [[allow]] expired on {allow.expires} and does not count"
    baseline = acceptance.baseline
    for entry in baseline.entries if baseline is not None else ():
        if baseline is not None and _is_over(entry.expires, acceptance.today):
            yield f"{baseline.file}: {_ENTRY_FOR}{_named(entry)} expired on {entry.expires} and does not count"


def _unknown_rules(acceptance: Acceptance) -> Iterator[str]:
    for allow in acceptance.allow if acceptance.rule_ids else ():
        rule = allow.rule
        if rule is not None and not {"*", "?", "["} & set(rule) and rule not in acceptance.rule_ids:
            near = alike(rule, acceptance.rule_ids)
            yield f"{allow.where}: there is no rule {rule!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _unknown_ignored(ignores: Ignores, rule_ids: Collection[str]) -> list[str]:
    """Comments that name rules there are not; a suggestion is looked for as often as one is shown."""
    unknown = [(e.where, rule) for e in ignores.entries for rule in e.rules if rule_ids and rule not in rule_ids]
    notes = []
    for number, (where, rule) in enumerate(unknown):
        near = alike(rule, rule_ids) if number < _MOST_NOTES else []
        notes.append(f"{where}: there is no rule {rule!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return notes


def _idle(
    ignores: Ignores, rule_ids: Collection[str], met: Collection[tuple[str, str]], not_for: Collection[str]
) -> Iterator[str]:
    """Comments that no finding fits."""
    for entry in ignores.entries:
        for rule in entry.rules if entry.sought else ():
            if (entry.where, rule) not in met and rule not in not_for and (not rule_ids or rule in rule_ids):
                yield f"{entry.where}: this comment accepts no finding of {rule} any more and can go"


def _partly(count: int) -> Iterator[str]:
    if count:
        which = "1 finding has its comment elsewhere" if count == 1 else f"{count} findings have comments elsewhere"
        yield f"{which} and counts: a comment belongs where a finding is shown, that of a secret at every place of it"


def _stale(baseline: Baseline, met: Collection[str], places: Collection[Place]) -> Iterator[str]:
    for entry in baseline.entries:
        if entry.id not in met and entry.place in places:
            yield f"{baseline.file}: {_named(entry)} {_IDLE_ENTRY}"


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
