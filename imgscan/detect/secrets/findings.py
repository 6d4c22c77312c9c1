"""Hits with their places -> findings: the same secret found in many places is one finding with many `places`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import Final

from imgscan.detect.packages.claims import Owner
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.joined import join
from imgscan.detect.secrets.keypairs import KeyUse
from imgscan.detect.secrets.places import INSIDE, Where
from imgscan.detect.secrets.redact import secret_fingerprint_parts
from imgscan.detect.secrets.weighing import weigh, whose
from imgscan.frozen import frozen
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity, Status, Validity
from imgscan.nestedpath import nested_path
from imgscan.rulebook import fingerprint

RISK_ID: Final = "SEC-001"
# Where a secret hurts most comes first: files and settings of the image, then its history, then the project's files.
_PLACES: Final = (
    *(Place.FILE, Place.ENV, Place.CMD, Place.ENTRYPOINT, Place.HEALTHCHECK, Place.LABEL, Place.ONBUILD, Place.CONFIG),
    *(Place.HISTORY, Place.ATTESTATION, Place.DOCKERFILE, Place.CONTEXT),
)
_PLACE_ORDER: Final = {place: index for index, place in enumerate(_PLACES)}
_PROJECT_PLACES: Final = frozenset({Place.DOCKERFILE, Place.CONTEXT, Place.COMPOSE, Place.SCRIPT})
_MOST_BESIDE: Final = 3
_CONFIDENCE_ORDER: Final = tuple(Confidence)


@frozen
class LocatedHit:
    """A hit and where it lies; the plaintext stays out of every representation. `owner` is what the image's packages
    say of the file, `use` what trusts the key; `shipped` is the instruction of its layer in brackets, `hidden` the
    layer, with its instruction, that hides it, `seen_as` the name that it still has where its own is gone."""

    hit: SecretHit = field(repr=False)
    location: Location
    owner: Owner = Owner.UNKNOWN
    use: KeyUse | None = None
    shipped: str = ""
    hidden: str = ""
    seen_as: str = ""


@frozen
class _Weighed:
    """A located hit, weighed: `where` is whose its place is, `beside` what belongs to it."""

    item: LocatedHit
    hit: SecretHit = field(repr=False)
    where: Where
    severity: Severity
    confidence: Confidence
    beside: tuple[str, ...]

    @property
    def location(self) -> Location:
        return self.item.location


def secret_findings(located: Iterable[LocatedHit]) -> list[Finding]:
    """One finding for each secret and rule, in the order of their fingerprints."""
    groups: dict[str, list[_Weighed]] = {}
    for item in _weighed(list(located)):
        groups.setdefault(item.hit.identity, []).append(item)
    ordered = sorted((sorted(group, key=_order) for group in groups.values()), key=lambda group: _order(group[0]))
    return sorted(_told_apart(map(_finding, ordered)), key=lambda f: (f.rule_id, f.fingerprint))


def _told_apart(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings of different secrets, no two with one fingerprint: of weak ones in one file, too few bits of the secret
    are in it for that."""
    times: Counter[str] = Counter()
    for finding in findings:
        times[finding.fingerprint] += 1
        number = times[finding.fingerprint]
        if number > 1:
            finding = replace(finding, fingerprint=fingerprint(finding.rule_id, finding.fingerprint, str(number)))
        yield finding


def _weighed(located: Sequence[LocatedHit]) -> Iterator[_Weighed]:
    """Each hit as bad as it is at its place; those that are none there are left out."""
    for item, joined in join(located, lambda each: (each.hit, each.location)):
        path = item.location.path or ""
        verdict = weigh(joined.hit, path, item.owner)
        if verdict is None:
            continue
        severity, confidence = verdict
        where, _ = whose(path, item.owner)
        beside = list(joined.beside or (joined.hit.beside,))
        if item.use is not None:
            beside.insert(0, item.use.text)
            confidence = Confidence.HIGH if item.use.live and where is Where.OWN else confidence
            # With a key that everybody has, everybody can log in.
            severity = joined.hit.rule.severity if item.use.login and severity is Severity.INFO else severity
        yield _Weighed(
            item=item,
            hit=joined.hit,
            where=where,
            severity=severity,
            confidence=confidence,
            beside=tuple(filter(None, beside)),
        )


def _order(item: _Weighed) -> tuple[int, int, int, str, int]:
    """Where it hurts most; of those, the file that a person opens; of those, the lowest layer and the first line."""
    location = item.location
    layer = -1 if location.layer is None else location.layer
    place = _PLACE_ORDER.get(location.place, len(_PLACE_ORDER))
    return place, _remoteness(location.path or ""), layer, location.path or "", location.line or 0


