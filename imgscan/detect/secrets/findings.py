"""Hits with their places -> findings: the same secret found in many places is one finding with many `places`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.places import Where, place_of
from imgscan.detect.secrets.redact import secret_fingerprint_parts
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity, Status, Validity
from imgscan.rulebook import fingerprint

RISK_ID: Final = "SEC-001"
# Where a secret hurts most comes first: files and settings of the image, then its history, then the project's files.
_PLACES: Final = (
    *(Place.FILE, Place.ENV, Place.CMD, Place.ENTRYPOINT, Place.HEALTHCHECK, Place.LABEL, Place.ONBUILD, Place.CONFIG),
    *(Place.HISTORY, Place.ATTESTATION, Place.DOCKERFILE, Place.CONTEXT),
)
_PLACE_ORDER: Final = {place: index for index, place in enumerate(_PLACES)}
_PROJECT_PLACES: Final = frozenset({Place.DOCKERFILE, Place.CONTEXT, Place.COMPOSE, Place.SCRIPT})
_CONFIDENCE_ORDER: Final = tuple(Confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedHit:
    """A hit and where it lies; the plaintext stays out of every representation."""

    hit: SecretHit = field(repr=False)
    location: Location


def secret_findings(located: Iterable[LocatedHit]) -> list[Finding]:
    """One finding for each secret and rule, in the order of their fingerprints."""
    groups: dict[str, list[LocatedHit]] = {}
    for item in located:
        groups.setdefault(item.hit.identity, []).append(item)
    findings = [_finding(sorted(group, key=_order)) for group in groups.values()]
    return sorted(findings, key=lambda f: (f.rule_id, f.fingerprint))


def _order(item: LocatedHit) -> tuple[int, int, str, int]:
    location = item.location
    layer = -1 if location.layer is None else location.layer
    return _PLACE_ORDER.get(location.place, len(_PLACE_ORDER)), layer, location.path or "", location.line or 0


def _finding(group: list[LocatedHit]) -> Finding:
    hit = group[0].hit
    places = _with_lines(tuple(dict.fromkeys(item.location for item in group)))
    location = places[0]
    status = _status(places)
    return Finding(
        rule_id=hit.rule.id,
        severity=_severity(group),
        confidence=min((item.hit.confidence for item in group), key=_CONFIDENCE_ORDER.index),
        evidence=Evidence.PATTERN if all(p.place in _PROJECT_PLACES for p in places) else Evidence.OBSERVED,
        risk_id=RISK_ID,
        message=_message(hit, location, status),
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


def _severity(group: list[LocatedHit]) -> Severity:
    """The worst of the places; but a text that also stands in a package, a test or a manual is everybody's, however
    its copies are called (a package manager's store)."""
    severities = sorted((item.hit.severity for item in group), key=lambda severity: severity.rank)
    public = any(place_of(item.location.path or "") is not Where.OWN and not item.hit.proven for item in group)
    return severities[0 if public else -1]


def _status(places: tuple[Location, ...]) -> Status | None:
    """Visible if it is visible anywhere: what counts for whoever runs the image."""
    found = {place.status for place in places if place.status is not None}
    return next((status for status in Status if status in found), None)


def _validity(group: list[LocatedHit]) -> Validity:
    found = {item.hit.validity for item in group}
    return next(v for v in (Validity.VALID, Validity.UNKNOWN, Validity.INVALID) if v in found)


def _message(hit: SecretHit, location: Location, status: Status | None) -> str:
    detail = f" ({hit.detail})" if hit.detail else ""
    where = {
        Place.FILE: f"in {location.path}",
        Place.CONTEXT: f"in {location.path}, which reaches the build",
        Place.DOCKERFILE: f"written in {location.path}",
        Place.HISTORY: "in the image's history",
        Place.ENV: f"in the image's environment ({location.path})",
        Place.LABEL: f"in the image's label {location.path}",
    }.get(location.place, f"in the image's {location.place}")
    after = ""
    if location.place is Place.FILE and status in (Status.DELETED, Status.OVERWRITTEN):
        after = f", {status} by a later layer but still in the image"
    return f"{hit.rule.about.title}{detail} {where}{after}"