def _remoteness(path: str) -> int:
    """0 for a file as it lies, 1 for what is in an archive, 2 for git's own copies, which no one can open or mend."""
    return 2 if ".git" in path.split(INSIDE)[0].split("/") else 1 if INSIDE in path else 0


def _finding(group: list[_Weighed]) -> Finding:
    hit = group[0].hit
    places = _with_lines(tuple(dict.fromkeys(item.location for item in group)))
    location = places[0]
    status = _status(places)
    severity = _severity(group)
    return Finding(
        rule_id=hit.rule.id,
        severity=severity,
        confidence=min((item.confidence for item in group), key=_CONFIDENCE_ORDER.index),
        evidence=Evidence.PATTERN if all(p.place in _PROJECT_PLACES for p in places) else Evidence.OBSERVED,
        risk_id=RISK_ID,
        message=_message(group, location, status, severity),
        fingerprint=fingerprint(hit.rule.id, *secret_fingerprint_parts(hit, location.place, location.path or "")),
        location=location,
        places=places,
        fix=Fix(text=hit.rule.about.fix),
        status=status,
        validity=_validity(group),
        excerpt=hit.context,
    )


def _with_lines(places: tuple[Location, ...]) -> tuple[Location, ...]:
    """The places, those of the configuration with the Dockerfile line that wrote the same secret."""
    written = next((place.dockerfile for place in places if place.place is Place.DOCKERFILE), None)
    if written is None:
        return places
    return tuple(
        place
        if place.dockerfile or place.place in _PROJECT_PLACES or place.place is Place.FILE
        else replace(place, dockerfile=written)
        for place in places
    )


def _severity(group: list[_Weighed]) -> Severity:
    """The worst of the places; but a text that also stands in a package, a test or a manual is everybody's, however
    its copies are called (a package manager's store)."""
    severities = sorted((item.severity for item in group), key=lambda severity: severity.rank)
    public = any(item.where is not Where.OWN and not item.hit.proven for item in group)
    return severities[0 if public else -1]


def _status(places: tuple[Location, ...]) -> Status | None:
    """Visible if it is visible anywhere: what counts for whoever runs the image."""
    found = {place.status for place in places if place.status is not None}
    return next((status for status in Status if status in found), None)


def _validity(group: list[_Weighed]) -> Validity:
    found = {item.hit.validity for item in group}
    return next(v for v in (Validity.VALID, Validity.UNKNOWN, Validity.INVALID) if v in found)


def _message(group: list[_Weighed], location: Location, status: Status | None, severity: Severity) -> str:
    """What it is, where, what belongs to it, and why deleting it is not enough."""
    first = group[0]
    hit = first.hit
    # Of a place that is less bad (an id without its other half) the reason would deny the severity of the worst.
    said = next((item.hit.detail for item in group if item.severity is severity), hit.detail)
    detail = f" ({said})" if said else ""
    where = {
        Place.FILE: f"in {nested_path(location)}",
        Place.CONTEXT: f"in {nested_path(location)}, which is in the build context",
        Place.DOCKERFILE: f"written in {location.path}",
        Place.COMPOSE: f"written in {location.path}",
        Place.SCRIPT: f"written in {location.path}",
        Place.HISTORY: "in the image's history",
        Place.ENV: f"in the image's environment ({location.path})",
        Place.LABEL: f"in the image's label {location.path}",
    }.get(location.place, f"in the image's {location.place}")
    beside = list(dict.fromkeys(text for item in group for text in item.beside))[:_MOST_BESIDE]
    told = [f"{hit.rule.about.title}{detail} {where}", *beside]
    if first.item.seen_as:
        told.append(f"the same file is still there as {first.item.seen_as}")
    if location.place is Place.FILE and location.layer is not None:
        told.append(_layer_words(first.item, status, severity))
    return "; ".join(told)


def _layer_words(item: LocatedHit, status: Status | None, severity: Severity) -> str:
    """Which layer has it, what hides it, and what that means for whoever can pull the image."""
    layer = f"layer {item.location.layer}{item.shipped}"
    gone = f"{status} by {item.hidden or 'a later layer'}" if status in (Status.DELETED, Status.OVERWRITTEN) else ""
    if severity.rank < Severity.MEDIUM.rank:
        return f"{gone}, still in {layer}" if gone else f"in {layer}"
    if gone:
        return f"{gone}, but anyone who can pull the image can still read {layer}: rotate it"
    return f"anyone who can pull the image can read {layer}: rotate it"
